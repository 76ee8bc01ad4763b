//! Compares with values of published packages, see `fixtures/calibration-errors/generate.py`.

use mbls_core::metric::{
    Binning, Calibration, CalibrationBins, CalibrationNorm, KernelEstimator, Metric, Predictions,
    Reliability, SmoothConvention, SortedTopLabels, Target, TopLabelSamples, TopLabels,
    kernel_calibration_error,
};
use mbls_testkit::golden;
use serde_json::Value;

struct Case {
    name: String,
    values: Value,
    input: Predictions<'static>,
}

fn document() -> Value {
    golden::fixture("calibration-errors/values.json")
}

fn cases() -> Vec<Case> {
    let document = document();
    let cases = document["cases"].as_object().unwrap().iter().map(|(name, case)| {
        let numbers = |key: &str| case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap());
        let probs: Vec<f32> = numbers("probs").map(|p| p as f32).collect();
        let labels: Vec<u32> = numbers("labels").map(|label| label as u32).collect();
        let input =
            Predictions::from_probs(&probs, case["classes"].as_u64().unwrap() as usize, &labels)
                .unwrap()
                .into_owned();
        Case { name: name.clone(), values: case["values"].clone(), input }
    });
    cases.collect()
}

impl Case {
    fn calibration(&self, target: Target, bins: usize) -> Calibration {
        let mut metric = CalibrationBins::new(target, Binning::EqualWidth, bins).unwrap();
        metric.update(&self.input).unwrap();
        metric.value().unwrap()
    }

    fn sorted(&self) -> SortedTopLabels {
        let mut metric = TopLabelSamples::new();
        metric.update(&self.input).unwrap();
        metric.value().unwrap()
    }

    fn check(&self, what: &str, ours: f64, expected: &Value, tolerance: f64) {
        let expected =
            expected.as_f64().unwrap_or_else(|| panic!("{}: {what} is not recorded", self.name));
        let close = (ours - expected).abs() <= tolerance;
        assert!(close, "{}: {what} is {ours}, expected {expected} within {tolerance}", self.name);
    }
}

/// Calls `check` with the values recorded for a package, for every case and number of bins.
fn for_bins(package: &str, check: impl Fn(&Case, usize, &Value)) {
    let cases = cases();
    assert!(!cases.is_empty());
    for case in &cases {
        let recorded = case.values["bins"].as_object().unwrap();
        assert!(!recorded.is_empty());
        for (bins, values) in recorded {
            check(case, bins.parse().unwrap(), &values[package]);
        }
    }
}

#[test]
fn netcal() {
    for_bins("netcal", |case, bins, expected| {
        // For two classes netcal uses the probability of the second class, not the confidence.
        let curve = match case.input.classes() {
            2 => case.calibration(Target::Classwise, bins).curves.remove(1).unwrap(),
            _ => case.calibration(Target::TopLabel, bins).curves.remove(0).unwrap(),
        };
        for (key, norm) in [
            ("ece", CalibrationNorm::L1),
            ("mce", CalibrationNorm::Max),
            ("ace", CalibrationNorm::Average),
        ] {
            case.check(&format!("{key} of {bins} bins"), curve.error(norm), &expected[key], 1e-9);
        }
    });
}

#[test]
fn torchmetrics() {
    for_bins("torchmetrics", |case, bins, expected| {
        let calibration = case.calibration(Target::TopLabel, bins);
        for (key, norm) in [
            ("l1", CalibrationNorm::L1),
            ("l2", CalibrationNorm::L2),
            ("max", CalibrationNorm::Max),
        ] {
            // The package sums in f32.
            case.check(
                &format!("{key} of {bins} bins"),
                calibration.error(norm).value,
                &expected[key],
                1e-6,
            );
        }
    });
}

#[test]
fn uncertainty_calibration() {
    for_bins("uncertainty_calibration", |case, bins, expected| {
        let top_label = case.calibration(Target::TopLabel, bins);
        let classwise = case.calibration(Target::Classwise, bins);
        let squares = classwise.curves.iter().flatten().map(Reliability::debiased_squared_error);
        for (key, ours) in [
            ("l1", top_label.error(CalibrationNorm::L1).value),
            ("l2", top_label.error(CalibrationNorm::L2).value),
            ("debiased_squared", top_label.curves[0].as_ref().unwrap().debiased_squared_error()),
            ("debiased_l2", top_label.debiased_l2().value),
            ("classwise_l1", classwise.error(CalibrationNorm::L1).value),
            ("classwise_l2", classwise.error(CalibrationNorm::L2).value),
            ("classwise_debiased_squared", squares.sum::<f64>() / case.input.classes() as f64),
        ] {
            case.check(&format!("{key} of {bins} bins"), ours, &expected[key], 1e-9);
        }
        let squared = expected["classwise_debiased_squared"].as_f64().unwrap();
        assert!(
            (classwise.debiased_l2().value - squared.max(0.0).sqrt()).abs() < 1e-9,
            "{}",
            case.name
        );
    });
}

#[test]
fn thresholded() {
    for_bins("uncertainty_metrics", |case, bins, expected| {
        for (above, expected) in expected.as_object().unwrap() {
            let calibration =
                case.calibration(Target::Thresholded { above: above.parse().unwrap() }, bins);
            case.check(
                &format!("error above {above}"),
                calibration.error(CalibrationNorm::L1).value,
                expected,
                1e-9,
            );
        }
    });
}

