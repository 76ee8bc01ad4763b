//! Tests of the metrics' states: order, batches, shards, merging, saving, and invalid input.

use crate::support::{Rows, logit_rows};
use mbls_core::Error;
use mbls_core::metric::{
    Accuracy, AdaptiveConvention, AdaptiveEce, BrierScore, ClassificationMetrics,
    ClassificationReport, ClasswiseConvention, ClasswiseEce, FixedSum, Metric,
    NegativeLogLikelihood, Predictions, ReliabilityBins,
};
use proptest::prelude::*;

/// Generates logits that are multiples of 1/8.
fn rows() -> impl Strategy<Value = Rows> {
    logit_rows(2..6, 1..60, -200..200, 1.0 / 8.0)
}

fn predictions(rows: &Rows) -> Predictions<'static> {
    Predictions::from_logits(&rows.scores(), rows.classes, &rows.labels()).unwrap().into_owned()
}

fn empty(reference: bool) -> ClassificationMetrics {
    if reference {
        let (adaptive, classwise) = (AdaptiveConvention::Reference, ClasswiseConvention::Reference);
        ClassificationMetrics::with_conventions(15, adaptive, classwise).unwrap()
    } else {
        ClassificationMetrics::new(15).unwrap()
    }
}

fn report<'a>(
    reference: bool,
    batches: impl IntoIterator<Item = &'a Predictions<'a>>,
) -> ClassificationReport {
    let mut metrics = empty(reference);
    for batch in batches {
        metrics.update(batch).unwrap();
    }
    metrics.value().unwrap()
}

/// Returns the bits of every number of a report.
fn bits(report: &ClassificationReport) -> Vec<u64> {
    let r = report;
    let mut bits = vec![r.n];
    bits.extend([r.accuracy, r.nll, r.brier, r.ece, r.aece, r.cece, r.mce].map(f64::to_bits));
    for bin in &r.reliability.bins {
        bits.push(bin.count);
        bits.extend([bin.lower, bin.upper].map(f64::to_bits));
        bits.extend([bin.mean_confidence, bin.accuracy].map(|v| v.map_or(u64::MAX, f64::to_bits)));
    }
    bits
}

proptest! {
    #[test]
    fn order_batches_and_shards_do_not_change_a_bit(rows in rows(), size in 1usize..20, reference: bool) {
        let whole = bits(&report(reference, [&predictions(&rows)]));
        let batches: Vec<Predictions> = rows.order.chunks(size).map(|indices| predictions(&rows.select(indices))).collect();
        prop_assert_eq!(&bits(&report(reference, &batches)), &whole);

        // Separate shards, merged from last to first into an empty one.
        let mut merged = empty(reference);
        for batch in batches.iter().rev() {
            let mut shard = empty(reference);
            shard.update(batch).unwrap();
            merged.merge(shard).unwrap();
        }
        prop_assert_eq!(&bits(&merged.value().unwrap()), &whole);
        merged.merge(empty(reference)).unwrap();
        prop_assert_eq!(&bits(&merged.value().unwrap()), &whole);
    }

    #[test]
    fn a_saved_state_is_the_state(rows in rows(), size in 1usize..20, reference: bool) {
        let (first, rest) = rows.order.split_at(size.min(rows.order.len()));
        let mut metrics = empty(reference);
        metrics.update(&predictions(&rows.select(first))).unwrap();
        let text = serde_json::to_string(&metrics).unwrap();
        let mut restored: ClassificationMetrics = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&restored, &metrics);
        for metrics in [&mut metrics, &mut restored] {
            metrics.update(&predictions(&rows.select(rest))).unwrap();
        }
        prop_assert_eq!(bits(&metrics.value().unwrap()), bits(&restored.value().unwrap()));
    }

    #[test]
    fn a_shift_of_the_logits_does_not_change_a_bit(rows in rows(), shift in -1000i16..1000) {
        let mut shifted = rows.clone();
        // Eighths and integers of this size add exactly in f32.
        shifted.rows.iter_mut().for_each(|(logits, _)| logits.iter_mut().for_each(|l| *l += f32::from(shift)));
        prop_assert_eq!(bits(&report(false, [&predictions(&shifted)])), bits(&report(false, [&predictions(&rows)])));
    }

    #[test]
    fn fixed_sums_are_exact(mut values in prop::collection::vec((-1i64 << 52..1 << 52, 0u32..64), 0..50)) {
        let number = |(mantissa, shift): (i64, u32)| mantissa as f64 / (1u64 << shift.min(60)) as f64;
        let sum = |values: &[(i64, u32)]| {
            let mut sum = FixedSum::default();
            values.iter().for_each(|&v| sum.add(number(v)).unwrap());
            sum
        };
        // The numbers are multiples of 2^-60, so the exact sum is an integer sum.
        let exact: i128 = values.iter().map(|&(m, s)| i128::from(m) << (60 - s.min(60))).sum();
        let found = sum(&values);
        prop_assert_eq!(serde_json::to_string(&found).unwrap(), format!("\"{exact}\""));
        values.reverse();
        prop_assert_eq!(sum(&values), found);
        let restored: FixedSum = serde_json::from_str(&format!("\"{exact}\"")).unwrap();
        prop_assert_eq!(restored, found);
    }
}

