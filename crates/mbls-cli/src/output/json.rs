//! The JSON schema `mbls-eval/1`, which `mbls help eval` and the book describe.

use crate::measure::{Group, Grouped, KEYS, Key, Measured};
use anyhow::Result;
use serde_json::{Map, Value, json};

/// Returns an object for one file, an array of such objects for several.
pub(super) fn write(files: &[Measured]) -> Result<String> {
    let value = match files {
        [measured] => object(measured),
        several => Value::Array(several.iter().map(object).collect()),
    };
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

pub(super) fn object(measured: &Measured) -> Value {
    let metric = |key: Key| {
        let interval = measured.interval(key);
        let value = json!({
            "value": number(measured.value(key)),
            "low": number(interval.map(|interval| interval.low)),
            "high": number(interval.map(|interval| interval.high)),
            "convention": key.convention(&measured.settings),
        });
        (key.name().to_owned(), value)
    };
    let calibrated = measured.calibrated.iter().map(|(key, range)| {
        let value = json!({
            "low": number(Some(range.interval.low)),
            "high": number(Some(range.interval.high)),
            "mean": number(Some(range.mean)),
            "p_value": number(Some(range.p_value)),
        });
        (key.name().to_owned(), value)
    });
    let level =
        KEYS.into_iter().find_map(|key| measured.interval(key)).map(|interval| interval.level);
    let mut object = json!({
        "schema": "mbls-eval/1",
        "file": measured.file,
        "scores": measured.scores,
        "samples": measured.samples,
        "ignored": measured.ignored,
        "classes": measured.classes,
        "level": level,
        "metrics": KEYS.into_iter().map(metric).collect::<Map<_, _>>(),
        "if_calibrated": calibrated.collect::<Map<_, _>>(),
    });
    if let Some(groups) = &measured.groups {
        object["groups"] = of_groups(groups);
    }
    object
}

fn of_groups(groups: &Grouped) -> Value {
    let group = |group: &Group| {
        let values = KEYS.map(|key| (key.name().to_owned(), number(group.values[key as usize])));
        let range = group.calibrated.map(|range| {
            json!({
                "low": number(Some(range.interval.low)),
                "high": number(Some(range.interval.high)),
                "p_value": number(Some(range.p_value)),
            })
        });
        json!({
            "name": group.name,
            "samples": group.samples,
            "metrics": values.into_iter().collect::<Map<_, _>>(),
            "ece_if_calibrated": range,
        })
    };
    json!({
        "by": groups.by,
        "worst": groups.worst().map(|group| &group.name),
        "groups": groups.groups.iter().map(group).collect::<Vec<_>>(),
    })
}

/// Returns a number, a text for an infinity as in all files of the workspace, or null.
pub(super) fn number(value: Option<f64>) -> Value {
    match value {
        None => Value::Null,
        Some(value) if value == f64::INFINITY => "inf".into(),
        Some(value) if value == f64::NEG_INFINITY => "-inf".into(),
        Some(value) => json!(value),
    }
}
