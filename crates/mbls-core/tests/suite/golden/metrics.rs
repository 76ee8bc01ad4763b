//! Compares the metrics with the golden values of the published PyTorch code.
//!
//! Every case of the file is compared, according to its recorded properties. In a case marked
//! `knife_edge` a confidence is on a bin edge or confidences tie, so its values depend on the last
//! bit of an f32 softmax: the input is the stored f32 probabilities, and the expected values are
//! those in f32. All other cases start from the logits.

use mbls_core::metric::{
    Accuracy, AdaptiveConvention, AdaptiveEce, Binning, CalibrationBins, CalibrationNorm,
    ClassificationMetrics, ClasswiseConvention, ClasswiseEce, Metric, NegativeLogLikelihood,
    PredictionMetric, Predictions, Reliability, ReliabilityBins, Target,
};
use mbls_testkit::golden;
use serde_json::Value;

const TOLERANCE: f64 = 1e-6;

struct Case {
    name: String,
    values: Value,
    knife_edge: bool,
    logits: Vec<f32>,
    probs: Option<Vec<f32>>,
    confidences: Vec<f32>,
    labels: Vec<u32>,
    predicted: Vec<u32>,
    classes: usize,
}

impl Case {
    /// Returns the input of the calibration metrics.
    fn input(&self) -> Predictions<'_> {
        if self.knife_edge {
            let probs = self
                .probs
                .as_ref()
                .unwrap_or_else(|| panic!("{}: no stored probabilities", self.name));
            Predictions::from_probs(probs, self.classes, &self.labels).unwrap()
        } else {
            Predictions::from_logits(&self.logits, self.classes, &self.labels).unwrap()
        }
    }

    /// Iterates over the settings and values recorded under `prefix`, by number of bins.
    fn by_bins<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (usize, &'a Value)> {
        let entries = self.values.as_object().unwrap().iter();
        entries
            .filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?.parse().ok()?, value)))
    }

    fn check(&self, what: &str, ours: f64, expected: f64, tolerance: f64) {
        let close = (ours - expected).abs() <= tolerance;
        assert!(close, "{}: {what} is {ours}, expected {expected} within {tolerance}", self.name);
    }
}

fn cases() -> Vec<Case> {
    let (json, tensors) = (golden::json("metrics.json"), golden::tensors("metrics.safetensors"));
    let cases = json["cases"].as_object().unwrap().iter().map(|(name, values)| {
        let floats = |key: &str| -> Option<Vec<f32>> {
            Some(tensors.get(&format!("{name}/{key}"))?.flatten_all().unwrap().to_vec1().unwrap())
        };
        let integers = |key: &str| -> Vec<u32> {
            let values: Vec<i64> = tensors[&format!("{name}/{key}")].to_vec1().unwrap();
            values.into_iter().map(|value| value.try_into().unwrap()).collect()
        };
        Case {
            name: name.clone(),
            values: values.clone(),
            knife_edge: values["knife_edge"].as_bool().unwrap(),
            logits: floats("logits").unwrap(),
            probs: floats("probs"),
            confidences: floats("conf").unwrap(),
            labels: integers("labels"),
            predicted: integers("pred"),
            classes: tensors[&format!("{name}/logits")].dims()[1],
        }
    });
    let cases: Vec<Case> = cases.collect();
    assert!(!cases.is_empty());
    cases
}

fn value<M>(mut metric: M, input: &Predictions) -> M::Value
where
    M: PredictionMetric,
{
    metric.update(input).unwrap();
    metric.value().unwrap()
}

fn reliability(bins: usize, input: &Predictions) -> Reliability {
    value(ReliabilityBins::new(bins).unwrap(), input)
}

#[test]
fn bin_edges() {
    let json = golden::json("metrics.json");
    let recorded = json["bin_edges_f32"].as_object().unwrap();
    assert!(!recorded.is_empty());
    let input = Predictions::from_logits(&[0.0, 0.0], 2, &[0]).unwrap();
    for (bins, edges) in recorded {
        // Through f32, because the JSON parser may be off by the last bit of an f64.
        let edge = |value: &Value| f64::from(value.as_f64().unwrap() as f32);
        let expected: Vec<f64> = edges.as_array().unwrap().iter().map(edge).collect();
        let found = reliability(bins.parse().unwrap(), &input).bins;
        let lower: Vec<f64> = found.iter().map(|bin| bin.lower).collect();
        let upper: Vec<f64> = found.iter().map(|bin| bin.upper).collect();
        assert_eq!(lower, expected[..expected.len() - 1], "{bins} bins");
        assert_eq!(upper, expected[1..], "{bins} bins");
    }
}

