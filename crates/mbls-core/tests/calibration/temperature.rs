//! Temperature scaling: the grid of the published code against golden values, the exact fit against its definition.

use mbls_core::calibration::{GridObjective, TemperatureScaling};
use mbls_core::metric::{Metric, NegativeLogLikelihood, Predictions, ReliabilityBins};
use mbls_testkit::golden;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The JSON parser may miss the last bit of a number; points of the grid are 0.1 apart.
const PARSED: f64 = 1e-12;

fn nll(logits: &[f32], classes: usize, labels: &[u32], temperature: f64) -> f64 {
    let mut metric = NegativeLogLikelihood::new();
    metric.update(&Predictions::from_logits_at(logits, classes, labels, temperature).unwrap()).unwrap();
    metric.value().unwrap()
}

/// `d NLL / d (1 / T)`, from its definition.
fn derivative(logits: &[f32], classes: usize, labels: &[u32], temperature: f64) -> f64 {
    let batch = Predictions::from_logits_at(logits, classes, labels, temperature).unwrap();
    let row = |n: usize| {
        let row = &logits[n * classes..][..classes];
        let mean: f64 = row.iter().zip(batch.probs(n)).map(|(&l, p)| p * f64::from(l)).sum();
        mean - f64::from(row[labels[n] as usize])
    };
    (0..labels.len()).map(row).sum::<f64>() / labels.len() as f64
}

/// Logits uniform in -4..4 and labels drawn from their softmax at a temperature.
fn synthetic(rows: usize, classes: usize, temperature: f64, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let logits: Vec<f32> = (0..rows * classes).map(|_| rng.random_range(-4.0..4.0)).collect();
    let batch = Predictions::from_logits_at(&logits, classes, &vec![0; rows], temperature).unwrap();
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

#[test]
fn grid_matches_the_published_code() {
    let (json, tensors) = (golden::json("metrics.json"), golden::tensors("metrics.safetensors"));
    let cases = json["temperature"].as_object().unwrap();
    assert!(!cases.is_empty());
    for (name, recorded) in cases {
        let tensor = &tensors[&format!("{name}/logits")];
        let classes = tensor.dims()[1];
        let logits: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        let labels: Vec<i64> = tensors[&format!("{name}/labels")].to_vec1().unwrap();
        let labels: Vec<u32> = labels.into_iter().map(|label| label.try_into().unwrap()).collect();
        for (objective, key) in [(GridObjective::Nll, "T_nll"), (GridObjective::Ece, "T_ece")] {
            let fitted = TemperatureScaling::fit_grid(&logits, classes, &labels, objective).unwrap();
            let (found, expected) = (fitted.temperature(), recorded[key].as_f64().unwrap());
            assert!((found - expected).abs() < PARSED, "{name}: {key} is {found}, expected {expected}");
        }

        let curve = |key: &str| -> Vec<f64> {
            recorded[key].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
        };
        let (temperatures, nlls, eces) = (curve("grid_T"), curve("grid_nll"), curve("grid_ece"));
        let mut temperature = 0.1;
        for (i, expected) in temperatures.iter().enumerate() {
            assert!((temperature - expected).abs() < PARSED, "{name}: T {i}");
            let batch = Predictions::from_logits_at(&logits, classes, &labels, temperature).unwrap();
            let found = nll(&logits, classes, &labels, temperature);
            assert!((found - nlls[i]).abs() <= 1e-6 * nlls[i].max(1.0), "{name}: NLL {found} at T {temperature}");

            let mut bins = ReliabilityBins::new(TemperatureScaling::GRID_BINS).unwrap();
            bins.update(&batch).unwrap();
            let reliability = bins.value().unwrap();
            // The curve was computed in f32. A row whose confidence is within f32 rounding of an inner edge may be in the
            // other bin there; it moves the gaps of two bins, by 1 / n at most each.
            let at_edge = (0..batch.rows()).filter(|&row| {
                let inner = &reliability.bins[1..];
                inner.iter().any(|bin| (batch.confidence(row) - bin.lower).abs() < 1e-6)
            });
            let tolerance = 1e-6 + 2.0 * at_edge.count() as f64 / batch.rows() as f64;
            let found = reliability.ece();
            assert!((found - eces[i]).abs() <= tolerance, "{name}: ECE {found} at T {temperature}, not {}", eces[i]);
            temperature += 0.1;
        }

        let exact = TemperatureScaling::fit(&logits, classes, &labels).unwrap().temperature();
        let best = nlls.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(nll(&logits, classes, &labels, exact) <= best + 1e-6, "{name}: the grid is better than T {exact}");
    }
}

#[test]
fn grid_takes_the_first_of_equals() {
    for objective in [GridObjective::Nll, GridObjective::Ece] {
        let fitted = TemperatureScaling::fit_grid(&[2.0, 2.0], 2, &[0], objective).unwrap();
        assert_eq!(fitted.temperature(), 0.1);
    }
}

#[test]
fn fit_recovers_the_temperature_that_drew_the_labels() {
    for (seed, expected) in [0.3, 1.0, 1.7, 4.0].into_iter().enumerate() {
        let (logits, labels) = synthetic(20_000, 5, expected, seed as u64);
        let found = TemperatureScaling::fit(&logits, 5, &labels).unwrap().temperature();
        assert!((found / expected - 1.0).abs() < 0.05, "{found}, expected {expected}");
        let slope = derivative(&logits, 5, &labels, found);
        assert!(slope.abs() < 1e-10, "derivative {slope} at T {found}");
    }
}

#[test]
fn fit_has_the_same_bits_for_any_number_of_threads() {
    let (logits, labels) = synthetic(5000, 4, 2.0, 9);
    let in_pool = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| TemperatureScaling::fit(&logits, 4, &labels).unwrap().temperature().to_bits())
    };
    assert_eq!(in_pool(1), in_pool(2));
    assert_eq!(in_pool(1), in_pool(4));
}

