//! The record that is saved with a network: compared with slow counting, and the invalid files it
//! rejects.

use mbls_core::calibration::{
    Assessment, CalibrationRecord, Calibrator, CalibratorChoice, CalibratorRole, CalibratorSpec,
    OodDetector, OodThreshold, Scores, TemperatureScaling,
};
use mbls_core::metric::{Metric, Predictions, ReliabilityBins};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Logits and labels of rows that are correct at various rates, overconfident by a factor.
fn rows(n: usize, classes: usize, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut logits, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let label = rng.random_range(0..classes as u32);
        for class in 0..classes as u32 {
            let signal = if class == label { 3.0 } else { 0.0 };
            logits.push(signal + 5.0 * (rng.random::<f32>() - 0.5));
        }
        labels.push(label);
    }
    (logits, labels)
}

fn names(classes: usize) -> Vec<String> {
    (0..classes).map(|class| format!("class {class}")).collect()
}

fn record(n: usize, classes: usize, seed: u64) -> CalibrationRecord {
    let ((logits, labels), (test, truth)) = (rows(n, classes, seed), rows(n, classes, seed + 1000));
    let mut record = CalibrationRecord::fit(names(classes), &logits, &labels, 10).unwrap();
    record.assess(&test, &truth).unwrap();
    record
}

#[test]
fn the_temperature_is_that_of_all_validation_rows() {
    let (logits, labels) = rows(40_000, 3, 7);
    let record = CalibrationRecord::fit(names(3), &logits, &labels, 15).unwrap();
    assert_eq!(record.temperature(), &TemperatureScaling::fit_logits(&logits, 3, &labels).unwrap());
}

#[test]
fn candidates_are_measured_on_rows_that_they_were_not_fitted_to() {
    let (logits, labels) = rows(203, 3, 1);
    let scores = Scores::from_logits(&logits, 3).unwrap();
    let choice =
        CalibratorChoice::cross_validate(&scores, &labels, &CalibratorChoice::usual(3)).unwrap();
    assert_eq!(choice.candidates().len(), 4);
    // The index of a row within its class.
    let turn = |row: usize| labels[..row].iter().filter(|&&label| label == labels[row]).count();
    for candidate in choice.candidates() {
        let mut total = 0.0;
        for fold in 0..5 {
            let part = |held_out: bool| {
                let rows = (0..203).filter(|&row| (turn(row) % 5 == fold) == held_out);
                let (mut part, mut truth) = (Vec::new(), Vec::new());
                for row in rows {
                    part.extend_from_slice(&logits[3 * row..][..3]);
                    truth.push(labels[row]);
                }
                (Scores::from_logits(&part, 3).unwrap(), truth)
            };
            let ((fitted, truth), (others, expected)) = (part(false), part(true));
            let probs = candidate.spec.fit(&fitted, &truth).unwrap().probs(&others).unwrap();
            total -= probs
                .chunks(3)
                .zip(expected)
                .map(|(row, label)| row[label as usize].ln())
                .sum::<f64>();
        }
        let found = candidate.nll.unwrap();
        assert!((found - total / 203.0).abs() < 1e-9, "{candidate:?}, expected {}", total / 203.0);
        assert!(choice.best().nll.unwrap() <= found);
    }
}

/// Labels whose order has the same period as the folds: no fold lacks a class.
#[test]
fn the_order_of_the_rows_takes_no_class_out_of_a_fold() {
    let (logits, _) = rows(500, 5, 4);
    let labels: Vec<u32> = (0..500).map(|row| row % 5).collect();
    let scores = Scores::from_logits(&logits, 5).unwrap();
    let choice =
        CalibratorChoice::cross_validate(&scores, &labels, &CalibratorChoice::usual(5)).unwrap();
    assert!(choice.candidates().iter().all(|candidate| candidate.nll.is_some()), "{choice:?}");
}

/// A class whose logit is too small by a constant: vector scaling can correct this, a temperature
/// cannot.
#[test]
fn the_best_calibrator_is_one_that_fits_and_it_is_used() {
    let (mut logits, labels) = rows(2000, 4, 3);
    logits.chunks_mut(4).for_each(|row| row[2] -= 4.0);
    let mut record = CalibrationRecord::fit(names(4), &logits, &labels, 10).unwrap();
    record.assess(&logits, &labels).unwrap();
    assert_ne!(record.choice().best().spec, CalibratorSpec::Temperature);
    let accuracy = |role| record.assessment(role).reliability().unwrap().accuracy();
    let [plain, best] = [CalibratorRole::Temperature, CalibratorRole::Best].map(accuracy);
    assert!(best > plain + 0.05, "{plain} {best}");
    let rows = record.classify(&logits, CalibratorRole::Best).unwrap();
    let right =
        rows.iter().zip(&labels).filter(|(row, label)| row.class == **label as usize).count();
    assert!((right as f64 / 2000.0 - best).abs() < 1e-12);
}

