//! Metrics chosen by a configuration and computed in one pass: specifications, sets and top-label
//! statistics.

use mbls_core::Error;
use mbls_core::metric::{
    AnyMetric, CalibrationNorm, ClassificationMetrics, IgnoringLabels, Metric, MetricSet,
    MetricSpec, MetricValue, PredictionMetric, Predictions, ProbabilityStatistics, ReliabilityBins,
    SmoothConvention, TopLabelSamples, TopLabelStatistic, TopLabelStatistics, measure_logits,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CLASSES: usize = 3;

fn logits(rows: usize) -> Vec<f32> {
    (0..rows * CLASSES).map(|i| (i * 7919 % 101) as f32 / 16.0).collect()
}

fn labels(rows: usize) -> Vec<u32> {
    (0..rows).map(|row| (row * row % CLASSES) as u32).collect()
}

/// Returns a specification of every kind, with settings.
fn specs() -> Vec<Value> {
    let statistics = json!([
        {"kind": "smooth-ece"},
        {"kind": "kolmogorov-smirnov"},
        {"kind": "kernel-calibration-error", "bandwidth": 0.5},
        {"kind": "calibration-error", "bins": 10, "binning": "equal-mass", "norm": "l2"},
        {"kind": "aurc"},
        {"kind": "excess-aurc"},
    ]);
    vec![
        json!({"kind": "accuracy"}),
        json!({"kind": "top-k-accuracy", "k": 2}),
        json!({"kind": "balanced-accuracy"}),
        json!({"kind": "negative-log-likelihood"}),
        json!({"kind": "clipped-negative-log-likelihood", "epsilon": 1e-9}),
        json!({"kind": "brier"}),
        json!({"kind": "reliability"}),
        json!({"kind": "adaptive-ece", "bins": 7, "convention": "reference"}),
        json!({"kind": "classwise-ece", "convention": "default"}),
        json!({"kind": "calibration-bins", "target": {"thresholded": {"above": 0.1}}, "binning": "equal-width-ceil"}),
        json!({"kind": "top-label-statistics", "statistics": statistics}),
        json!({"kind": "top-label-samples"}),
        json!({"kind": "confusion-matrix", "classes": CLASSES}),
        json!({"kind": "probability-statistics"}),
        json!({"kind": "classification-metrics", "epsilon": 1e-9, "statistics": statistics}),
    ]
}

fn read(spec: &Value) -> MetricSpec {
    serde_json::from_value(spec.clone()).unwrap_or_else(|error| panic!("{spec}: {error}"))
}

fn measured<M: PredictionMetric + Sync>(metric: &M, rows: usize) -> M {
    measure_logits(metric, &logits(rows), CLASSES, &labels(rows)).unwrap()
}

#[test]
fn every_kind_is_built_saved_and_merged() {
    for spec in specs() {
        let metric = read(&spec).build().unwrap();
        assert_eq!(spec["kind"], metric.name(), "the kind is the name");
        assert_eq!((metric.version(), metric.value()), (1, None), "{spec}");
        let full = measured(&metric, 90);
        assert_eq!(full.empty(), metric, "{spec}");
        let value = full.value().unwrap();
        assert_eq!(
            serde_json::to_value(&value).unwrap().is_number(),
            matches!(value, MetricValue::Number(_)),
            "{spec}"
        );

        // The state of each component carries its name, and the enclosing state its kind.
        let saved = serde_json::to_string(&full).unwrap();
        let read: AnyMetric = serde_json::from_str(&saved).unwrap();
        assert_eq!(read, full, "{spec}");
        assert_eq!(serde_json::from_str::<Value>(&saved).unwrap()["saved"]["metric"], spec["kind"]);

        let mut merged = metric.empty();
        for rows in [full.clone(), read] {
            merged.check_merge(&rows).unwrap();
            merged.merge(rows).unwrap();
        }
        assert!(merged.size() >= metric.size(), "{spec}");
        // Means over the same rows twice do not change, except with equal-mass bins, whose edges
        // move.
        if let (MetricValue::Number(found), MetricValue::Number(expected)) =
            (merged.value().unwrap(), value)
        {
            assert!((found - expected).abs() < 1e-12 || spec["kind"] == "adaptive-ece", "{spec}");
        }
    }
}

#[test]
fn a_spec_is_written_as_it_is_read() {
    for spec in specs() {
        let spec = read(&spec);
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<MetricSpec>(&text).unwrap(), spec);
    }
}