#[test]
fn predictions_and_confidences() {
    for case in cases() {
        let from_logits =
            Predictions::from_logits(&case.logits, case.classes, &case.labels).unwrap();
        for row in 0..from_logits.rows() {
            assert_eq!(from_logits.predicted(row), case.predicted[row], "{}, row {row}", case.name);
            case.check(
                "confidence",
                from_logits.confidence(row),
                case.confidences[row].into(),
                TOLERANCE,
            );
            assert_eq!(
                case.input().predicted(row),
                case.predicted[row],
                "{}, row {row}",
                case.name
            );
        }
    }
}

#[test]
fn accuracy() {
    for case in cases() {
        let input = case.input();
        case.check(
            "accuracy",
            value(Accuracy::new(), &input),
            case.values["accuracy_sklearn"].as_f64().unwrap(),
            1e-12,
        );

        // The batch size by which the file splits the rows, and the accuracy of each batch.
        let size = case.values["batch_split_at"].as_u64().unwrap() as usize;
        let batches = case.logits.chunks(size * case.classes).zip(case.labels.chunks(size));
        let expected = case.values["batch_acc"].as_array().unwrap();
        assert_eq!(batches.len(), expected.len(), "{}", case.name);
        for ((logits, labels), expected) in batches.zip(expected) {
            let batch = Predictions::from_logits(logits, case.classes, labels).unwrap();
            case.check(
                "accuracy of a batch",
                value(Accuracy::new(), &batch),
                expected.as_f64().unwrap(),
                TOLERANCE,
            );
        }
    }
}

#[test]
fn negative_log_likelihood() {
    for case in cases() {
        // No edge is involved, so every case starts from the logits. The tolerance is relative if
        // the value is large.
        let input = Predictions::from_logits(&case.logits, case.classes, &case.labels).unwrap();
        let expected = case.values["nll_f64"].as_f64().unwrap();
        let tolerance = TOLERANCE * expected.max(1.0);
        case.check("NLL", value(NegativeLogLikelihood::new(), &input), expected, tolerance);
    }
}

#[test]
fn calibration_errors() {
    for case in cases() {
        let input = case.input();
        let mut compared = 0;
        for (bins, recorded) in case.by_bins("bins") {
            let number = |key: &str| recorded[key].as_f64().unwrap();
            let what = |metric: &str| format!("{metric} of {bins} bins");
            // f32 for stored f32 probabilities; otherwise the f64 run has the same value without
            // rounding.
            let ece = number(if case.knife_edge { "ece" } else { "ece_f64" });
            case.check(&what("ECE"), reliability(bins, &input).ece(), ece, TOLERANCE);
            let adaptive = AdaptiveEce::new(bins, AdaptiveConvention::Reference).unwrap();
            let aece = number(if case.knife_edge { "aece" } else { "aece_f64" });
            case.check(&what("adaptive ECE"), value(adaptive, &input), aece, TOLERANCE);
            // The published code drops probabilities that are 0 in f32. Fewer of them are 0 in f64,
            // which changes values if the softmax saturates. The convention therefore rounds to
            // f32, and is compared with f32.
            let classwise = ClasswiseEce::new(bins, ClasswiseConvention::Reference).unwrap();
            case.check(&what("classwise ECE"), value(classwise, &input), number("cece"), TOLERANCE);
            compared += 1;
        }
        assert!(compared > 0, "{}: no bins recorded", case.name);
    }
}

/// The default conventions differ from the published code only in what it excludes. If it excludes
/// nothing relevant, the values must be the recorded ones.
#[test]
fn default_classwise_convention_where_nothing_drops_out() {
    let mut compared = 0;
    for case in cases() {
        let input = case.input();
        let every_class_to_the_last =
            case.labels.iter().any(|&label| label as usize == case.classes - 1);
        let no_zero = (0..input.rows()).all(|row| input.probs(row).iter().all(|&p| p as f32 > 0.0));
        if !every_class_to_the_last || !no_zero {
            continue;
        }
        for (bins, recorded) in case.by_bins("bins") {
            let classwise = ClasswiseEce::new(bins, ClasswiseConvention::Definition).unwrap();
            let expected =
                recorded[if case.knife_edge { "cece" } else { "cece_f64" }].as_f64().unwrap();
            case.check("classwise ECE", value(classwise, &input), expected, TOLERANCE);
            compared += 1;
        }
    }
    assert!(compared > 0);
}

