//! Scores as found in real files: half precision, values changed by rounding, masked classes,
//! extremes, and numbers that JSON cannot represent. `fixtures/inputs/generate.py` computes the
//! values of PyTorch, SciPy and scikit-learn.

mod labelled;
mod masked;
mod numbers;
mod precision;

use mbls_testkit::golden;
use serde_json::Value;

fn fixture() -> Value {
    golden::fixture("inputs/values.json")
}

/// Reads the numbers of a nested list, with infinities as strings.
fn numbers_of(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers_of).collect(),
        Value::String(text) => vec![text.parse().unwrap()],
        number => vec![number.as_f64().unwrap()],
    }
}

fn f32s(value: &Value) -> Vec<f32> {
    numbers_of(value).into_iter().map(|number| number as f32).collect()
}

fn labels_of(value: &Value) -> Vec<u32> {
    numbers_of(value).into_iter().map(|label| label as u32).collect()
}

fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (row, (a, b)) in found.iter().zip(expected).enumerate() {
        let close = a == b || (a - b).abs() <= tolerance * b.abs().max(1.0);
        assert!(close, "{what} of row {row} is {a}, expected {b}");
    }
}