#[test]
fn few_rows_are_not_compared() {
    let record = CalibrationRecord::fit(names(2), &[1.0, 0.0, 0.0, 1.0], &[0, 0], 10).unwrap();
    assert_eq!(record.choice().best().spec, CalibratorSpec::Temperature);
    assert!(
        record
            .choice()
            .candidates()
            .iter()
            .all(|c| c.problem.as_deref() == Some("fewer than 5 rows"))
    );
    let error = record.classify(&[1.0, 0.0], CalibratorRole::Temperature).unwrap_err().to_string();
    assert!(error.contains("reliability of test rows"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn counts_are_those_of_a_loop(n in 1usize..300, classes in 2usize..6, seed in 0u64..1000, thousandth in 0usize..1000) {
        let ((logits, labels), (test, truth)) = (rows(n, classes, seed), rows(n, classes, seed + 1000));
        let mut record = CalibrationRecord::fit(names(classes), &logits, &labels, 10).unwrap();
        record.assess(&test, &truth).unwrap();
        let threshold = thousandth as f64 / 1000.0;
        for role in [CalibratorRole::Temperature, CalibratorRole::Best] {
            let found = record.assessment(role).abstain_below(threshold).unwrap();
            let rows = record.classify(&test, role).unwrap();
            let answered: Vec<_> = rows.iter().zip(&truth).filter(|(row, _)| !found.withholds(row.confidence)).collect();
            let wrong = answered.iter().filter(|(row, label)| row.class != **label as usize).count();
            prop_assert_eq!((found.n, found.answered, found.wrong), (n as u64, answered.len() as u64, wrong as u64));
            for row in &rows {
                let alike = rows.iter().filter(|other| row.bin.lower < other.confidence && other.confidence <= row.bin.upper);
                prop_assert_eq!(row.bin.count, alike.count() as u64);
                prop_assert!((row.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            }
        }
        // At least 95 % of the validation rows are accepted; rejecting one more would accept fewer.
        for ood in record.ood() {
            let scores = ood.detector().scores(&logits, classes).unwrap();
            let accepted = scores.iter().filter(|&&score| ood.accepts(score)).count();
            prop_assert!(accepted as f64 >= 0.95 * n as f64);
            let beyond = scores.iter().filter(|&&score| score > ood.threshold()).count();
            prop_assert!((beyond as f64) < 0.95 * n as f64);
        }
        let text = serde_json::to_string(&record).unwrap();
        prop_assert_eq!(serde_json::from_str::<CalibrationRecord>(&text).unwrap(), record);
    }
}

#[test]
fn thresholds_are_thousandths() {
    let record = record(50, 3, 5);
    let test = record.assessment(CalibratorRole::Temperature);
    for threshold in [-0.1, 1.0, 0.12345, f64::NAN, f64::INFINITY] {
        let error = test.abstain_below(threshold).unwrap_err().to_string();
        assert!(
            error.contains("expected a number from 0 to 0.999 with at most three decimals"),
            "{error}"
        );
    }
    let all = test.abstain_below(0.0).unwrap();
    assert_eq!((all.coverage(), all.n, all.answered), (Some(1.0), 50, 50));
    assert!(
        all.to_string()
            .starts_with("of 50 test samples 100.0 % are answered with a confidence above 0, and")
    );
}

/// Bin edges are those of `torch.linspace` in f32, which differ from the thousandths by rounding.
#[test]
fn a_confidence_on_an_edge_is_withheld_as_it_was_counted() {
    let mut bins = ReliabilityBins::new(1000).unwrap();
    bins.update(&Predictions::from_probs(&[0.5, 0.5], 2, &[0]).unwrap()).unwrap();
    for (place, bin) in bins.value().unwrap().bins.iter().enumerate().skip(501) {
        let mut test = Assessment::new(10).unwrap();
        test.update(&Predictions::from_probs(&[bin.lower, 1.0 - bin.lower], 2, &[0]).unwrap())
            .unwrap();
        let found = test.abstain_below(place as f64 / 1000.0).unwrap();
        assert_eq!((found.answered, found.withholds(bin.lower)), (0, true), "{place}");
        assert!(!found.withholds(bin.lower.next_up()), "{place}");
    }
}

#[test]
fn energy_and_confidence_use_the_original_logits() {
    let scores = |detector: OodDetector| detector.scores(&[1.0, 3.0, 0.0, 0.0], 2).unwrap();
    let e = std::f64::consts::E;
    for (detector, expected) in [
        (OodDetector::Energy, [(e + e.powi(3)).ln(), 2f64.ln()]),
        (OodDetector::Confidence, [1.0 / (1.0 + (-2f64).exp()), 0.5]),
        (OodDetector::Entropy, [0.0, -2f64.ln()]),
    ] {
        let found = scores(detector);
        let p: f64 = 1.0 / (1.0 + (-2f64).exp());
        let first = if detector == OodDetector::Entropy {
            p * p.ln() + (1.0 - p) * (1.0 - p).ln()
        } else {
            expected[0]
        };
        assert!(
            (found[0] - first).abs() < 1e-12 && (found[1] - expected[1]).abs() < 1e-12,
            "{detector:?} {found:?}"
        );
    }
    assert!(OodThreshold::fit(OodDetector::Energy, &[]).is_err());
    assert!(OodThreshold::fit(OodDetector::Energy, &[f64::NAN]).is_err());
}

#[test]
fn inconsistent_records_are_not_read() {
    let good = serde_json::to_string(&record(60, 3, 2)).unwrap();
    serde_json::from_str::<CalibrationRecord>(&good).unwrap();
    for (from, to, expected) in [
        ("\"class 0\",\"class 1\",\"class 2\"", "\"class 0\"", "classes = 1: expected at least 2"),
        ("\"candidates\":[", "\"candidates\":[{\"spec\":{\"kind\":\"vector\"}},", "candidates[0]"),
        ("\"ood\":[", "\"ood\":[{\"detector\":\"energy\",\"threshold\":null},", "null"),
        (
            "\"ood\":[",
            "\"ood\":[{\"detector\":\"smell\",\"threshold\":1.0},",
            "unknown variant `smell`",
        ),
        ("\"classes\":", "\"extra\":1,\"classes\":", "unknown field `extra`"),
    ] {
        assert!(good.contains(from), "{from}");
        let error = serde_json::from_str::<CalibrationRecord>(&good.replacen(from, to, 1))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
}
