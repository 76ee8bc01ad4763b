//! Reads bytes as the saved state of every metric. One that is read without an error must be a
//! state that the metric can work with.

#![no_main]

mod json;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use mbls_core::metric::{
    Accuracy, AdaptiveEce, BalancedAccuracy, BrierScore, CalibrationBins, ClassificationMetrics, ClasswiseEce,
    ClippedNegativeLogLikelihood, ConfusionMatrix, GroupedReliability, LogitDistanceTail, LogitDistances, LogitStatistics,
    Metric, MetricSet, NegativeLogLikelihood, OodDetection, ProbabilityStatistics, ReliabilityBins, SegmentationCalibration,
    TopKAccuracy, TopLabelSamples, TopLabelStatistics,
};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

fn check<M>(json: &[u8])
where
    M: Metric<Value: Debug> + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let Ok(metric) = serde_json::from_slice::<M>(json) else { return };
    let value = format!("{:?}", metric.value());
    assert!(!value.contains("NaN"), "{value}");

    let saved = serde_json::to_string(&metric).expect("a state that was read can be saved");
    let reloaded: M = serde_json::from_str(&saved).expect("a state that was saved can be read");
    assert_eq!(reloaded, metric);
    assert_eq!(format!("{:?}", reloaded.value()), value);

    let mut merged = metric.clone();
    match merged.merge(reloaded) {
        Ok(()) => {
            let saved = serde_json::to_string(&merged).expect("a merged state can be saved");
            assert_eq!(serde_json::from_str::<M>(&saved).expect("a merged state can be read"), merged);
            assert_eq!(merged.value().is_some(), metric.value().is_some());
        }
        // If two states do not fit into one, merging must leave the first unchanged.
        Err(_) => assert_eq!(merged, metric),
    }
}

macro_rules! check_all {
    ($json:expr, $($metric:ty),+ $(,)?) => { $(check::<$metric>($json);)+ };
}

fuzz_target!(|json: &[u8]| {
    check_all!(
        json,
        Accuracy,
        AdaptiveEce,
        BalancedAccuracy,
        BrierScore,
        CalibrationBins,
        ClassificationMetrics,
        ClasswiseEce,
        ClippedNegativeLogLikelihood,
        ConfusionMatrix,
        GroupedReliability,
        LogitDistanceTail,
        LogitDistances,
        LogitStatistics,
        MetricSet,
        NegativeLogLikelihood,
        OodDetection,
        ProbabilityStatistics,
        ReliabilityBins,
        SegmentationCalibration,
        TopKAccuracy,
        TopLabelSamples,
        TopLabelStatistics,
    );
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate_bytes(data, size, max_size, seed)
});
