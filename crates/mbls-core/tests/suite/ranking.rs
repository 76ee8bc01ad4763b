//! Compares ranking metrics with values of scikit-learn and torch-uncertainty from
//! `fixtures/ranking`.

use mbls_core::metric::{Metric, OodDetection, OodScores, Predictions, TopLabelSamples};
use mbls_testkit::golden;
use serde_json::Value;

fn fixture(section: &str) -> Vec<(String, Value)> {
    let json = golden::fixture("ranking/ranking.json");
    let cases: Vec<_> = json[section].as_object().unwrap().clone().into_iter().collect();
    assert!(!cases.is_empty());
    cases
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn ood_detection() {
    for (name, case) in fixture("ood") {
        let mut detection = OodDetection::new();
        detection.update(OodScores::inside(&floats(&case["inside"])).unwrap()).unwrap();
        detection.update(OodScores::outside(&floats(&case["outside"])).unwrap()).unwrap();
        let report = detection.value().unwrap();
        let found = [
            ("auroc", report.auroc),
            ("aupr_in", report.aupr_in),
            ("aupr_out", report.aupr_out),
            ("fpr_at_95_tpr", report.fpr_at_95_tpr),
        ];
        for (key, found) in found {
            let expected = case[key].as_f64().unwrap();
            assert!(
                (found - expected).abs() < 1e-12,
                "{name}: {key} is {found}, expected {expected}"
            );
        }
    }
}

#[test]
fn risk_coverage() {
    for (name, case) in fixture("selective") {
        let probs: Vec<f32> = floats(&case["probs"])
            .into_iter()
            .map(|p| p as f32)
            .flat_map(|p| [1.0 - p, p])
            .collect();
        let labels: Vec<u32> =
            case["labels"].as_array().unwrap().iter().map(|l| l.as_u64().unwrap() as u32).collect();
        let mut metric = TopLabelSamples::new();
        metric.update(&Predictions::from_probs(&probs, 2, &labels).unwrap()).unwrap();
        let curve = metric.value().unwrap().risk_coverage();
        let risks = floats(&case["risks"]);
        assert_eq!(curve.points.len(), risks.len(), "{name}");
        // The file's risks were computed in f32.
        for (i, (point, expected)) in curve.points.iter().zip(risks).enumerate() {
            assert_eq!(point.accepted, i as u64 + 1, "{name}");
            assert!((point.risk - expected).abs() < 1e-6, "{name}: risk {i} is {}", point.risk);
        }
        let expected = case["aurc"].as_f64().unwrap();
        assert!(
            (curve.aurc() - expected).abs() < 1e-6,
            "{name}: AURC {}, expected {expected}",
            curve.aurc()
        );
    }
}