#[test]
fn fixed_sums_round_to_the_nearest_unit() {
    for (units, expected) in
        [(0.75, "1"), (-0.75, "-1"), (0.25, "0"), (1.5, "2"), (2.5, "2"), (-2.5, "-2")]
    {
        let mut sum = FixedSum::default();
        sum.add(units / 2f64.powi(60)).unwrap();
        assert_eq!(serde_json::to_value(sum).unwrap(), expected);
    }
}

#[test]
fn fixed_sums_refuse_what_they_cannot_hold() {
    let mut sum = FixedSum::default();
    for value in [f64::NAN, f64::INFINITY, -1e20, 1e20] {
        assert!(matches!(sum.add(value), Err(Error::Accumulator { .. })), "{value}");
    }
    assert_eq!(sum, FixedSum::default());
    let large = 7e19;
    sum.add(large).unwrap();
    sum.add(large).unwrap();
    let before = sum;
    let message = sum.add(large).unwrap_err().to_string();
    assert!(message.contains("70000000000000000000"), "{message}");
    assert!(sum.merge(before).is_err());
    assert_eq!(sum, before);
    for text in ["\"1e3\"", "\"\"", "12", "\"170141183460469231731687303715884105728\""] {
        assert!(serde_json::from_str::<FixedSum>(text).is_err(), "{text}");
    }
}

#[test]
fn no_rows_have_no_value() {
    assert!(Accuracy::new().value().is_none());
    for reference in [false, true] {
        let mut metrics = empty(reference);
        assert!(metrics.value().is_none());
        metrics.update(&Predictions::from_logits::<f32>(&[], 3, &[0u32; 0]).unwrap()).unwrap();
        assert!(metrics.value().is_none());
        let text = serde_json::to_string(&metrics).unwrap();
        assert_eq!(serde_json::from_str::<ClassificationMetrics>(&text).unwrap(), metrics);
    }
}

#[test]
fn metrics_of_different_settings_do_not_merge() {
    fn refused<M: Metric>(mut left: M, right: M, message: &str) {
        let error = left.merge(right).err().map(|e| e.to_string());
        assert_eq!(error, Some(format!("cannot merge metrics of different settings: {message}")));
    }
    refused(
        ReliabilityBins::new(10).unwrap(),
        ReliabilityBins::new(15).unwrap(),
        "bins is 10 and 15",
    );
    refused(empty(false), ClassificationMetrics::new(10).unwrap(), "bins is 15 and 10");
    let adaptive = |convention| AdaptiveEce::new(15, convention).unwrap();
    let message = "adaptive convention is Definition and Reference";
    refused(
        adaptive(AdaptiveConvention::Definition),
        adaptive(AdaptiveConvention::Reference),
        message,
    );
    let classwise = |convention| ClasswiseEce::new(15, convention).unwrap();
    let message = "classwise convention is Reference and Definition";
    refused(
        classwise(ClasswiseConvention::Reference),
        classwise(ClasswiseConvention::Definition),
        message,
    );

    let of_classes = |classes: usize| {
        let mut metrics = empty(false);
        metrics
            .update(&Predictions::from_logits(&vec![0.0; classes], classes, &[0]).unwrap())
            .unwrap();
        metrics
    };
    refused(of_classes(2), of_classes(3), "classes is 2 and 3");
}

/// A failed update or merge leaves the state unchanged.
#[test]
fn errors_leave_the_state() {
    let mut metrics = empty(false);
    metrics.update(&Predictions::from_logits(&[0.0, 1.0], 2, &[0]).unwrap()).unwrap();
    let before = metrics.clone();
    let three = Predictions::from_logits(&[0.0, 1.0, 2.0], 3, &[0]).unwrap();
    let message = metrics.update(&three).unwrap_err().to_string();
    assert_eq!(message, "predictions: expected 2 classes, as before, found 3 classes");
    assert!(metrics.merge(ClassificationMetrics::new(4).unwrap()).is_err());
    let clipped = ClassificationMetrics::new(15).unwrap().with_clipped_nll(1e-9).unwrap();
    assert!(metrics.merge(clipped).is_err());
    assert_eq!(metrics, before);
}

