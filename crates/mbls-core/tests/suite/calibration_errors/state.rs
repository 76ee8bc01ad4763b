//! Tests of the states: order, batches, shards, merging, saving, and invalid input.

use super::{BINNINGS, TARGETS, predictions, rows};
use mbls_core::metric::{
    AdaptiveConvention, AdaptiveEce, Binning, CalibrationBins, CalibrationError, CalibrationNorm,
    KernelEstimator, Metric, PredictionMetric, Predictions, ReliabilityBins, Target,
    TopLabelSamples, TopLabels, kernel_calibration_error,
};
use mbls_core::{Error, bootstrap};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

fn reloaded<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(metric: &T) -> T {
    let restored = serde_json::from_str(&serde_json::to_string(metric).unwrap()).unwrap();
    assert_eq!(&restored, metric);
    restored
}

/// Checks that every way of adding the batches leads to the same value.
fn same_by_every_way<M>(
    empty: &M,
    whole: &Predictions,
    batches: &[Predictions],
) -> Result<(), TestCaseError>
where
    M: PredictionMetric + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    M::Value: PartialEq + std::fmt::Debug,
{
    let mut at_once = empty.clone();
    at_once.update(whole).unwrap();
    let expected = at_once.value();
    let mut one_by_one = empty.clone();
    for batch in batches {
        one_by_one = reloaded(&one_by_one);
        one_by_one.update(batch).unwrap();
    }
    prop_assert_eq!(one_by_one.value(), at_once.value());
    prop_assert_eq!(&one_by_one, &at_once);
    // Separate shards, saved and merged from last to first into an empty one.
    let mut merged = empty.clone();
    for batch in batches.iter().rev() {
        let mut shard = empty.clone();
        shard.update(batch).unwrap();
        merged.merge(reloaded(&shard)).unwrap();
    }
    merged.merge(empty.clone()).unwrap();
    prop_assert_eq!(&merged, &at_once);
    prop_assert_eq!(merged.value(), expected);
    Ok(())
}

proptest! {
    #[test]
    fn order_batches_shards_and_saving_do_not_change_a_bit(rows in rows(), size in 1usize..20, bins in 1usize..30) {
        let whole = predictions(&rows);
        let batches: Vec<Predictions> = rows.order.chunks(size).map(|indices| predictions(&rows.select(indices))).collect();
        for (target, binning) in TARGETS.iter().flat_map(|t| BINNINGS.map(|b| (*t, b))) {
            same_by_every_way(&CalibrationBins::new(target, binning, bins).unwrap(), &whole, &batches)?;
        }
        same_by_every_way(&TopLabelSamples::new(), &whole, &batches)?;
        same_by_every_way(&ReliabilityBins::new(bins).unwrap(), &whole, &batches)?;
    }

    #[test]
    fn order_does_not_change_a_bit_of_errors_without_state(rows in rows(), bandwidth in 0.01f64..10.0, seed: u64) {
        let shuffled = predictions(&rows.select(&rows.order));
        for estimator in
            [KernelEstimator::Biased, KernelEstimator::Unbiased, KernelEstimator::UnbiasedLinear { seed }]
        {
            let of = |input: &Predictions| kernel_calibration_error(input, bandwidth, estimator).unwrap();
            prop_assert_eq!(of(&predictions(&rows)), of(&shuffled));
        }
    }

    /// Confidence and correctness alone lead to the same results as predictions.
    #[test]
    fn top_labels_are_enough(rows in rows(), bins in 1usize..30) {
        let input = predictions(&rows);
        let top_labels = TopLabels::from(&input);
        macro_rules! same {
            ($empty:expr) => {{
                let (mut left, mut right) = ($empty, $empty);
                left.update(&input).unwrap();
                right.add(&top_labels).unwrap();
                prop_assert_eq!(left, right);
            }};
        }
        for binning in BINNINGS {
            same!(CalibrationBins::new(Target::TopLabel, binning, bins).unwrap());
        }
        same!(ReliabilityBins::new(bins).unwrap());
        same!(TopLabelSamples::new());
        for convention in [AdaptiveConvention::Definition, AdaptiveConvention::Reference] {
            same!(AdaptiveEce::new(bins, convention).unwrap());
        }
        let indices: Vec<u32> = rows.order.iter().map(|&i| i as u32).collect();
        prop_assert_eq!(TopLabels::from(&input.select(&indices)), top_labels.select(&indices));
    }
}

