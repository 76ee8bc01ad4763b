//! Temperature scaling on the grid of the published code.

use mbls_core::calibration::{GridObjective, TemperatureScaling};
use mbls_core::metric::{Metric, NegativeLogLikelihood, Predictions, ReliabilityBins};
use mbls_testkit::golden;

/// The JSON parser may miss the last bit of a number; points of the grid are 0.1 apart.
const PARSED: f64 = 1e-12;

fn nll(logits: &[f32], classes: usize, labels: &[u32], temperature: f64) -> f64 {
    let mut metric = NegativeLogLikelihood::new();
    metric
        .update(&Predictions::from_logits_at(logits, classes, labels, temperature).unwrap())
        .unwrap();
    metric.value().unwrap()
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
            let fitted =
                TemperatureScaling::fit_grid(&logits, classes, &labels, objective).unwrap();
            let (found, expected) = (fitted.temperature(), recorded[key].as_f64().unwrap());
            assert!(
                (found - expected).abs() < PARSED,
                "{name}: {key} is {found}, expected {expected}"
            );
        }

        let curve = |key: &str| -> Vec<f64> {
            recorded[key].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
        };
        let (temperatures, nlls, eces) = (curve("grid_T"), curve("grid_nll"), curve("grid_ece"));
        let mut temperature = 0.1;
        for (i, expected) in temperatures.iter().enumerate() {
            assert!((temperature - expected).abs() < PARSED, "{name}: T {i}");
            let batch =
                Predictions::from_logits_at(&logits, classes, &labels, temperature).unwrap();
            let found = nll(&logits, classes, &labels, temperature);
            assert!(
                (found - nlls[i]).abs() <= 1e-6 * nlls[i].max(1.0),
                "{name}: NLL {found} at T {temperature}"
            );

            let mut bins = ReliabilityBins::new(TemperatureScaling::GRID_BINS).unwrap();
            bins.update(&batch).unwrap();
            let reliability = bins.value().unwrap();
            // The curve was computed in f32. A row whose confidence is within f32 rounding of an
            // inner edge may be in the other bin there; it moves the gaps of two bins,
            // by 1 / n at most each.
            let at_edge = (0..batch.rows()).filter(|&row| {
                let inner = &reliability.bins[1..];
                inner.iter().any(|bin| (batch.confidence(row) - bin.lower).abs() < 1e-6)
            });
            let tolerance = 1e-6 + 2.0 * at_edge.count() as f64 / batch.rows() as f64;
            let found = reliability.ece();
            assert!(
                (found - eces[i]).abs() <= tolerance,
                "{name}: ECE {found} at T {temperature}, not {}",
                eces[i]
            );
            temperature += 0.1;
        }

        let exact =
            TemperatureScaling::fit_logits(&logits, classes, &labels).unwrap().temperature();
        let best = nlls.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(
            nll(&logits, classes, &labels, exact) <= best + 1e-6,
            "{name}: the grid is better than T {exact}"
        );
    }
}