#[test]
fn decompositions() {
    for_bins("sklearn", |case, bins, expected| {
        let number = |key: &str| expected[key].as_f64().unwrap();
        let check =
            |key: &str, ours: f64, expected: f64| case.check(key, ours, &expected.into(), 1e-9);
        let calibration = case.calibration(Target::TopLabel, bins);
        let curve = calibration.curves[0].as_ref().unwrap();
        let brier = curve.brier_decomposition();
        check("binned BrierScore score", brier.binned, number("binned_brier"));
        check(
            "reliability",
            brier.reliability,
            number("binned_brier") - number("calibrated_brier"),
        );
        check(
            "resolution",
            brier.resolution,
            number("constant_brier") - number("calibrated_brier"),
        );
        check("uncertainty", brier.uncertainty, number("constant_brier"));
        assert_eq!(calibration.brier_decomposition(), Some(brier));
        let loss = curve.log_loss_decomposition();
        check("binned log-loss", loss.binned, number("binned_log_loss"));
        check(
            "calibration",
            loss.calibration,
            number("binned_log_loss") - number("calibrated_log_loss"),
        );
        check("refinement", loss.refinement, number("calibrated_log_loss"));
        check(
            "resolution",
            loss.resolution,
            number("constant_log_loss") - number("calibrated_log_loss"),
        );
        check("uncertainty", loss.uncertainty, number("constant_log_loss"));
    });
}

#[test]
fn kolmogorov_smirnov() {
    for case in cases() {
        let expected = &case.values["kolmogorov_smirnov"];
        case.check("KS error", case.sorted().kolmogorov_smirnov_error(), expected, 1e-12);
    }
}

#[test]
fn relplot() {
    for case in cases() {
        let (ours, expected) =
            (case.sorted().smooth_ece(SmoothConvention::Reference), &case.values["relplot"]);
        case.check("smooth ECE", ours.value, &expected["value"], 1e-9);
        case.check("bandwidth", ours.bandwidth, &expected["bandwidth"], 0.0);
        assert_eq!(ours.n, case.input.rows() as u64);
    }
}

/// The error is so small that the bandwidth needs a finer grid. The rows follow the rule in the
/// script.
#[test]
fn relplot_of_fine_grids() {
    let recorded = &document()["relplot_fine"];
    let n = recorded["n"].as_u64().unwrap();
    let of = |step: u64, i: u64| (i * step % n) as f64;
    let confidences: Vec<f64> = (0..n).map(|i| 0.5 + of(7919, i) / (2 * n) as f64).collect();
    let correct: Vec<bool> =
        (0..n).map(|i| of(104_729, i) / (n as f64) < confidences[i as usize]).collect();
    let mut metric = TopLabelSamples::new();
    metric.add(&TopLabels::new(&confidences, &correct).unwrap()).unwrap();
    let found = metric.value().unwrap().smooth_ece(SmoothConvention::Reference);
    assert_eq!(found.bandwidth, recorded["bandwidth"].as_f64().unwrap());
    assert!((found.value - recorded["value"].as_f64().unwrap()).abs() < 1e-9, "{found:?}");
}

#[test]
fn kernel_errors() {
    for case in cases() {
        for (bandwidth, recorded) in case.values["kernel"].as_object().unwrap() {
            let bandwidth: f64 = bandwidth.parse().unwrap();
            for (key, estimator) in
                [("biased", KernelEstimator::Biased), ("unbiased", KernelEstimator::Unbiased)]
            {
                let top =
                    case.sorted().kernel_calibration_error(bandwidth, estimator).unwrap().unwrap();
                case.check(
                    &format!("{key} of the top label"),
                    top.squared,
                    &recorded["top_label"][key],
                    1e-12,
                );
                let all =
                    kernel_calibration_error(&case.input, bandwidth, estimator).unwrap().unwrap();
                case.check(
                    &format!("{key} of all classes"),
                    all.squared,
                    &recorded["all_classes"][key],
                    1e-12,
                );
            }
        }
    }
}

/// Rows with one confidence: in a calibrated model their accuracy is binomial.
#[test]
fn consistency_band_of_one_confidence_is_binomial() {
    for recorded in document()["binomial"].as_array().unwrap() {
        let number = |key: &str| recorded[key].as_f64().unwrap();
        let (n, confidence) = (number("n") as usize, number("confidence"));
        let mut metric = TopLabelSamples::new();
        metric.add(&TopLabels::new(&vec![confidence; n], &vec![true; n]).unwrap()).unwrap();
        let rows = metric.value().unwrap();
        let band = rows
            .consistency_band(Binning::EqualWidth, 10, 20_000, number("level"), 0)
            .unwrap()
            .unwrap();
        let found: Vec<_> = band.accuracies.iter().flatten().collect();
        assert_eq!((found.len(), band.reliability.n), (1, n as u64));
        // A quantile may be one step from the true one.
        let step = 1.001 / n as f64;
        assert!((found[0].low - number("low")).abs() < step, "{:?}, expected {recorded}", found[0]);
        assert!(
            (found[0].high - number("high")).abs() < step,
            "{:?}, expected {recorded}",
            found[0]
        );
    }
}
