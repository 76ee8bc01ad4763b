//! Helpers shared by the tests of the calibrators.

use mbls_core::metric::Predictions;
use mbls_testkit::golden;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// Logits uniform in -4..4 and labels drawn from their softmax at a temperature.
pub(crate) fn synthetic(
    rows: usize,
    classes: usize,
    temperature: f64,
    seed: u64,
) -> (Vec<f32>, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let logits: Vec<f32> = (0..rows * classes).map(|_| rng.random_range(-4.0..4.0)).collect();
    let zeros = vec![0; rows];
    let batch = Predictions::from_logits_at(&logits, classes, &zeros, temperature).unwrap();
    let draw = |row: usize| {
        let mut left: f64 = rng.random();
        let chosen = batch.probs(row).iter().position(|p| {
            left -= p;
            left < 0.0
        });
        chosen.unwrap_or(classes - 1) as u32
    };
    let labels = (0..rows).map(draw).collect();
    (logits, labels)
}

/// Returns the result of `run` in a pool of this many threads.
pub(crate) fn in_pool<T: Send>(threads: usize, run: impl Fn() -> T + Sync) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&run)
}

/// Reads a file of values computed by other libraries, see `fixtures/calibration/generate.py`.
pub(crate) fn fixture(name: &str) -> Value {
    golden::fixture(&format!("calibration/{name}"))
}

/// Returns the items of an array, at least one.
pub(crate) fn items(value: &Value) -> &[Value] {
    let items = value.as_array().unwrap_or_else(|| panic!("not an array: {value}"));
    assert!(!items.is_empty());
    items
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    items(value).iter().map(|number| number.as_f64().unwrap()).collect()
}

pub(crate) fn labels(value: &Value) -> Vec<u32> {
    items(value).iter().map(|label| label.as_u64().unwrap().try_into().unwrap()).collect()
}

/// Fails if numbers differ by more than `tolerance`, relative to 1 or to the expected number if
/// that is larger.
pub(crate) fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * b.abs().max(1.0),
            "{what}: number {i} is {a}, expected {b}"
        );
    }
}
