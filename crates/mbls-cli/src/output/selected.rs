//! Thresholds below which a model abstains.

use super::markdown;
use super::number::text;
use super::table::columns;
use crate::argument::Format;
use crate::selective::Threshold;
use anyhow::{Context, Result};
use serde_json::json;
use std::io::Write;

pub(crate) struct Selected {
    pub(crate) file: String,
    pub(crate) samples: u64,
    pub(crate) level: f64,
    /// Whether a threshold was asked for, instead of a list.
    pub(crate) asked: bool,
    /// AURC and excess AURC.
    pub(crate) aurc: (f64, f64),
    pub(crate) thresholds: Vec<Threshold>,
}

pub(crate) fn write_selected(
    selected: &Selected,
    format: Format,
    out: &mut dyn Write,
) -> Result<()> {
    let printed = match format {
        Format::Json => as_json(selected)?,
        Format::Markdown => {
            format!(
                "{}\n{}",
                markdown::escape(&heading(selected)),
                markdown::table(table(selected))
            )
        }
        Format::Table | Format::Csv => {
            format!("{}\n{}", heading(selected), columns(&table(selected)))
        }
    };
    out.write_all(printed.as_bytes()).and_then(|()| out.flush()).context("standard output")
}

fn heading(selected: &Selected) -> String {
    let Selected { file, samples, level, aurc, .. } = selected;
    let mut heading = format!(
        "{file}: {samples} samples, AURC {}, excess AURC {}\n",
        text(Some(aurc.0)),
        text(Some(aurc.1))
    );
    // 100 times 0.99 is not 99 in binary.
    let percent = (1e6 * level).round() / 1e4;
    match selected.thresholds[..] {
        [one] if selected.asked => {
            heading += &format!(
                "Answer where the confidence is at least {}. With probability {percent} % over \
                 samples like these, at most {:.3} % of the answers to new ones are wrong.\n",
                one.point.threshold,
                100.0 * one.bound
            );
        }
        _ => {
            heading += &format!(
                "Each bound holds by itself with probability {percent} % for new samples like these; \
                 --risk chooses a threshold for which it holds in spite of the choice.\n"
            );
        }
    }
    heading
}

fn table(selected: &Selected) -> Vec<Vec<String>> {
    let header = ["threshold", "coverage", "risk", "risk at most", "answered", "wrong"];
    let row = |one: &Threshold| {
        vec![
            // In full: a rounded threshold would answer other rows.
            one.point.threshold.to_string(),
            text(Some(one.point.coverage)),
            text(Some(one.point.risk)),
            text(Some(one.bound)),
            one.point.accepted.to_string(),
            one.point.wrong.to_string(),
        ]
    };
    std::iter::once(header.map(str::to_owned).to_vec())
        .chain(selected.thresholds.iter().map(row))
        .collect()
}

fn as_json(selected: &Selected) -> Result<String> {
    let threshold = |one: &Threshold| {
        json!({
            "threshold": one.point.threshold,
            "coverage": one.point.coverage,
            "risk": one.point.risk,
            "risk_bound": one.bound,
            "answered": one.point.accepted,
            "wrong": one.point.wrong,
        })
    };
    let object = json!({
        "schema": "mbls-select/1",
        "file": selected.file,
        "samples": selected.samples,
        "level": selected.level,
        "aurc": selected.aurc.0,
        "excess_aurc": selected.aurc.1,
        "thresholds": selected.thresholds.iter().map(threshold).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&object)? + "\n")
}
