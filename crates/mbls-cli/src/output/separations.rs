//! How well scores separate in-distribution from out-of-distribution rows.

use super::markdown;
use super::number::text;
use super::table::columns;
use crate::argument::Format;
use crate::measure::{MEASURES, Separation, measures};
use anyhow::{Context, Result};
use serde_json::{Map, json};
use std::io::Write;

pub(crate) fn write_separations(
    files: &[String; 2],
    found: &[Separation],
    format: Format,
    out: &mut dyn Write,
) -> Result<()> {
    let sizes = found.first().map_or((0, 0), |one| (one.report.inside, one.report.outside));
    let heading =
        format!("in: {}, {} rows; out: {}, {} rows", files[0], sizes.0, files[1], sizes.1);
    let printed = match format {
        Format::Table => format!("{heading}\n\n{}", columns(&table(found))),
        Format::Markdown => {
            format!("{}\n\n{}", markdown::escape(&heading), markdown::table(table(found)))
        }
        Format::Json => as_json(files, sizes, found)?,
        Format::Csv => csv(found)?,
    };
    out.write_all(printed.as_bytes()).and_then(|()| out.flush()).context("standard output")
}

fn table(found: &[Separation]) -> Vec<Vec<String>> {
    let header = std::iter::once("score").chain(MEASURES).map(str::to_owned).collect();
    let row = |one: &Separation| {
        let values =
            measures(&one.report).into_iter().zip(one.intervals).map(|(value, interval)| {
                let value = text(Some(value));
                match interval {
                    Some(range) => {
                        format!("{value} [{}, {}]", text(Some(range.low)), text(Some(range.high)))
                    }
                    None => value,
                }
            });
        std::iter::once(one.name.to_owned()).chain(values).collect()
    };
    std::iter::once(header).chain(found.iter().map(row)).collect()
}

fn as_json(files: &[String; 2], sizes: (u64, u64), found: &[Separation]) -> Result<String> {
    let score = |one: &Separation| {
        let values = MEASURES.into_iter().zip(measures(&one.report)).zip(one.intervals);
        let values = values.map(|((name, value), interval)| {
            let (low, high) = (interval.map(|range| range.low), interval.map(|range| range.high));
            (name.to_owned(), json!({"value": value, "low": low, "high": high}))
        });
        (one.name.to_owned(), values.collect::<Map<_, _>>().into())
    };
    let object = json!({
        "schema": "mbls-ood/1",
        "in": {"file": files[0], "samples": sizes.0},
        "out": {"file": files[1], "samples": sizes.1},
        "scores": found.iter().map(score).collect::<Map<_, _>>(),
    });
    Ok(serde_json::to_string_pretty(&object)? + "\n")
}

fn csv(found: &[Separation]) -> Result<String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(["score", "measure", "value", "low", "high"])?;
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for one in found {
        for ((name, value), interval) in
            MEASURES.into_iter().zip(measures(&one.report)).zip(one.intervals)
        {
            writer.write_record([
                one.name,
                name,
                &value.to_string(),
                &number(interval.map(|range| range.low)),
                &number(interval.map(|range| range.high)),
            ])?;
        }
    }
    String::from_utf8(writer.into_inner().context("CSV in memory")?).context("CSV in memory")
}
