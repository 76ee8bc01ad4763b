//! The metrics on saved outputs of real networks on real test sets, if `MBLS_DATA_DIR` contains
//! them.
//!
//! `logits/computed_metrics.csv` contains values computed by numpy in f64, to nine decimals; some
//! networks also have published values. Confidences are compared in the precision of the file.
//! Metrics of all classes are computed from f32, which [`Predictions`] accept, even if the file has
//! f64: the rounding error is below the tolerance.

use candle_core::npy::NpzTensors;
use candle_core::{DType, Device, Tensor};
use mbls_core::metric::{
    AdaptiveConvention, AdaptiveEce, Binning, BrierScore, CalibrationBins, CalibrationNorm,
    ClasswiseConvention, ClasswiseEce, Metric, NegativeLogLikelihood, PredictionMetric,
    Predictions, Reliability, ReliabilityBins, SmoothConvention, Target, TopLabelSamples,
    TopLabels,
};
use mbls_testkit::{data, golden};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// The files have 9 decimals.
const TOLERANCE: f64 = 1e-7;

/// Reads the lines of a CSV file without quotes, by column name.
fn csv(path: &Path) -> Vec<HashMap<String, String>> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        names.iter().zip(line.split(',')).map(|(k, v)| (k.to_string(), v.to_string())).collect()
    };
    lines.map(row).collect()
}

/// Reads lines of `true_label,pred_label,confidence`.
fn confidences(path: &Path) -> TopLabels {
    let rows = csv(path);
    let confidences: Vec<f64> = rows.iter().map(|row| row["confidence"].parse().unwrap()).collect();
    let correct: Vec<bool> =
        rows.iter().map(|row| row["true_label"] == row["pred_label"]).collect();
    TopLabels::new(&confidences, &correct).unwrap()
}

/// All probabilities of a network; those of the top label in the precision of the file.
struct Outputs {
    top_labels: TopLabels,
    predictions: Predictions<'static>,
}

impl Outputs {
    fn from_probs(probs: &Tensor, labels: &Tensor) -> Self {
        let labels = labels_of(labels);
        let (rows, classes) = probs.dims2().unwrap();
        let exact: Vec<f64> =
            probs.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let rounded: Vec<f32> = exact.iter().map(|p| *p as f32).collect();
        let predictions = Predictions::from_probs(&rounded, classes, &labels).unwrap().into_owned();
        let first_maximum = |row: &[f64]| {
            let max = row.iter().copied().fold(0.0, f64::max);
            (row.iter().position(|p| *p == max).unwrap() as u32, max)
        };
        let top: Vec<(u32, f64)> = exact.chunks(classes).map(first_maximum).collect();
        let confidences: Vec<f64> = top.iter().map(|(_, confidence)| *confidence).collect();
        let correct: Vec<bool> =
            top.iter().zip(&labels).map(|((class, _), label)| class == label).collect();
        assert_eq!(rows, labels.len());
        Self { top_labels: TopLabels::new(&confidences, &correct).unwrap(), predictions }
    }

    fn from_logits(logits: &Tensor, labels: &Tensor) -> Self {
        let classes = logits.dims2().unwrap().1;
        let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
        let predictions =
            Predictions::from_logits(&logits, classes, &labels_of(labels)).unwrap().into_owned();
        Self { top_labels: TopLabels::from(&predictions), predictions }
    }
}

fn labels_of(labels: &Tensor) -> Vec<u32> {
    let labels: Vec<i64> =
        labels.to_dtype(DType::I64).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    labels.into_iter().map(|label| label.try_into().unwrap()).collect()
}

