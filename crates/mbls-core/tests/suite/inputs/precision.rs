//! Probabilities whose rows sum to 1 to within the precision of their type.

use super::{fixture, numbers_of};
use half::{bf16, f16};
use mbls_core::calibration::Scores;
use mbls_core::metric::{
    ClassificationMetrics, Metric, Precision, Predictions, TopLabels, measure_logits,
    measure_probs, measure_probs_in,
};

/// The rows of PyTorch's softmax in half precision that are furthest from 1, unchanged and widened
/// with the precision declared.
#[test]
fn probabilities_of_half_precision_are_taken() {
    let document = fixture();
    let mut refused_before = 0;
    for case in document["half_precision"].as_array().unwrap() {
        let precision: Precision = serde_json::from_value(case["precision"].clone()).unwrap();
        let classes = case["classes"].as_u64().unwrap() as usize;
        let sum = case["farthest_sum"].as_f64().unwrap();
        refused_before += usize::from((sum - 1.0).abs() > 1e-3);
        assert!((sum - 1.0).abs() <= precision.sum_tolerance(classes), "{case}");
        let probs: Vec<f32> = numbers_of(&case["probs"]).into_iter().map(|p| p as f32).collect();
        let labels = vec![0; probs.len() / classes];
        let declared = Predictions::from_probs_in(&probs, classes, &labels, precision).unwrap();
        assert!(Scores::from_probs_in(&probs, classes, precision).is_ok());
        let bits = numbers_of(&case["bits"]).into_iter().map(|bits| bits as i16 as u16);
        let typed = match precision {
            Precision::Bf16 => {
                let probs: Vec<bf16> = bits.map(bf16::from_bits).collect();
                assert!(Scores::from_probs(&probs, classes).is_ok());
                Predictions::from_probs(&probs, classes, &labels).unwrap()
            }
            _ => {
                let probs: Vec<f16> = bits.map(f16::from_bits).collect();
                assert!(Scores::from_probs(&probs, classes).is_ok());
                Predictions::from_probs(&probs, classes, &labels).unwrap()
            }
        };
        assert_eq!(typed, declared);
    }
    assert!(refused_before >= 5, "{refused_before} of the rows were refused by 1e-3");
}

/// The worst case of rounding to a type: every entry is rounded up by half a unit in the last
/// place.
#[test]
fn the_tolerance_follows_from_type_and_classes() {
    for (precision, unit) in
        [(Precision::Bf16, 256.0), (Precision::F16, 2048.0), (Precision::F32, 2f64.powi(24))]
    {
        for classes in [2, 10, 1000, 100_000] {
            assert!(precision.sum_tolerance(classes) >= 1.0 / unit);
            assert!(precision.rounding(classes) < precision.rounding(10 * classes));
            let up = (1.0 + 1.0 / unit) / classes as f64;
            let labels = [0];
            assert!(
                Predictions::from_probs_in(&vec![up; classes], classes, &labels, precision).is_ok()
            );
        }
    }
    // The tolerance of f64 and f32 is unchanged, except with so many classes that the error of f32
    // is larger.
    for precision in [Precision::F64, Precision::F32] {
        assert_eq!(precision.sum_tolerance(1000), 1e-3);
    }
    assert!(Precision::F32.sum_tolerance(50_000) > 1e-3);
    let row = [0.5f64, 0.5013];
    let error = Predictions::from_probs(&row, 2, &[0]).unwrap_err().to_string();
    assert_eq!(error, "the probabilities of row 0 sum to 1.0013: expected 1");
    assert!(Scores::from_probs(&row, 2).is_err());
    assert!(Predictions::from_probs_in(&row, 2, &[0], Precision::F16).is_ok());
    // Rounding does not explain every deviation.
    assert!(Predictions::from_probs_in(&[0.5, 0.55], 2, &[0], Precision::Bf16).is_err());
    assert!(
        Predictions::from_probs(&[bf16::from_f32(0.5), bf16::from_f32(0.75)], 2, &[0]).is_err()
    );
}