#[test]
fn invalid_batches_are_refused() {
    let logits = |logits: &[f32], classes, labels: &[u32]| {
        Predictions::from_logits(logits, classes, labels).unwrap_err()
    };
    let probs =
        |probs: &[f32], labels: &[u32]| Predictions::from_probs(probs, 2, labels).unwrap_err();
    let cases = [
        (logits(&[0.0; 5], 2, &[0, 1]), "logits: expected 2 labels x 2 classes, found 5 values"),
        (logits(&[0.0; 4], 2, &[0]), "logits: expected 1 labels x 2 classes, found 4 values"),
        (
            logits(&[0.0; 4], 2, &[0, 2]),
            "label 2 at row 1 is out of range: the logits have 2 classes",
        ),
        (logits(&[0.0], 1, &[0]), "classes = 1: expected from 2 to 2^32 - 1"),
        (logits(&[], 0, &[]), "classes = 0: expected from 2 to 2^32 - 1"),
        (
            logits(&[0.0, 0.0, f32::INFINITY, 0.0], 2, &[0, 1]),
            "logit inf at row 1, class 0: expected a finite number",
        ),
        (
            logits(&[0.0, f32::NAN], 2, &[1]),
            "logit NaN at row 0, class 1: expected a finite number",
        ),
        (
            probs(&[0.5, 0.5, 1.5, -0.5], &[0, 1]),
            "probability 1.5 at row 1, class 0: expected a number from 0 to 1",
        ),
        (
            probs(&[0.5, f32::NAN], &[0]),
            "probability NaN at row 0, class 1: expected a number from 0 to 1",
        ),
        (
            probs(&[0.5, 0.5, 0.5, 0.25], &[0, 1]),
            "the probabilities of row 1 sum to 0.75: expected 1",
        ),
        (
            probs(&[0.5, 0.5, 0.5], &[0]),
            "probabilities: expected 1 labels x 2 classes, found 3 values",
        ),
    ];
    for (error, expected) in cases {
        assert_eq!(error.to_string(), expected);
    }
    for bins in [0, 65537] {
        let message = format!("bins = {bins}: expected from 1 to 65536");
        assert_eq!(ClassificationMetrics::new(bins).unwrap_err().to_string(), message);
        assert_eq!(
            AdaptiveEce::new(bins, AdaptiveConvention::Definition).unwrap_err().to_string(),
            message
        );
    }
    // In half precision: a sum with a rounding error is accepted.
    assert!(Predictions::from_probs(&[0.3335, 0.6660], 2, &[0]).is_ok());
}

#[test]
fn a_label_of_probability_zero_has_infinite_likelihood() {
    let mut nll = NegativeLogLikelihood::new();
    nll.update(&Predictions::from_probs(&[0.5, 0.5], 2, &[1]).unwrap()).unwrap();
    assert_eq!(nll.value(), Some(2f64.ln()));
    nll.update(&Predictions::from_probs(&[1.0, 0.0], 2, &[1]).unwrap()).unwrap();
    assert_eq!(nll.value(), Some(f64::INFINITY));
}