#[test]
fn wrong_specs_are_refused() {
    for (spec, expected) in [
        (json!({"kind": "acuracy"}), "unknown variant `acuracy`"),
        (json!({"kind": "accuracy", "k": 1}), "unknown field `k`"),
        (json!({"kind": "top-k-accuracy"}), "missing field `k`"),
        (
            json!({"kind": "top-label-statistics", "statistics": [{"kind": "aurc", "bins": 1}]}),
            "unknown field `bins`",
        ),
    ] {
        let error = serde_json::from_value::<MetricSpec>(spec.clone()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{spec}: {error}");
    }
    for (spec, expected) in [
        (json!({"kind": "reliability", "bins": 0}), "bins = 0: expected from 1 to 65536"),
        (json!({"kind": "confusion-matrix", "classes": 1}), "classes = 1: expected from 2 to 4096"),
        (
            json!({"kind": "top-label-statistics", "statistics": [{"kind": "kernel-calibration-error", "bandwidth": 0}]}),
            "bandwidth = 0: expected a finite number greater than 0",
        ),
        (
            json!({"kind": "classification-metrics", "statistics": [{"kind": "calibration-error", "bins": 0}]}),
            "bins = 0: expected from 1 to 65536",
        ),
    ] {
        assert_eq!(read(&spec).build().unwrap_err().to_string(), expected);
    }
}

/// Compares the statistics with the methods that define them.
#[test]
fn statistics_of_top_labels_are_those_of_the_sorted_rows() {
    let kernel =
        TopLabelStatistic::KernelCalibrationError { bandwidth: 0.5, estimator: Default::default() };
    let binned = TopLabelStatistic::CalibrationError {
        binning: Default::default(),
        bins: 10,
        norm: CalibrationNorm::Max,
    };
    let smooth = TopLabelStatistic::SmoothEce { convention: SmoothConvention::Reference };
    let (ks, aurc, excess) = (
        TopLabelStatistic::KolmogorovSmirnov {},
        TopLabelStatistic::Aurc {},
        TopLabelStatistic::ExcessAurc {},
    );
    let all = vec![kernel, binned, smooth, ks, aurc, excess];
    let found = measured(&TopLabelStatistics::new(all.clone()).unwrap(), 90);
    let rows = measured(&TopLabelSamples::new(), 90).value().unwrap();
    let curve = rows.risk_coverage();
    let expected = [
        rows.kernel_calibration_error(0.5, Default::default()).unwrap().unwrap().squared,
        measured(&ReliabilityBins::new(10).unwrap(), 90).value().unwrap().mce(),
        rows.smooth_ece(SmoothConvention::Reference).value,
        rows.kolmogorov_smirnov_error(),
        curve.aurc(),
        curve.excess_aurc(),
    ];
    let values: Vec<f64> =
        found.value().unwrap().iter().map(|value| value.value.unwrap()).collect();
    assert_eq!(values, expected);
    assert_eq!((found.n(), found.samples().n(), found.statistics()), (90, 90, &all[..]));

    // A single row has no kernel calibration error.
    let one = measured(&found, 1).value().unwrap();
    assert_eq!((one[0].value, one[1].value.is_some()), (None, true));

    // They extend the common metrics, whose other values and state do not change.
    let usual = ClassificationMetrics::new(15).unwrap();
    let joined =
        measured(&usual.clone().with_statistics(all).unwrap().with_clipped_nll(1e-9).unwrap(), 90);
    let report = joined.value().unwrap();
    assert_eq!(report.statistics, found.value().unwrap());
    assert!(report.clipped_nll.is_some());
    let plain = serde_json::to_value(measured(&usual, 90)).unwrap();
    assert_eq!(plain["state"].get("statistics"), None);
    let mut stripped = serde_json::to_value(&joined).unwrap();
    let state = stripped["state"].as_object_mut().unwrap();
    state.remove("statistics");
    state.remove("clipped_nll");
    assert_eq!(stripped, plain);
    assert_eq!(
        serde_json::from_str::<ClassificationMetrics>(&serde_json::to_string(&joined).unwrap())
            .unwrap(),
        joined
    );

    let mut mine = joined.clone();
    assert!(matches!(mine.merge(measured(&usual, 90)), Err(Error::Merge { .. })));
    assert_eq!(mine, joined);
    let mut fewer = serde_json::to_value(&joined).unwrap();
    fewer["state"]["statistics"]["state"]["samples"]["state"]["samples"]
        .as_array_mut()
        .unwrap()
        .pop();
    let error = serde_json::from_value::<ClassificationMetrics>(fewer).unwrap_err().to_string();
    assert!(error.contains("its parts have 90 and 89 rows"), "{error}");
}

fn set(names: &[&str], specs: &[Value]) -> mbls_core::Result<MetricSet> {
    MetricSet::new(names.iter().map(|name| (*name).to_owned()).zip(specs.iter().map(read)))
}

#[test]
fn a_set_is_its_metrics() {
    let specs = specs();
    let names: Vec<String> =
        specs.iter().map(|spec| format!("my {}", spec["kind"].as_str().unwrap())).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let empty = set(&names, &specs).unwrap();
    assert_eq!((empty.value(), empty.name()), (None, "metric-set"));
    let full = measured(&empty, 90);
    let values = full.value().unwrap();
    assert_eq!(values.len(), specs.len());
    for (value, (spec, name)) in values.iter().zip(specs.iter().zip(&names)) {
        assert_eq!(value.name, *name);
        assert_eq!(value.value, measured(&read(spec).build().unwrap(), 90).value(), "{name}");
        assert_eq!(full.get(name).unwrap().value(), value.value);
    }
    assert!(full.get("accuracy").is_none());
    let restored: MetricSet = serde_json::from_str(&serde_json::to_string(&full).unwrap()).unwrap();
    assert_eq!(restored, full);
    let mut merged = full.empty();
    assert_eq!(merged, empty);
    merged.merge(restored).unwrap();
    assert_eq!(merged, full);
    assert!(full.size() > empty.size());
}

/// Tests the example of `docs/metrics.md`.
#[test]
fn a_set_is_read_from_toml() {
    let text = include_str!("../../../../docs/metrics.md");
    let (_, text) = text.split_once("```toml\n").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    let specs: BTreeMap<String, MetricSpec> = toml::from_str(text).unwrap();
    assert_eq!(specs.len(), 6);
    let metrics = MetricSet::new(specs).unwrap();
    let (logits, labels) = ([1.0f32, 0.0, 2.0, 0.5, -1.0, 0.25, 0.0], [5]);
    let values = measure_logits(&metrics, &logits, 7, &labels).unwrap().value().unwrap();
    assert!(values.iter().all(|value| value.value.is_some()));
    let top5 = values.iter().find(|value| value.name == "top5").unwrap();
    assert_eq!(top5.value.as_ref().unwrap().number(), Some(1.0));
}

#[test]
fn a_set_takes_all_or_nothing() {
    let two = json!({"kind": "balanced-accuracy"});
    let mut metrics =
        set(&["accuracy", "balanced"], &[json!({"kind": "accuracy"}), two.clone()]).unwrap();
    metrics.update(&Predictions::from_logits(&[1.0, 0.0], 2, &[0]).unwrap()).unwrap();
    let before = metrics.clone();
    let of_three = Predictions::from_logits(&[1.0, 0.0, 0.0], 3, &[0]).unwrap();
    assert!(matches!(metrics.update(&of_three), Err(Error::Shape { .. })));
    assert_eq!(metrics, before);
    let mut other = before.empty();
    other.update(&of_three).unwrap();
    assert!(matches!(metrics.merge(other), Err(Error::Merge { .. })));
    let other = set(&["accuracy", "other"], &[json!({"kind": "accuracy"}), two.clone()]).unwrap();
    assert!(matches!(metrics.merge(other), Err(Error::Merge { name: "metrics", .. })));
    let other = set(&["accuracy", "balanced"], &[two.clone(), two.clone()]).unwrap();
    assert!(matches!(metrics.merge(other), Err(Error::Merge { name: "kind", .. })));
    assert_eq!(metrics, before);

    let twice = set(&["same", "same"], &[two.clone(), two]).unwrap_err().to_string();
    assert_eq!(
        twice,
        "name of a metric = same: expected a name that no other metric of the set has"
    );
    let mut saved = serde_json::to_value(&before).unwrap();
    saved["state"][1]["name"] = json!("accuracy");
    assert!(serde_json::from_value::<MetricSet>(saved).is_err());
}

#[test]
fn metrics_without_labels_join_others() {
    let mut pair = (ReliabilityBins::new(5).unwrap(), IgnoringLabels(ProbabilityStatistics::new()));
    let rows = Predictions::from_logits(&[2.0, 0.0, 0.0, 1.0], 2, &[0, 0]).unwrap();
    pair.update(&rows).unwrap();
    let mut alone = ProbabilityStatistics::new();
    alone.update(rows.unlabelled()).unwrap();
    let (reliability, probabilities) = pair.value().unwrap();
    assert_eq!((reliability.unwrap().n, probabilities), (2, alone.value()));
}
