use super::classification::{rows, rows_in_batches};
use super::{check, refused};
use mbls_core::metric::{
    LogitDistanceTail, LogitDistances, LogitRows, LogitStatistics, Metric, ProbabilityStatistics,
    UnlabelledRows,
};
use proptest::prelude::*;
use serde_json::json;

proptest! {
    #[test]
    fn shards((rows, batches) in rows_in_batches(), margin in 0u8..6, share in 1u8..=10) {
        let margin = f64::from(margin);
        check(LogitStatistics::new(margin).unwrap(), &batches, |m, b| {
            m.update(LogitRows::new(&rows.select_logits(b), rows.classes).unwrap()).unwrap();
        });
        check(LogitDistances::new((share > 5).then_some(margin)).unwrap(), &batches, |m, b| {
            m.update(LogitRows::new(&rows.select_logits(b), rows.classes).unwrap()).unwrap();
        });
        check(LogitDistanceTail::new(f64::from(share) / 10.0).unwrap(), &batches, |m, b| {
            m.update(LogitRows::new(&rows.select_logits(b), rows.classes).unwrap()).unwrap();
        });
        check(ProbabilityStatistics::new(), &batches, |m, b| m.update(rows.predictions(b).unlabelled()).unwrap());
    }

    #[test]
    fn logit_statistics_are_their_definitions(rows in rows(20), margin in 0u8..6, share in 1u8..=10) {
        let margin = f64::from(margin);
        let input = LogitRows::new(&rows.logits, rows.classes).unwrap();
        let mut statistics = LogitStatistics::new(margin).unwrap();
        statistics.update(input).unwrap();
        let report = statistics.value().unwrap();

        let sorted = |row: &[f32]| {
            let mut row: Vec<f64> = row.iter().map(|&logit| logit.into()).collect();
            row.sort_by(|a, b| b.total_cmp(a));
            row
        };
        let all: Vec<Vec<f64>> = rows.logits.chunks(rows.classes).map(sorted).collect();
        let mean = |of: &dyn Fn(&[f64]) -> f64| all.iter().map(|row| of(row)).sum::<f64>() / 20.0;
        let others = (rows.classes - 1) as f64;
        let share_beyond = mean(&|row| row.iter().filter(|&&logit| row[0] - logit > margin).count() as f64 / others);
        let expected = [
            (report.mean_distance, mean(&|row| row.iter().map(|logit| row[0] - logit).sum::<f64>() / others)),
            (report.max_distance, mean(&|row| row[0] - row[row.len() - 1])),
            (report.top_two_gap, mean(&|row| row[0] - row[1])),
            (report.norm, mean(&|row| row.iter().map(|logit| logit * logit).sum::<f64>().sqrt())),
            (report.fraction_beyond_margin, share_beyond),
        ];
        for (found, expected) in expected {
            prop_assert!((found - expected).abs() < 1e-12, "{} instead of {}", found, expected);
        }
        prop_assert!(report.top_two_gap <= report.max_distance && report.mean_distance <= report.max_distance + 1e-12);

        let mut distances = LogitDistances::new(Some(margin)).unwrap();
        distances.update(input).unwrap();
        let found = distances.value().unwrap();
        let mut all_distances: Vec<f64> =
            all.iter().flat_map(|row| row[1..].iter().map(|logit| row[0] - logit)).collect();
        all_distances.sort_by(f64::total_cmp);
        let near = |found: f64, sorted: &[f64], share: f64| {
            let expected = sorted[((share * sorted.len() as f64).ceil() as usize).max(1) - 1];
            (found - expected).abs() <= (0.004 * expected).max(1.0 / 1024.0)
        };
        prop_assert_eq!((found.n, found.largest), (all_distances.len() as u64, all_distances[all_distances.len() - 1]));
        prop_assert!((found.fraction_beyond_margin.unwrap() - share_beyond).abs() < 1e-12);
        for (quantile, share) in [(found.median, 0.5), (found.quantile_90, 0.9), (found.quantile_99, 0.99)] {
            prop_assert!(near(quantile, &all_distances, share), "{} at {}", quantile, share);
        }
        let mut of_rows: Vec<f64> = all.iter().map(|row| row[0] - row[row.len() - 1]).collect();
        of_rows.sort_by(f64::total_cmp);
        prop_assert!(near(distances.quantile_of_rows(0.3).unwrap(), &of_rows, 0.3));

        let mut tail = LogitDistanceTail::new(f64::from(share) / 10.0).unwrap();
        tail.update(input).unwrap();
        let mut ranges: Vec<f64> = all.iter().map(|row| row[0] - row[row.len() - 1]).collect();
        ranges.sort_by(|a, b| b.total_cmp(a));
        let counted = 2 * usize::from(share);
        let expected = ranges[..counted].iter().sum::<f64>() / counted as f64;
        prop_assert!((tail.value().unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn probability_statistics_are_their_definitions(rows in rows(20)) {
        let (mut metric, input) = (ProbabilityStatistics::new(), rows.all());
        metric.update(input.unlabelled()).unwrap();
        let report = metric.value().unwrap();
        let classes = rows.classes as f64;
        let mean = |of: &dyn Fn(&[f64]) -> f64| (0..20).map(|row| of(input.probs(row))).sum::<f64>() / 20.0;
        let expected = [
            (report.confidence, mean(&|p| p.iter().copied().fold(0.0, f64::max))),
            (report.entropy, mean(&|p| -p.iter().map(|p| p * p.ln()).sum::<f64>())),
            (report.kl_from_uniform, mean(&|p| p.iter().map(|p| (1.0 / classes / (p + 1e-10)).ln() / classes).sum())),
            (report.l1_from_uniform, mean(&|p| p.iter().map(|p| (p - 1.0 / classes).abs() / classes).sum())),
        ];
        for (found, expected) in expected {
            prop_assert!((found - expected).abs() < 1e-12, "{} instead of {}", found, expected);
        }
        prop_assert!(report.entropy <= classes.ln() + 1e-12);
    }
}

/// Probabilities of 0 lead to no undefined values.
#[test]
fn one_hot_probabilities() {
    let mut metric = ProbabilityStatistics::new();
    metric.update(&UnlabelledRows::from_probs(&[1.0, 0.0], 2).unwrap()).unwrap();
    let report = metric.value().unwrap();
    assert_eq!((report.entropy, report.confidence, report.l1_from_uniform), (0.0, 1.0, 0.5));
    assert!(
        (report.kl_from_uniform - (0.5f64.ln() + 5.0 * 10f64.ln())).abs() < 1e-9,
        "{}",
        report.kl_from_uniform
    );
}

/// With fewer rows than the share needs, only the largest distance counts.
#[test]
fn a_tail_has_at_least_one_row() {
    let mut tail = LogitDistanceTail::new(0.01).unwrap();
    tail.update(LogitRows::new(&[1.0, 0.0, 0.0, 3.0, 2.0, 0.0], 2).unwrap()).unwrap();
    assert_eq!((tail.n(), tail.value()), (3, Some(3.0)));
}

#[test]
fn wrong_input_is_refused() {
    let rows = |logits: &[f32], classes| LogitRows::new(logits, classes).unwrap_err().to_string();
    assert_eq!(rows(&[0.0; 3], 2), "logits: expected rows of 2 classes, found 3 values");
    assert_eq!(rows(&[0.0], 1), "classes = 1: expected from 2 to 2^32 - 1");
    assert_eq!(
        rows(&[0.0, 0.0, 0.0, f32::NAN], 2),
        "logit NaN at row 1, class 1: expected a finite number"
    );
    for margin in [-1.0, f64::NAN, f64::INFINITY] {
        let message = LogitStatistics::new(margin).unwrap_err().to_string();
        assert_eq!(message, format!("margin = {margin}: expected a finite number of 0 or more"));
    }
    for share in [0.0, 1.1, f64::NAN] {
        let message = LogitDistanceTail::new(share).unwrap_err().to_string();
        assert_eq!(message, format!("share = {share}: expected above 0 and at most 1"));
    }
    assert!(
        LogitDistances::new(Some(-1.0)).is_err() && LogitDistances::new(Some(f64::NAN)).is_err()
    );
    let mut distances = LogitDistances::new(None).unwrap();
    distances.update(LogitRows::new(&[0.0, 1.0], 2).unwrap()).unwrap();
    let before = distances.clone();
    assert!(distances.update(LogitRows::new(&[0.0; 3], 3).unwrap()).is_err());
    let message = distances
        .update(LogitRows::new(&[0.0, 1.0, -1e308f64, 1e308], 2).unwrap())
        .unwrap_err()
        .to_string();
    assert!(message.contains("distance of two logits"), "{message}");
    let message = distances.merge(LogitDistances::new(Some(2.0)).unwrap()).unwrap_err().to_string();
    assert_eq!(message, "cannot merge metrics of different settings: margin is none and 2.0");
    assert_eq!(distances, before);
    let mut statistics = LogitStatistics::new(1.0).unwrap();
    statistics.update(LogitRows::new(&[0.0; 4], 2).unwrap()).unwrap();
    let before = statistics.clone();
    let message = statistics.update(LogitRows::new(&[0.0; 3], 3).unwrap()).unwrap_err().to_string();
    assert_eq!(message, "logits: expected 2 classes, as before, found 3 classes");
    let huge = [0.0, 1.0, 0.0, -1e30];
    let message = statistics.update(LogitRows::new(&huge, 2).unwrap()).unwrap_err().to_string();
    assert!(
        message.starts_with("logit -10000000") && message.contains("at row 1, class 1: expected"),
        "{message}"
    );
    let message = statistics.merge(LogitStatistics::new(2.0).unwrap()).unwrap_err().to_string();
    assert_eq!(message, "cannot merge metrics of different settings: margin is 1.0 and 2.0");
    assert_eq!(statistics, before);
}

#[test]
fn states_that_contradict_themselves_are_refused() {
    let mut metric = LogitStatistics::new(1.0).unwrap();
    metric.update(LogitRows::new(&[3.0, 2.0, 0.0], 3).unwrap()).unwrap();
    let state = serde_json::to_value(&metric).unwrap()["state"].clone();
    let with = |key: &str, value: serde_json::Value| {
        let mut state = state.clone();
        state[key] = value;
        refused::<LogitStatistics>("logit-statistics", state)
    };
    assert!(with("n", json!(0)).contains("non-zero fields without rows"));
    assert!(with("classes", json!(1)).contains("classes = 1"));
    assert!(
        with("beyond", json!(3)).contains("3 distances beyond the margin in 1 rows of 3 classes")
    );
    assert!(with("norm", json!("-1")).contains("distances with impossible sums"));
    assert!(
        with("gap", json!((4i128 << 60).to_string())).contains("distances with impossible sums")
    );
    assert!(with("margin", json!(-1.0)).contains("margin = -1"));

    let mut metric = LogitDistances::new(Some(1.5)).unwrap();
    metric.update(LogitRows::new(&[3.0, 2.0, 0.0, f32::NEG_INFINITY], 4).unwrap()).unwrap();
    let state = serde_json::to_value(&metric).unwrap()["state"].clone();
    let with = |key: &str, value: serde_json::Value| {
        let mut state = state.clone();
        state[key] = value;
        refused::<LogitDistances>("logit-distances", state)
    };
    assert!(with("beyond", json!(3)).contains("3 of 2 distances beyond the margin"));
    assert!(with("largest", json!(9.0)).contains("a largest distance of 9"));
    assert!(with("classes", json!(2)).contains("2 distances in 1 rows of 2 classes"));
    assert!(with("of_rows", json!([])).contains("2 distances in 0 rows"));
    assert!(with("all", json!([])).contains("non-zero fields without distances"));
    assert!(with("margin", json!(null)).contains("1 of 2 distances beyond the margin"));
    assert!(with("margin", json!(-1.0)).contains("margin = -1"));
    for wrong in [
        json!([[5, 1], [4, 1]]),
        json!([[4, 0]]),
        json!([[60000, 1]]),
        json!([[4, 1], [5, u64::MAX]]),
    ] {
        assert!(!with("all", wrong.clone()).is_empty(), "{wrong}");
    }

    let tail = |distances| {
        refused::<LogitDistanceTail>(
            "logit-distance-tail",
            json!({"share": 0.5, "distances": distances}),
        )
    };
    assert!(tail(json!([u64::MAX])).contains("expected a finite number"));
    // The keys of -0 and of -1.
    assert!(tail(json!([u64::MAX >> 1])).contains("expected a finite number"));
    assert!(tail(json!([!(-1f64).to_bits()])).contains("a distance of -1"));

    let probability = |key: &str, value: &str| {
        let mut state = json!({"n": 1, "confidence": "0", "entropy": "0", "kl": "0", "l1": "0"});
        state[key] = json!(value);
        refused::<ProbabilityStatistics>("probability-statistics", state)
    };
    assert!(probability("confidence", "1152921504606846977").contains("confidences of sum 1"));
    assert!(probability("entropy", "-1").contains("entropies of sum -"));
}