/// States that no rows produce, as in a damaged or malicious file.
#[test]
fn saved_states_that_contradict_themselves_are_refused() {
    fn refused<T: serde::de::DeserializeOwned>(metric: &str, state: &str, expected: &str) {
        let text = saved(metric, state);
        let message =
            serde_json::from_str::<T>(&text).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message.contains(expected), "{text}: '{message}'");
    }
    refused::<Accuracy>("accuracy", r#"{"n":1,"correct":2}"#, "2 correct of 1 rows");
    for sum in ["-1", "3458764513820540929", &i128::MAX.to_string()] {
        let state = format!(r#"{{"n":1,"sum":"{sum}"}}"#);
        refused::<BrierScore>("brier", &state, "1 rows have squared errors of sum");
    }
    refused::<BrierScore>("brier", r#"{"n":0,"sum":"1"}"#, "0 rows have squared errors of sum");
    let nll = |n: u64, infinite: u64, sum: &str| {
        format!(r#"{{"n":{n},"infinite":{infinite},"sum":"{sum}"}}"#)
    };
    let name = "negative-log-likelihood";
    refused::<NegativeLogLikelihood>(name, &nll(1, 2, "0"), "2 of 1 rows are infinite");
    refused::<NegativeLogLikelihood>(name, &nll(1, 0, "-1"), "1 finite rows have the sum -");
    refused::<NegativeLogLikelihood>(name, &nll(0, 0, "1"), "0 finite rows have the sum");
    refused::<NegativeLogLikelihood>(name, &nll(1, 1, "1"), "0 finite rows have the sum");
    refused::<ReliabilityBins>("reliability", "[]", "bins = 0");
    let cell = r#"{"count":1,"positive":2,"probability":"0"}"#;
    refused::<ReliabilityBins>(
        "reliability",
        &format!("[{cell}]"),
        "a bin of 1 samples has 2 positives",
    );
    let cell = r#"{"count":1,"positive":1,"probability":"-1"}"#;
    refused::<ReliabilityBins>(
        "reliability",
        &format!("[{cell}]"),
        "a bin of 1 samples has 1 positives",
    );
    let cell = r#"{"count":18446744073709551615,"positive":1,"probability":"0"}"#;
    refused::<ReliabilityBins>(
        "reliability",
        &format!("[{cell}]"),
        "a bin of 18446744073709551615 samples",
    );
    let adaptive =
        |bins, sample| format!(r#"{{"bins":{bins},"convention":"default","samples":[{sample}]}}"#);
    refused::<AdaptiveEce>("adaptive-ece", &adaptive(0, 1), "bins = 0");
    refused::<AdaptiveEce>("adaptive-ece", &adaptive(1, u64::MAX), "a confidence of 1");
    let classwise = |n, max_label, cells: &str| {
        format!(
            r#"{{"bins":1,"convention":"default","n":{n},"max_label":{max_label},"cells":[{cells}]}}"#
        )
    };
    let cell = r#"{"count":1,"positive":0,"probability":"0"}"#;
    let right = r#"{"count":1,"positive":1,"probability":"0"}"#;
    let sure = r#"{"count":1,"positive":0,"probability":"1152921504606846976"}"#;
    let two = format!("{cell},{right}");
    refused::<ClasswiseEce>("classwise-ece", &classwise(1, 0, ""), "1 rows and 0 classes");
    refused::<ClasswiseEce>("classwise-ece", &classwise(1, 2, &two), "label 2 of 2 classes");
    refused::<ClasswiseEce>(
        "classwise-ece",
        &classwise(2, 1, &two),
        "a class has 1 probabilities of 2 rows",
    );
    let labels = |cells: String, expected: &str| {
        refused::<ClasswiseEce>("classwise-ece", &classwise(1, 1, &cells), expected);
    };
    labels(format!("{cell},{cell}"), "0 labels and probabilities of sum 0 in 1 rows");
    labels(format!("{right},{right}"), "2 labels and probabilities of sum 0 in 1 rows");
    labels(
        format!("{sure},{sure},{sure},{right}"),
        "1 labels and probabilities of sum 3 in 1 rows",
    );
    assert!(
        serde_json::from_str::<ClasswiseEce>(&saved("classwise-ece", &classwise(1, 1, &two)))
            .is_ok()
    );

    // Components that have not seen the same rows.
    let parts =
        |metrics: &ClassificationMetrics| serde_json::to_value(metrics).unwrap()["state"].clone();
    let mut mixed = parts(&empty(false));
    mixed["accuracy"]["state"] = serde_json::json!({"n": 1, "correct": 1});
    refused::<ClassificationMetrics>(
        "classification-metrics",
        &mixed.to_string(),
        "its parts have 1 and [0, 0, 0, 0, 0, 0, 0] rows",
    );
    let mut mixed = parts(&empty(false));
    mixed["adaptive"] = parts(&ClassificationMetrics::new(4).unwrap())["adaptive"].clone();
    refused::<ClassificationMetrics>(
        "classification-metrics",
        &mixed.to_string(),
        "its parts have [15, 4, 15] bins",
    );
}

fn saved(metric: &str, state: &str) -> String {
    format!(r#"{{"metric":"{metric}","version":1,"state":{state}}}"#)
}

#[test]
fn a_state_of_another_metric_or_version_is_named() {
    let message = |text: &str| serde_json::from_str::<Accuracy>(text).unwrap_err().to_string();
    let other = saved("brier", r#"{"n":0,"sum":"0"}"#);
    assert!(
        message(&other).starts_with(r#"metric "brier": expected "accuracy""#),
        "{}",
        message(&other)
    );
    let newer = r#"{"metric":"accuracy","version":2,"state":{"n":1,"right":1}}"#;
    assert!(message(newer).starts_with("version 2 of accuracy: expected 1"), "{}", message(newer));
    assert_eq!(
        serde_json::to_string(&Accuracy::new()).unwrap(),
        saved("accuracy", r#"{"n":0,"correct":0}"#)
    );
}