#[test]
fn no_rows_have_no_value() {
    let none = Predictions::from_probs::<f64>(&[], 3, &[0u32; 0]).unwrap();
    for (target, binning) in TARGETS.iter().flat_map(|t| BINNINGS.map(|b| (*t, b))) {
        let mut metric = CalibrationBins::new(target, binning, 15).unwrap();
        metric.update(&none).unwrap();
        assert_eq!((metric.n(), metric.value()), (0, None));
        reloaded(&metric);
        // A batch without rows does not determine the number of classes.
        metric.update(&Predictions::from_probs(&[0.5, 0.5], 2, &[1]).unwrap()).unwrap();
        assert_eq!(metric.value().unwrap().n, 1);
    }
    let mut metric = TopLabelSamples::new();
    metric.update(&none).unwrap();
    assert!(metric.value().is_none());
    reloaded(&metric);
    // No probability is above the threshold.
    for binning in BINNINGS {
        let mut metric =
            CalibrationBins::new(Target::Thresholded { above: 0.5 }, binning, 15).unwrap();
        metric.update(&Predictions::from_probs(&[0.5, 0.5], 2, &[1]).unwrap()).unwrap();
        assert_eq!((metric.n(), metric.value()), (1, None));
        assert_eq!(reloaded(&metric).value(), None);
    }
}

#[test]
fn undefined_resampling_is_none() {
    let mut samples = TopLabelSamples::new();
    samples.add(&TopLabels::new(&[0.7, 0.9], &[true, false]).unwrap()).unwrap();
    let rows = samples.value().unwrap();
    for (resamples, level) in [(0, 0.9), (10, 0.0), (10, 1.0), (10, f64::NAN)] {
        assert!(rows.consistency(resamples, level, 0, |_| 0.0).is_none());
        assert!(
            rows.consistency_band(Binning::EqualWidth, 10, resamples, level, 0).unwrap().is_none()
        );
    }
    assert!(rows.consistency(10, 0.9, 0, |_| f64::NAN).is_none());
    assert!(bootstrap::paired_difference(0, 10, 0.9, 0, |_| 0.0, |_| 0.0).is_none());
}

