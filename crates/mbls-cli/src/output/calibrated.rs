//! A model before and after calibration.

use super::json;
use super::markdown;
use super::number::text;
use super::table::columns;
use crate::argument::Format;
use crate::calibrate::Compared;
use crate::measure::{KEYS, Key, Measured};
use anyhow::{Context, Result, bail};
use mbls_core::calibration::CalibratorSpec;
use serde_json::json;
use std::io::Write;

/// A fitted calibrator and what it changes.
pub(crate) struct Calibrated {
    /// The calibrator in words.
    pub(crate) text: String,
    pub(crate) fitted_to: String,
    /// Whether it is measured on the rows it was fitted to.
    pub(crate) on_fitted: bool,
    pub(crate) spec: CalibratorSpec,
    /// The methods that were compared, if several were.
    pub(crate) candidates: Vec<Compared>,
    pub(crate) before: Measured,
    pub(crate) after: Measured,
}

/// Prints the metrics before and after, and the methods that were compared.
pub(crate) fn write_calibrated(
    calibrated: &Calibrated,
    format: Format,
    out: &mut dyn Write,
) -> Result<()> {
    let printed = match format {
        Format::Table => words(calibrated, &|text| text.to_owned(), &|rows| columns(&rows)),
        Format::Markdown => words(calibrated, &markdown::escape, &|rows| markdown::table(rows)),
        Format::Json => as_json(calibrated)?,
        Format::Csv => bail!("--format csv of a calibration: expected table, json or markdown"),
    };
    out.write_all(printed.as_bytes()).and_then(|()| out.flush()).context("standard output")
}

fn words(
    calibrated: &Calibrated,
    escape: &dyn Fn(&str) -> String,
    table: &dyn Fn(Vec<Vec<String>>) -> String,
) -> String {
    let Calibrated { text, fitted_to, before, .. } = calibrated;
    let mut out = String::new();
    if !calibrated.candidates.is_empty() {
        out += "Log-loss by cross-validation in five folds:\n\n";
        out += &table(candidates(calibrated));
        out += &format!("\n{}\n\n", escape(&verdict(calibrated)));
    }
    out += &escape(&format!("{text}, fitted to {fitted_to}, measured on {}", before.file));
    out.push('\n');
    if calibrated.on_fitted {
        out += "These are the rows it was fitted to: on others it is worse. --apply measures others.\n";
    }
    out.push('\n');
    let header = ["metric", "before", "after"].map(str::to_owned).to_vec();
    let row = |key: Key| {
        let value = |measured: &Measured| super::number::text(measured.value(key));
        vec![key.name().to_owned(), value(before), value(&calibrated.after)]
    };
    out + &table(std::iter::once(header).chain(KEYS.map(row)).collect())
}

fn candidates(calibrated: &Calibrated) -> Vec<Vec<String>> {
    let header = ["method", "log-loss", "less temperature"].map(str::to_owned).to_vec();
    let row = |one: &Compared| {
        let interval = one.less_temperature.map(|interval| {
            format!("[{}, {}]", text(Some(interval.low)), text(Some(interval.high)))
        });
        let problem = one.problem.clone().unwrap_or_default();
        vec![one.spec.title().to_owned(), text(one.nll), interval.unwrap_or(problem)]
    };
    std::iter::once(header).chain(calibrated.candidates.iter().map(row)).collect()
}

/// Says whether the best method is better than temperature scaling beyond its interval.
fn verdict(calibrated: &Calibrated) -> String {
    let title = calibrated.spec.title();
    let Some(best) = calibrated.candidates.iter().find(|one| one.spec == calibrated.spec) else {
        return String::new();
    };
    if calibrated.spec == CalibratorSpec::Temperature {
        return format!("{title} is the best of them.");
    }
    match best.less_temperature {
        Some(interval) if interval.high < 0.0 => format!(
            "{title} is the best of them, and better than temperature scaling beyond the interval \
             of the difference."
        ),
        _ => format!(
            "{title} is the best of them, but no better than temperature scaling beyond the \
             interval of the difference: temperature scaling, with one parameter, is the safer choice."
        ),
    }
}

fn as_json(calibrated: &Calibrated) -> Result<String> {
    let candidate = |one: &Compared| {
        json!({
            "method": one.spec,
            "nll": json::number(one.nll),
            "problem": one.problem,
            "less_temperature": one.less_temperature,
        })
    };
    let object = json!({
        "schema": "mbls-calibrate/1",
        "method": calibrated.spec,
        "calibrator": calibrated.text,
        "fitted_to": calibrated.fitted_to,
        "measured_on_fitted_rows": calibrated.on_fitted,
        "candidates": calibrated.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "before": json::object(&calibrated.before),
        "after": json::object(&calibrated.after),
    });
    Ok(serde_json::to_string_pretty(&object)? + "\n")
}