/// The numpy functions, which bin by `ceil(bins * confidence - 1)`.
#[test]
fn calibration_errors_of_bins_by_rounding_up() {
    for case in cases() {
        let mut compared = 0;
        for (bins, recorded) in case.by_bins("np_bins") {
            let metric =
                CalibrationBins::new(Target::TopLabel, Binning::EqualWidthCeil, bins).unwrap();
            // The functions fail only for a confidence of exactly 0, which no case has.
            let calibration = value(metric, &case.input());
            for (key, norm) in [
                ("expected_calibration_error", CalibrationNorm::L1),
                ("maximum_calibration_error", CalibrationNorm::Max),
                ("average_calibration_error", CalibrationNorm::Average),
                ("l2_error", CalibrationNorm::L2),
            ] {
                let expected =
                    recorded[key].as_f64().unwrap_or_else(|| panic!("{}: {recorded}", case.name));
                case.check(
                    &format!("{key} of {bins} bins"),
                    calibration.error(norm).value,
                    expected,
                    TOLERANCE,
                );
            }
            compared += 1;
        }
        assert!(compared > 0, "{}: no numpy bins recorded", case.name);
    }
}

/// All metrics in one object, recorded for the number of bins in the key.
#[test]
fn calibration_evaluator() {
    for case in cases() {
        let mut compared = 0;
        for (bins, recorded) in case.by_bins("calibrate_evaluator_") {
            let (adaptive, classwise) =
                (AdaptiveConvention::Reference, ClasswiseConvention::Reference);
            let metrics =
                ClassificationMetrics::with_conventions(bins, adaptive, classwise).unwrap();
            let report = value(metrics, &case.input());
            let number = |key: &str| recorded[key].as_f64().unwrap();
            // The reference always takes the logarithm of the f32 softmax of the logits, whatever
            // the case.
            let logits =
                Predictions::from_logits(&case.logits, case.classes, &case.labels).unwrap();
            let nll = value(NegativeLogLikelihood::new(), &logits);
            case.check("NLL", nll, number("nll"), 1e-6 + 1e-5 * nll);
            for (key, ours) in [("ece", report.ece), ("aece", report.aece), ("cece", report.cece)] {
                case.check(&format!("{key} of {bins} bins"), ours, number(key), TOLERANCE);
            }
            compared += 1;
        }
        assert!(compared > 0, "{}: no evaluator recorded", case.name);
    }
}

#[test]
fn edges_of_equal_mass() {
    let mut compared = 0;
    for case in cases() {
        let input = case.input();
        for (bins, recorded) in case.by_bins("bins") {
            let Some(edges) = recorded["aece_edges_f64"].as_array() else { continue };
            let metric = CalibrationBins::new(Target::TopLabel, Binning::EqualMass, bins).unwrap();
            let diagram = value(metric, &input).curves.remove(0).unwrap();
            case.check("lowest edge", diagram.bins[0].lower, edges[0].as_f64().unwrap(), TOLERANCE);
            assert_eq!(diagram.bins.len() + 1, edges.len(), "{}", case.name);
            for (bin, edge) in diagram.bins.iter().zip(&edges[1..]) {
                case.check("edge", bin.upper, edge.as_f64().unwrap(), TOLERANCE);
            }
            compared += 1;
        }
    }
    assert!(compared > 0);
}

#[test]
fn mean_confidence() {
    for case in cases() {
        let expected = case.values["probs_evaluator"]["max_prob"].as_f64().unwrap();
        case.check(
            "mean confidence",
            reliability(15, &case.input()).mean_confidence(),
            expected,
            TOLERANCE,
        );
    }
}

#[test]
fn all_metrics_in_one_over_two_batches() {
    for case in cases() {
        let size = case.values["batch_split_at"].as_u64().unwrap() as usize;
        for (bins, _) in case.by_bins("bins") {
            let (adaptive, classwise) =
                (AdaptiveConvention::Reference, ClasswiseConvention::Reference);
            let mut metrics =
                ClassificationMetrics::with_conventions(bins, adaptive, classwise).unwrap();
            for (logits, labels) in
                case.logits.chunks(size * case.classes).zip(case.labels.chunks(size))
            {
                metrics
                    .update(&Predictions::from_logits(logits, case.classes, labels).unwrap())
                    .unwrap();
            }
            let report = metrics.value().unwrap();
            let whole = Predictions::from_logits(&case.logits, case.classes, &case.labels).unwrap();
            assert_eq!(report.n, case.labels.len() as u64);
            assert_eq!(report.accuracy, value(Accuracy::new(), &whole));
            assert_eq!(report.nll, value(NegativeLogLikelihood::new(), &whole));
            assert_eq!(report.reliability, reliability(bins, &whole));
            assert_eq!(report.aece, value(AdaptiveEce::new(bins, adaptive).unwrap(), &whole));
            assert_eq!(report.cece, value(ClasswiseEce::new(bins, classwise).unwrap(), &whole));
        }
    }
}
