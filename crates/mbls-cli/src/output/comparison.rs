//! The comparison of two models.

use super::json::number;
use super::markdown;
use super::number::text;
use super::table::columns;
use crate::argument::Format;
use crate::measure::{Compared, KEYS, Key};
use anyhow::{Context, Result};
use serde_json::{Map, json};
use std::io::Write;

/// Prints the differences of all metrics.
pub(crate) fn write_comparison(
    compared: &Compared,
    format: Format,
    out: &mut dyn Write,
) -> Result<()> {
    let [first, second] = &compared.files;
    let heading = format!("A = {first}, B = {second}, {} samples", compared.samples);
    let printed = match format {
        Format::Table => format!("{heading}\n\n{}", columns(&table(compared))),
        Format::Markdown => {
            format!("{}\n\n{}", markdown::escape(&heading), markdown::table(table(compared)))
        }
        Format::Json => json(compared)?,
        Format::Csv => csv(compared)?,
    };
    out.write_all(printed.as_bytes()).and_then(|()| out.flush()).context("standard output")
}

fn verdict(compared: &Compared, key: Key) -> &'static str {
    match (compared.better(key), compared.intervals[key as usize]) {
        (Some(0), _) => "A is better",
        (Some(_), _) => "B is better",
        (None, Some(_)) => "no more than noise",
        (None, None) => "",
    }
}

fn table(compared: &Compared) -> Vec<Vec<String>> {
    let header = ["metric", "A", "B", "A - B", "interval of A - B", "verdict"];
    let row = |key: Key| {
        let index = key as usize;
        let interval = compared.intervals[index].map(|interval| {
            format!("[{}, {}]", text(Some(interval.low)), text(Some(interval.high)))
        });
        vec![
            key.name().to_owned(),
            text(compared.values[0][index]),
            text(compared.values[1][index]),
            text(compared.difference(key)),
            interval.unwrap_or_default(),
            verdict(compared, key).to_owned(),
        ]
    };
    std::iter::once(header.map(str::to_owned).to_vec()).chain(KEYS.map(row)).collect()
}

fn json(compared: &Compared) -> Result<String> {
    let metric = |key: Key| {
        let index = key as usize;
        let interval = compared.intervals[index];
        let value = json!({
            "a": number(compared.values[0][index]),
            "b": number(compared.values[1][index]),
            "difference": number(compared.difference(key)),
            "low": number(interval.map(|interval| interval.low)),
            "high": number(interval.map(|interval| interval.high)),
            "better": compared.better(key).map(|model| ["a", "b"][model]),
        });
        (key.name().to_owned(), value)
    };
    let object = json!({
        "schema": "mbls-compare/1",
        "a": compared.files[0],
        "b": compared.files[1],
        "samples": compared.samples,
        "metrics": KEYS.into_iter().map(metric).collect::<Map<_, _>>(),
    });
    Ok(serde_json::to_string_pretty(&object)? + "\n")
}

fn csv(compared: &Compared) -> Result<String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(["metric", "a", "b", "difference", "low", "high", "better"])?;
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for key in KEYS {
        let interval = compared.intervals[key as usize];
        writer.write_record([
            key.name(),
            &number(compared.values[0][key as usize]),
            &number(compared.values[1][key as usize]),
            &number(compared.difference(key)),
            &number(interval.map(|interval| interval.low)),
            &number(interval.map(|interval| interval.high)),
            compared.better(key).map(|model| ["a", "b"][model]).unwrap_or_default(),
        ])?;
    }
    String::from_utf8(writer.into_inner().context("CSV in memory")?).context("CSV in memory")
}