#[test]
fn fit_stays_in_its_range() {
    let fit = |logits: &[f32], labels: &[u32]| TemperatureScaling::fit(logits, 2, labels).unwrap().temperature();
    // All right: the sharper the better. All wrong: the flatter.
    assert_eq!(fit(&[1.0, 0.0, 0.0, 1.0], &[0, 1]), TemperatureScaling::MIN);
    assert_eq!(fit(&[1.0, 0.0, 0.0, 1.0], &[1, 0]), TemperatureScaling::MAX);
    assert_eq!(fit(&[1e4, -1e4, -1e4, 1e4], &[1, 0]), TemperatureScaling::MAX);
    // Nothing to choose by.
    assert_eq!(fit(&[3.0, 3.0], &[1]), 1.0);
    assert_eq!(fit(&[1e4, -1e4], &[0]), 1.0);
}

/// Logits of 1e4 that are right in three of four rows: calibrated where 1e4 / T = ln 3.
#[test]
fn fit_of_huge_logits() {
    let logits = [1e4, 0.0].repeat(4);
    let fitted = TemperatureScaling::fit(&logits, 2, &[0, 0, 0, 1]).unwrap().temperature();
    assert!((fitted / (1e4 / 3f64.ln()) - 1.0).abs() < 1e-9, "{fitted}");
}

#[test]
fn scaling_keeps_predictions() {
    let (logits, labels) = synthetic(200, 4, 3.0, 2);
    let plain = Predictions::from_logits(&logits, 4, &labels).unwrap();
    let scaled = TemperatureScaling::new(7.5).unwrap().apply(&logits, 4, &labels).unwrap();
    for row in 0..plain.rows() {
        assert_eq!(plain.predicted(row), scaled.predicted(row));
        assert!(scaled.confidence(row) <= plain.confidence(row));
    }
}

#[test]
fn wrong_input_is_refused() {
    let message = TemperatureScaling::fit(&[0f32; 0], 3, &[]).unwrap_err().to_string();
    assert_eq!(message, "temperature scaling: there are no rows to fit to");
    let message = TemperatureScaling::fit_grid(&[0.0, f32::NAN], 2, &[0], GridObjective::Ece).unwrap_err().to_string();
    assert_eq!(message, "logit NaN at row 0, class 1: expected a finite number");
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let message = TemperatureScaling::new(temperature).unwrap_err().to_string();
        assert_eq!(message, format!("temperature = {temperature}: expected a finite number greater than 0"));
    }
    let fitted = TemperatureScaling::new(1.5).unwrap();
    let text = serde_json::to_string(&fitted).unwrap();
    assert_eq!(text, r#"{"temperature":1.5}"#);
    assert_eq!(serde_json::from_str::<TemperatureScaling>(&text).unwrap(), fitted);
    assert!(serde_json::from_str::<TemperatureScaling>(r#"{"temperature":-1}"#).is_err());
}

proptest! {
    #[test]
    fn fit_is_the_optimum(
        rows in prop::collection::vec((prop::collection::vec(-30f32..30.0, 3), 0u32..3), 1..40)
    ) {
        let logits: Vec<f32> = rows.iter().flat_map(|(logits, _)| logits.clone()).collect();
        let labels: Vec<u32> = rows.iter().map(|(_, label)| *label).collect();
        let fitted = TemperatureScaling::fit(&logits, 3, &labels).unwrap().temperature();
        prop_assert!((TemperatureScaling::MIN..=TemperatureScaling::MAX).contains(&fitted));
        let at = |temperature: f64| nll(&logits, 3, &labels, temperature);
        prop_assert!(at(fitted) <= at(1.0));
        // Convex in 1 / T: no worse than its neighbours is no worse than all.
        for factor in [0.9, 0.999, 1.001, 1.1] {
            let other = (fitted * factor).clamp(TemperatureScaling::MIN, TemperatureScaling::MAX);
            prop_assert!(at(fitted) <= at(other) + 1e-12, "T {} is worse than {}", fitted, other);
        }
        if fitted > TemperatureScaling::MIN && fitted < TemperatureScaling::MAX {
            let slope = derivative(&logits, 3, &labels, fitted);
            prop_assert!(slope.abs() < 1e-9, "derivative {} at T {}", slope, fitted);
        }
    }
}
