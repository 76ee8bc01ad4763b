//! How numbers are printed for people.

use crate::measure::{Key, Measured};

/// Formats a number with four decimals, or more if they would all be zeros.
pub(super) fn text(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value == 0.0 || !value.is_finite() => format!("{value}"),
        Some(value) if value.abs() < 1e-3 => format!("{value:.2e}"),
        Some(value) => format!("{value:.4}"),
    }
}

/// Formats a value with its interval.
pub(super) fn with_interval(measured: &Measured, key: Key) -> String {
    let value = text(measured.value(key));
    match measured.interval(key) {
        Some(interval) => {
            format!("{value} [{}, {}]", text(Some(interval.low)), text(Some(interval.high)))
        }
        None => value,
    }
}

/// Formats the range of a calibrated model.
pub(super) fn calibrated(measured: &Measured, key: Key) -> String {
    match measured.calibrated(key) {
        Some(range) => {
            let interval = &range.interval;
            format!("{} to {}", text(Some(interval.low)), text(Some(interval.high)))
        }
        None => String::new(),
    }
}

/// Formats the number of rows and classes of a file.
pub(super) fn size(measured: &Measured) -> String {
    let ignored = match measured.ignored {
        0 => String::new(),
        ignored => format!(" ({ignored} ignored)"),
    };
    let classes = measured.classes.map(|classes| format!(", {classes} classes"));
    format!("{} samples{ignored}{}", measured.samples, classes.unwrap_or_default())
}
