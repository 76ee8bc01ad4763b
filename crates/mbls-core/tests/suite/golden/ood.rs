//! Compares OOD detection with the golden values of the published PyTorch code.
//!
//! The published code ranks by an f32 softmax. Scores that are equal in exact arithmetic, or nearly
//! so, are ordered by its rounding errors: each such pair may change the area by the contribution
//! of one pair.

use mbls_core::metric::{Metric, OodDetection, OodScore, OodScores, UnlabelledRows};
use mbls_testkit::golden;

/// The maximum change of a score by f32 rounding.
const ROUNDING: f64 = 2e-6;

#[test]
fn area_under_the_roc_curve() {
    let (json, tensors) = (golden::json("metrics.json"), golden::tensors("metrics.safetensors"));
    let cases = json["ood"].as_object().unwrap();
    assert!(!cases.is_empty());
    for (name, values) in cases {
        let rows = |side: &str| {
            let logits = &tensors[&format!("{name}/{side}_logits")];
            let (_, classes) = logits.dims2().unwrap();
            let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
            UnlabelledRows::from_logits(&logits, classes).unwrap().into_owned()
        };
        let (inside, outside) = (rows("in"), rows("out"));
        let scores = [
            ("auc_ent", OodScore::EntropyReference),
            ("auc_conf", OodScore::Confidence),
            ("auc_entropy", OodScore::EntropyReference),
            ("auc_confidence", OodScore::Confidence),
        ];
        let mut compared = 0;
        for (section, recorded) in values.as_object().unwrap() {
            let Some(recorded) = recorded.as_object() else { continue };
            for (key, score) in scores {
                let Some(expected) = recorded.get(key) else { continue };
                let (inside, outside) = (score.of(&inside), score.of(&outside));
                let mut detection = OodDetection::new();
                detection.update(OodScores::inside(&inside).unwrap()).unwrap();
                detection.update(OodScores::outside(&outside).unwrap()).unwrap();
                let found = detection.value().unwrap();
                if let Some(n) = values["num_samples"].as_u64() {
                    assert_eq!(found.inside + found.outside, n, "{name}");
                }
                let pairs = inside.iter().flat_map(|a| outside.iter().map(move |b| (a - b).abs()));
                let close = pairs.filter(|&distance| distance <= ROUNDING).count();
                let tolerance = 1e-9 + close as f64 / (inside.len() * outside.len()) as f64;
                let (found, expected) = (found.auroc, expected.as_f64().unwrap());
                let message = format!(
                    "{name}: {section}/{key} is {found}, expected {expected} within {tolerance}"
                );
                assert!((found - expected).abs() <= tolerance, "{message}");
                compared += 1;
            }
        }
        assert!(compared > 0, "{name}: no area is recorded");
    }
}