/// Reads a tensor, including u16, which candle cannot read.
fn npy(path: &Path) -> Tensor {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    if String::from_utf8_lossy(&bytes[..header]).contains("'<u2'") {
        let values: Vec<i64> =
            bytes[header..].chunks(2).map(|b| u16::from_le_bytes([b[0], b[1]]).into()).collect();
        return Tensor::new(values, &Device::Cpu).unwrap();
    }
    Tensor::read_npy(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn npz(path: &Path, name: &str) -> Option<Tensor> {
    NpzTensors::new(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).get(name).unwrap()
}

/// Reads a file listed in `computed_metrics.csv`; the labels of an npy file are stored next to it.
fn outputs(path: &Path) -> (TopLabels, Option<Predictions<'static>>) {
    let name = path.to_str().unwrap();
    let outputs = if name.ends_with(".csv") {
        return (confidences(path), None);
    } else if let Some(stem) = name.strip_suffix("_pyx.npy") {
        Outputs::from_probs(&npy(path), &npy(format!("{stem}_original_labels.npy").as_ref()))
    } else if let Some(stem) = name.strip_suffix("_probs.npy") {
        Outputs::from_probs(&npy(path), &npy(format!("{stem}_labels.npy").as_ref()))
    } else if let Some(logits) = npz(path, "logits") {
        Outputs::from_logits(&logits, &npz(path, "labels").unwrap())
    } else {
        Outputs::from_probs(&npz(path, "predictions").unwrap(), &npz(path, "ground_truth").unwrap())
    };
    (outputs.top_labels, Some(outputs.predictions))
}

fn reliability(rows: &TopLabels, bins: usize) -> Reliability {
    let mut metric = ReliabilityBins::new(bins).unwrap();
    metric.add(rows).unwrap();
    metric.value().unwrap()
}

fn value<M>(mut metric: M, input: &Predictions) -> f64
where
    M: PredictionMetric + Metric<Value = f64>,
{
    metric.update(input).unwrap();
    metric.value().unwrap()
}

/// Computes the NLL like the file does: labels with probability 0 count as probability 1e-300.
fn clipped_nll(predictions: &Predictions) -> f64 {
    let log_probs: Vec<f64> =
        (0..predictions.rows()).map(|row| predictions.log_prob_of_label(row)).collect();
    let nll = value(NegativeLogLikelihood::new(), predictions);
    assert_eq!(nll.is_infinite(), log_probs.contains(&f64::NEG_INFINITY));
    if nll.is_finite() {
        return nll;
    }
    log_probs.iter().map(|log_prob| -log_prob.max(1e-300f64.ln())).sum::<f64>()
        / log_probs.len() as f64
}

#[test]
fn metrics_that_numpy_computed() {
    let Some(dir) = data("logits") else { return };
    let recorded = csv(&dir.join("computed_metrics.csv"));
    assert!(!recorded.is_empty());
    for row in recorded {
        let file = &row["file"];
        let check = |key: &str, ours: f64, tolerance: f64| {
            let expected: f64 = row[key].parse().unwrap();
            let close = (ours - expected).abs() <= tolerance;
            assert!(close, "{file}: {key} is {ours}, expected {expected} within {tolerance}");
        };
        let (top_labels, predictions) = outputs(&dir.join(file));
        assert_eq!(row["n"], top_labels.rows().to_string(), "{file}");
        for (key, bins) in [("ece10", 10), ("ece15", 15), ("ece20", 20)] {
            check(key, reliability(&top_labels, bins).ece(), TOLERANCE);
        }
        let fifteen = reliability(&top_labels, 15);
        check("accuracy", fifteen.accuracy(), 1e-6);
        check("mean_confidence", fifteen.mean_confidence(), TOLERANCE);
        check("mce15", fifteen.mce(), TOLERANCE);
        let mut adaptive = AdaptiveEce::new(15, AdaptiveConvention::Reference).unwrap();
        adaptive.add(&top_labels).unwrap();
        check("aece15", adaptive.value().unwrap(), TOLERANCE);

        let Some(predictions) = predictions else { continue };
        assert_eq!(row["classes"], predictions.classes().to_string(), "{file}");
        // In the file, a probability of 0 is in no bin `(lower, upper]`.
        let classwise = ClasswiseEce::new(15, ClasswiseConvention::Reference).unwrap();
        check("classwise_ece15", value(classwise, &predictions), TOLERANCE);
        if (0..predictions.rows()).all(|row| predictions.probs(row).iter().all(|p| *p > 0.0)) {
            let mut bins =
                CalibrationBins::new(Target::Classwise, Binning::EqualWidth, 15).unwrap();
            bins.update(&predictions).unwrap();
            check(
                "classwise_ece15",
                bins.value().unwrap().error(CalibrationNorm::L1).value,
                TOLERANCE,
            );
        }
        check("nll", clipped_nll(&predictions), TOLERANCE);
        check("brier", value(BrierScore::new(), &predictions), TOLERANCE);
    }
}

/// NN_calibration, `Calibration - (Temp, Iso, Beta, Hist).ipynb`, cell 9: 15 bins. It bins
/// confidences in f32, and the files have six digits.
#[test]
fn published_errors() {
    let Some(dir) = data("logits") else { return };
    for (file, ece, mce, error_rate) in [
        ("probs_resnet110_c10_logits.csv", 0.047503518641, 0.295798957348, 0.0644),
        ("probs_densenet40_c100_logits.csv", 0.211562852757, 0.45400331452, 0.3),
    ] {
        let found = reliability(&confidences(&dir.join("nn_calibration_csv").join(file)), 15);
        assert!((found.ece() - ece).abs() < 1e-6, "{file}: ECE {}", found.ece());
        assert!((found.mce() - mce).abs() < 1e-6, "{file}: MCE {}", found.mce());
        assert!(
            (1.0 - found.accuracy() - error_rate).abs() < 1e-9,
            "{file}: error rate {}",
            1.0 - found.accuracy()
        );
    }
}

/// Values computed by packages from files of confidences, see
/// `fixtures/calibration-errors/generate.py`.
#[test]
fn errors_that_packages_computed() {
    let Some(dir) = data("logits") else { return };
    let recorded = golden::fixture("calibration-errors/real_outputs.json");
    let files = recorded["files"].as_object().unwrap();
    assert!(!files.is_empty());
    for (file, expected) in files {
        let rows = confidences(&dir.join(file));
        let mut samples = TopLabelSamples::new();
        samples.add(&rows).unwrap();
        let sorted = samples.value().unwrap();
        let mut bins = CalibrationBins::new(Target::TopLabel, Binning::EqualWidth, 15).unwrap();
        bins.add(&rows).unwrap();
        let smooth = sorted.smooth_ece(SmoothConvention::Reference);
        for (key, ours) in [
            ("kolmogorov_smirnov", sorted.kolmogorov_smirnov_error()),
            ("smooth_ece", smooth.value),
            ("bandwidth", smooth.bandwidth),
            ("debiased_l2_15", bins.value().unwrap().debiased_l2().value),
        ] {
            let expected = expected[key].as_f64().unwrap();
            assert!((ours - expected).abs() < 1e-9, "{file}: {key} is {ours}, expected {expected}");
        }
        // The definition is too slow for the larger files.
        if let Some(expected) = expected["smooth_ece_by_definition"].as_f64() {
            let ours = sorted.smooth_ece(SmoothConvention::Definition).value;
            assert!(
                (ours - expected).abs() < 1e-3 * expected,
                "{file}: smooth ECE is {ours}, by definition {expected}"
            );
        }
    }
}