#[test]
fn input_that_is_refused() {
    let message = |result: Result<TopLabels, Error>| result.unwrap_err().to_string();
    let expected =
        "correctness of the predictions: expected 2 values, one per confidence, found 1 values";
    assert_eq!(message(TopLabels::new(&[0.5, 0.5], &[true])), expected);
    for (value, shown) in [(-0.1, "-0.1"), (1.1, "1.1"), (f64::NAN, "NaN")] {
        let expected = format!("confidence {shown} at row 1: expected a number from 0 to 1");
        assert_eq!(message(TopLabels::new(&[0.5, value], &[true, true])), expected);
    }
    for above in [-0.1, 1.0, f64::NAN] {
        let error = CalibrationBins::new(Target::Thresholded { above }, Binning::EqualWidth, 15)
            .unwrap_err();
        assert_eq!(error.to_string(), format!("above = {above}: expected from 0 to below 1"));
    }
    let mut samples = TopLabelSamples::new();
    samples.add(&TopLabels::new(&[0.5], &[true]).unwrap()).unwrap();
    let rows = samples.value().unwrap();
    for (binning, bins) in BINNINGS.iter().flat_map(|b| [(*b, 0), (*b, 65537)]) {
        let expected = format!("bins = {bins}: expected from 1 to 65536");
        assert_eq!(
            CalibrationBins::new(Target::TopLabel, binning, bins).unwrap_err().to_string(),
            expected
        );
        assert_eq!(rows.reliability(binning, bins).unwrap_err().to_string(), expected);
        assert_eq!(
            rows.consistency_band(binning, bins, 10, 0.9, 0).unwrap_err().to_string(),
            expected
        );
    }
    let two = Predictions::from_probs(&[0.5, 0.5, 0.5, 0.5], 2, &[0, 1]).unwrap();
    for bandwidth in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let expected = format!("bandwidth = {bandwidth}: expected a finite number greater than 0");
        for error in [
            rows.kernel_calibration_error(bandwidth, KernelEstimator::Biased).unwrap_err(),
            kernel_calibration_error(&two, bandwidth, KernelEstimator::Unbiased).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}

/// A failed update or merge leaves the state unchanged.
#[test]
fn errors_leave_the_state() {
    let two = Predictions::from_probs(&[0.25, 0.75], 2, &[0]).unwrap();
    let three = Predictions::from_probs(&[0.25, 0.5, 0.25], 3, &[0]).unwrap();
    for binning in BINNINGS {
        let mut metric = CalibrationBins::new(Target::Classwise, binning, 5).unwrap();
        metric.update(&two).unwrap();
        let before = metric.clone();
        let message = metric.update(&three).unwrap_err().to_string();
        assert_eq!(message, "predictions: expected 2 classes, as before, found 3 classes");
        let message = metric.add(&TopLabels::from(&two)).unwrap_err().to_string();
        assert_eq!(
            message,
            "target = Classwise: expected TopLabel, for rows without all probabilities"
        );
        let mut other = CalibrationBins::new(Target::Classwise, binning, 5).unwrap();
        other.update(&three).unwrap();
        let refused = [
            (other, "classes is 2 and 3"),
            (CalibrationBins::new(Target::Classwise, binning, 6).unwrap(), "bins is 5 and 6"),
            (
                CalibrationBins::new(Target::TopLabel, binning, 5).unwrap(),
                "target is Classwise and TopLabel",
            ),
        ];
        for (other, expected) in refused {
            let message = metric.merge(other).unwrap_err().to_string();
            assert_eq!(message, format!("cannot merge metrics of different settings: {expected}"));
        }
        assert_eq!(metric, before);
    }
    let mut metric = CalibrationBins::new(Target::TopLabel, Binning::EqualWidth, 5).unwrap();
    let message =
        metric.merge(CalibrationBins::new(Target::TopLabel, Binning::EqualMass, 5).unwrap());
    assert!(message.unwrap_err().to_string().ends_with("binning is EqualWidth and EqualMass"));
}

/// A state with the maximum number of rows accepts no more rows, and no part of a batch.
#[test]
fn full_states_take_no_more() {
    let count = 1u64 << 47;
    let cell = |count| format!(r#"{{"count":{count},"positive":0,"probability":"0"}}"#);
    let text = format!(
        r#"{{"metric":"reliability","version":1,"state":[{},{}]}}"#,
        cell(count - 1),
        cell(0)
    );
    let mut bins: ReliabilityBins = serde_json::from_str(&text).unwrap();
    let before = bins.clone();
    let two = TopLabels::new(&[0.1, 0.9], &[true, true]).unwrap();
    assert!(matches!(bins.add(&two), Err(Error::Accumulator { .. })));
    assert!(matches!(bins.merge(before.clone()), Err(Error::Accumulator { .. })));
    assert_eq!(bins, before);

    let state = format!(
        r#"{{"target":"top-label","bins":2,"n":{},"curves":{{"equal-width":[{},{}]}}}}"#,
        count - 1,
        cell(count - 1),
        cell(0)
    );
    let mut bins: CalibrationBins = serde_json::from_str(&format!(
        r#"{{"metric":"calibration-bins","version":1,"state":{state}}}"#
    ))
    .unwrap();
    let before = bins.clone();
    assert!(matches!(bins.add(&two), Err(Error::Accumulator { .. })));
    assert!(matches!(bins.merge(before.clone()), Err(Error::Accumulator { .. })));
    assert_eq!(bins, before);
}

/// States that no rows produce, as in a damaged or malicious file.
#[test]
fn saved_states_that_contradict_themselves_are_refused() {
    let refused = |target: &str, bins: usize, n: u64, curves: &str, expected: &str| {
        let state = format!(r#"{{"target":{target},"bins":{bins},"n":{n},"curves":{{{curves}}}}}"#);
        let text = format!(r#"{{"metric":"calibration-bins","version":1,"state":{state}}}"#);
        let found = serde_json::from_str::<CalibrationBins>(&text)
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(found.contains(expected), "{text}: '{found}'");
    };
    let (top, classwise) = (r#""top-label""#, r#""classwise""#);
    let cells = |counts: &[u64]| {
        let cell = |count: &u64| format!(r#"{{"count":{count},"positive":0,"probability":"0"}}"#);
        format!(r#""equal-width":[{}]"#, counts.iter().map(cell).collect::<Vec<_>>().join(","))
    };
    refused(top, 0, 0, &cells(&[]), "bins = 0");
    refused(top, 65537, 0, &cells(&[]), "bins = 65537");
    refused(top, 2, 1, &cells(&[1]), "1 cells for 2 bins per curve");
    refused(top, 1, 1, &cells(&[]), "0 curves of 1 rows");
    refused(top, 1, 0, &cells(&[0]), "1 curves of 0 rows");
    refused(top, 1, 1, &cells(&[1, 1]), "2 curves of 1 rows");
    refused(classwise, 1, 1, &cells(&[1]), "1 curves of 1 rows");
    refused(top, 2, 3, &cells(&[1, 1]), "a curve has 2 probabilities of 3 rows");
    refused(classwise, 1, 1, &cells(&[1, 2]), "a curve has 2 probabilities of 1 rows");
    refused(
        r#"{"thresholded":{"above":0.5}}"#,
        1,
        1,
        &cells(&[0, 2]),
        "a curve has 2 probabilities of 1 rows",
    );
    refused(r#"{"thresholded":{"above":1.5}}"#, 1, 0, &cells(&[]), "above = 1.5");
    refused(top, 1, 1, r#""equal-height":[]"#, "equal-height");
    refused(top, 1, 1, &format!(r#""equal-mass":[[{}]]"#, u64::MAX), "a confidence of 1");
    refused(top, 1, 2, r#""equal-mass":[[1]]"#, "a curve has 1 probabilities of 2 rows");
    let positive = r#""equal-width-ceil":[{"count":1,"positive":2,"probability":"0"}]"#;
    refused(top, 1, 1, positive, "2 positives");
    let text = format!(
        r#"{{"metric":"top-label-samples","version":1,"state":{{"samples":[{}]}}}}"#,
        u64::MAX
    );
    let message = serde_json::from_str::<TopLabelSamples>(&text).unwrap_err().to_string();
    assert!(message.contains("a confidence of 1"), "{message}");
}

#[test]
fn an_error_says_what_it_depends_on() {
    let input = Predictions::from_probs(&[0.75, 0.25, 0.25, 0.75], 2, &[0, 0]).unwrap();
    let error = |target, binning, norm| {
        let mut metric = CalibrationBins::new(target, binning, 10).unwrap();
        metric.update(&input).unwrap();
        metric.value().unwrap().error(norm)
    };
    let top = error(Target::TopLabel, Binning::EqualWidth, CalibrationNorm::L1);
    assert_eq!(top.to_string(), "0.25000 (L1, top label, 10 bins of equal width, n = 2)");
    let thresholded =
        error(Target::Thresholded { above: 0.5 }, Binning::EqualMass, CalibrationNorm::Average);
    assert_eq!(
        thresholded.to_string(),
        "0.50000 (average over bins, classwise above 0.5, 10 bins of equal mass, n = 2)"
    );
    let mut metric = CalibrationBins::new(Target::Classwise, Binning::EqualWidthCeil, 10).unwrap();
    metric.update(&input).unwrap();
    let debiased = metric.value().unwrap().debiased_l2();
    assert!(
        debiased
            .to_string()
            .contains("(debiased L2, classwise, 10 bins of equal width by rounding up, n = 2)")
    );
    let text = serde_json::to_string(&thresholded).unwrap();
    assert!(
        text.contains(
            r#""norm":"average","debiased":false,"target":{"thresholded":{"above":0.5}}"#
        ),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<CalibrationError>(&text).unwrap(), thresholded);
}