#[test]
fn values_that_rounding_moved_out_are_clipped_and_counted() {
    let probs = [1.000_000_000_000_000_2, -1e-17, 0.25, 0.75, -1.2e-16, 1.0];
    let labels = [1, 0, 1];
    let predictions = Predictions::from_probs(&probs, 2, &labels).unwrap();
    assert_eq!(
        (predictions.clipped(), predictions.probs(0), predictions.probs(2)),
        (3, &[1.0, 0.0][..], &[0.0, 1.0][..])
    );
    let scores = Scores::from_probs(&probs, 2).unwrap();
    assert_eq!(scores.clipped(), 3);

    let report = measure_probs(&ClassificationMetrics::new(15).unwrap(), &probs, 2, &labels)
        .unwrap()
        .value()
        .unwrap();
    assert_eq!((report.clipped_probabilities, report.infinite_nll_rows), (3, 1));
    let text = serde_json::to_string(&report).unwrap();
    assert!(text.contains(r#""clipped_probabilities":3"#), "{text}");

    // The state includes the count and merges it.
    let mut metrics = ClassificationMetrics::new(15).unwrap();
    metrics.update(&predictions).unwrap();
    let saved = serde_json::to_string(&metrics).unwrap();
    let mut read: ClassificationMetrics = serde_json::from_str(&saved).unwrap();
    assert_eq!(read, metrics);
    read.merge(metrics).unwrap();
    assert_eq!(read.value().unwrap().clipped_probabilities, 6);

    // The same values in f32, widened to f64: the deviation exceeds the rounding error of f64.
    let widened = [f64::from(1.0f32 + f32::EPSILON), 0.0];
    assert!(Predictions::from_probs(&widened, 2, &[0]).is_err());
    assert_eq!(Predictions::from_probs_in(&widened, 2, &[0], Precision::F32).unwrap().clipped(), 1);
    let narrow = widened.map(|p| p as f32);
    assert_eq!(Scores::from_probs(&narrow, 2).unwrap().clipped(), 1);
    for wrong in [[1.001, -0.001], [1.0, -1e-9], [f64::NAN, 1.0], [f64::INFINITY, 0.0]] {
        assert!(Predictions::from_probs(&wrong, 2, &[0]).is_err(), "{wrong:?}");
        assert!(Scores::from_probs(&wrong, 2).is_err(), "{wrong:?}");
    }
    let error = measure_probs_in(
        &ClassificationMetrics::new(15).unwrap(),
        &[1.0, -0.1],
        2,
        &[0],
        Precision::Bf16,
    );
    let expected = "probability -0.1 at row 0, class 1: expected a number from 0 to 1";
    assert_eq!(error.unwrap_err().to_string(), expected);
}

#[test]
fn confidences_are_clipped_too() {
    let top =
        TopLabels::new(&[1.000_000_000_000_000_2, 0.5, -1e-17], &[true, false, false]).unwrap();
    assert_eq!((top.clipped(), top.confidence(0), top.confidence(2)), (2, 1.0, 0.0));
    assert!(TopLabels::new(&[1.004], &[true]).is_err());
    let declared = TopLabels::new_in(&[1.004], &[true], Precision::Bf16).unwrap();
    assert_eq!((declared.clipped(), declared.confidence(0)), (1, 1.0));
}

/// Logits in half precision have the same results as in f32.
#[test]
fn logits_of_half_precision_are_taken() {
    let logits: Vec<f32> = (0..60).map(|i| ((i * 37 % 23) as f32 - 11.0) / 4.0).collect();
    let labels: Vec<u32> = (0..20).map(|i| i % 3).collect();
    let empty = ClassificationMetrics::new(15).unwrap();
    let expected = measure_logits(&empty, &logits, 3, &labels).unwrap();
    let half: Vec<f16> = logits.iter().map(|&l| f16::from_f32(l)).collect();
    let brain: Vec<bf16> = logits.iter().map(|&l| bf16::from_f32(l)).collect();
    assert_eq!(measure_logits(&empty, &half, 3, &labels).unwrap(), expected);
    assert_eq!(measure_logits(&empty, &brain, 3, &labels).unwrap(), expected);
    assert_eq!(Scores::from_logits(&half, 3).unwrap(), Scores::from_logits(&logits, 3).unwrap());
    let error = Predictions::from_logits(&[f16::NAN, f16::ZERO], 2, &[0]).unwrap_err().to_string();
    assert_eq!(error, "logit NaN at row 0, class 0: expected a finite number");
}
