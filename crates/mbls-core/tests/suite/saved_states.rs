//! States saved by version 0.1.0 (commit 29671d3), see `fixtures/saved-states/README.md`. They must
//! be readable, produce the same values as then, and be saved unchanged.

use mbls_core::calibration::SavedCalibrator;
use mbls_core::metric::{
    Accuracy, AdaptiveEce, BalancedAccuracy, BrierScore, CalibrationBins, ClassificationMetrics,
    ClasswiseEce, ClippedNegativeLogLikelihood, ConfusionMatrix, GroupedReliability,
    LogitDistanceTail, LogitStatistics, Metric, NegativeLogLikelihood, OodDetection,
    ProbabilityStatistics, ReliabilityBins, SegmentationCalibration, TopKAccuracy, TopLabelSamples,
};
use mbls_testkit::golden;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt::Debug;

fn fixture(name: &str) -> serde_json::Map<String, Value> {
    serde_json::from_value(golden::fixture(&format!("saved-states/{name}.json"))).unwrap()
}

/// Checks the state before the first row, `name-empty`, and the state with rows, `name-full`.
fn check<M>(states: &mut serde_json::Map<String, Value>, name: &str)
where
    M: Metric<Value: Debug> + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let mut read = |name: String| {
        let saved = states.remove(&name).unwrap_or_else(|| panic!("{name}"));
        let text = saved["state"].as_str().unwrap();
        let metric: M = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&metric).unwrap(), text, "{name}");
        let envelope: Value = serde_json::from_str(text).unwrap();
        assert_eq!(envelope["metric"], metric.name(), "{name}");
        assert_eq!(envelope["version"], metric.version(), "{name}");
        (metric, saved.get("value").map(|value| value.as_str().unwrap().to_owned()))
    };
    let (empty, _) = read(format!("{name}-empty"));
    let (full, value) = read(format!("{name}-full"));
    // At that version the convention `Definition` was called `Default`, the fraction beyond the
    // margin had another field name, and there were no additional statistics.
    let value = value.unwrap().replace("convention: Default", "convention: Definition");
    let value = value.replace("share_beyond_margin", "fraction_beyond_margin");
    assert_eq!(format!("{:?}", full.value()).replace(" statistics: [],", ""), value, "{name}");

    // The life cycle, for states of every metric.
    if name != "ood-inside" {
        assert!(empty.value().is_none(), "{name}");
        assert_eq!(full.empty(), empty, "{name}");
    }
    assert!(full.empty().value().is_none(), "{name}");
    assert!(full.size() >= size_of::<M>() && full.size() >= empty.empty().size(), "{name}");
    full.check_merge(&full).unwrap();
    let (mut merged, mut from_empty) = (full.clone(), full.empty());
    from_empty.merge(full.clone()).unwrap();
    assert_eq!(from_empty, full, "{name}");
    merged.merge(full.empty()).unwrap();
    assert_eq!(merged, full, "{name}");
    assert_eq!(format!("{:?}", merged.value()), format!("{:?}", full.value()), "{name}");
}

#[test]
fn saved_metrics_read_as_they_were() {
    let states = &mut fixture("metrics");
    check::<Accuracy>(states, "accuracy");
    check::<TopKAccuracy>(states, "top-k");
    check::<BalancedAccuracy>(states, "balanced-accuracy");
    check::<BrierScore>(states, "brier");
    check::<NegativeLogLikelihood>(states, "nll");
    check::<NegativeLogLikelihood>(states, "nll-large");
    check::<ClippedNegativeLogLikelihood>(states, "nll-clipped");
    check::<ReliabilityBins>(states, "reliability");
    check::<GroupedReliability>(states, "grouped");
    check::<TopLabelSamples>(states, "top-labels");
    check::<ConfusionMatrix>(states, "confusion");
    check::<ProbabilityStatistics>(states, "probabilities");
    check::<LogitStatistics>(states, "logits");
    check::<LogitStatistics>(states, "logits-masked");
    check::<LogitDistanceTail>(states, "logit-tail");
    check::<OodDetection>(states, "ood");
    check::<OodDetection>(states, "ood-inside");
    for convention in ["default", "reference"] {
        check::<AdaptiveEce>(states, &format!("adaptive-{convention}"));
        check::<ClasswiseEce>(states, &format!("classwise-{convention}"));
        check::<ClassificationMetrics>(states, &format!("all-{convention}"));
    }
    for target in ["top-label", "per-class", "thresholded"] {
        for binning in ["width", "ceil", "mass"] {
            check::<CalibrationBins>(states, &format!("{target}-{binning}"));
        }
    }
    for protocol in ["pooled", "pooled-adaptive", "segmentation"] {
        check::<SegmentationCalibration>(states, protocol);
    }
    assert!(states.is_empty(), "not checked: {:?}", states.keys());
}

#[test]
fn saved_calibrators_read_as_they_were() {
    let calibrators = fixture("calibrators");
    assert_eq!(calibrators.len(), 12);
    for (name, text) in calibrators {
        let text = text.as_str().unwrap();
        let calibrator: SavedCalibrator = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&calibrator).unwrap(), text, "{name}");
    }
}

#[test]
fn a_state_of_another_version_says_which() {
    let states = fixture("metrics");
    let text = states["accuracy-full"]["state"]
        .as_str()
        .unwrap()
        .replace("\"version\":1", "\"version\":2");
    let error = serde_json::from_str::<Accuracy>(&text).unwrap_err().to_string();
    assert!(error.starts_with("version 2 of accuracy: expected 1"), "{error}");
}
