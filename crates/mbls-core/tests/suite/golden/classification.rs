//! Compares top-k accuracy, balanced accuracy and the statistics of logits and probabilities with
//! the golden values of the published PyTorch code.
//!
//! The published code ranks by an f32 softmax. Among ties, its top-k puts the higher class first,
//! its predictions the lower class. Top-k values are therefore compared on classes in reverse
//! order, for which both rules agree.

use mbls_core::metric::{
    BalancedAccuracy, LogitRows, LogitStatistics, Metric, Predictions, ProbabilityStatistics,
    TopKAccuracy,
};
use mbls_testkit::golden;
use serde_json::Value;

struct Case {
    name: String,
    values: Value,
    logits: Vec<f32>,
    probs: Vec<f32>,
    labels: Vec<u32>,
    classes: usize,
}

/// Returns the cases with values of an evaluator: scikit-learn rejects labels that do not cover all
/// classes.
fn cases(evaluator: &str) -> Vec<Case> {
    let (json, tensors) = (golden::json("metrics.json"), golden::tensors("metrics.safetensors"));
    let cases = json["cases"].as_object().unwrap().iter().filter_map(|(name, values)| {
        let values = &values[evaluator];
        if values.get("error").is_some() {
            return None;
        }
        let logits = &tensors[&format!("{name}/logits")];
        let classes = logits.dims()[1];
        let labels: Vec<i64> = tensors[&format!("{name}/labels")].to_vec1().unwrap();
        let labels: Vec<u32> = labels.into_iter().map(|label| label.try_into().unwrap()).collect();
        let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
        let exact = Predictions::from_logits(&logits, classes, &labels).unwrap();
        let probs = (0..exact.rows()).flat_map(|row| exact.probs(row)).map(|&p| p as f32).collect();
        Some(Case { name: name.clone(), values: values.clone(), logits, probs, labels, classes })
    });
    let cases: Vec<Case> = cases.collect();
    assert!(!cases.is_empty());
    cases
}

impl Case {
    fn input(&self) -> Predictions<'_> {
        Predictions::from_probs(&self.probs, self.classes, &self.labels).unwrap()
    }

    fn in_reverse(&self) -> Predictions<'static> {
        let probs: Vec<f32> =
            self.probs.chunks(self.classes).flat_map(|row| row.iter().rev()).copied().collect();
        let labels: Vec<u32> =
            self.labels.iter().map(|label| self.classes as u32 - 1 - label).collect();
        Predictions::from_probs(&probs, self.classes, &labels).unwrap().into_owned()
    }

    /// Returns the fraction of rows in which another score is equal to the label's, or so close
    /// that an f32 softmax may order them differently.
    fn share(&self, meets: impl Fn(f32, f32) -> bool) -> f64 {
        let of_row = |(row, &label): (&[f32], &u32)| {
            let mine = row[label as usize];
            row.iter().enumerate().any(|(k, &p)| k != label as usize && meets(p, mine))
        };
        let rows = self.probs.chunks(self.classes).zip(&self.labels);
        rows.filter(|&row| of_row(row)).count() as f64 / self.labels.len() as f64
    }
}

#[test]
fn top_k_accuracy() {
    for case in cases("classification_evaluator") {
        let close = case.share(|p, mine| p != mine && (p - mine).abs() <= 1e-6 * mine);
        let tied = case.share(|p, mine| p == mine);
        for (key, expected) in case.values.as_object().unwrap() {
            let k = match key.strip_prefix("acc") {
                Some("") => 1,
                Some(k) => k[1..].parse().unwrap(),
                None => continue,
            };
            let expected = expected.as_f64().unwrap();
            let value = |input: &Predictions| {
                let mut metric = TopKAccuracy::new(k).unwrap();
                metric.update(input).unwrap();
                metric.value().unwrap()
            };
            let found = value(&case.in_reverse());
            assert!(
                (found - expected).abs() <= close + 1e-12,
                "{}: {key} is {found}, not {expected}",
                case.name
            );
            let found = value(&case.input());
            assert!(
                (found - expected).abs() <= close + tied + 1e-12,
                "{}: {key} is {found}",
                case.name
            );
        }
    }
}

#[test]
fn balanced_accuracy() {
    for case in cases("classification_evaluator") {
        let (mut metric, input) = (BalancedAccuracy::new(), case.input());
        metric.update(&input).unwrap();
        let (found, expected) = (metric.value().unwrap(), case.values["macc"].as_f64().unwrap());
        assert!((found - expected).abs() <= 1e-12, "{}: {found}, expected {expected}", case.name);
        assert_eq!(
            metric.recalls().flatten().count(),
            case.classes,
            "{}: every class occurs",
            case.name
        );
    }
}

fn close(case: &Case, key: &str, found: f64) {
    let expected = case.values[key].as_f64().unwrap();
    let tolerance = 1e-6 + 1e-5 * expected.abs();
    assert!(
        (found - expected).abs() <= tolerance,
        "{}: {key} is {found}, expected {expected}",
        case.name
    );
}

#[test]
fn statistics_of_logits() {
    for case in cases("logits_evaluator") {
        let mut metric = LogitStatistics::new(10.0).unwrap();
        metric.update(LogitRows::new(&case.logits, case.classes).unwrap()).unwrap();
        let report = metric.value().unwrap();
        close(&case, "mean_diffs", report.mean_distance);
        close(&case, "max_diffs", report.max_distance);
        close(&case, "margin", report.top_two_gap);
    }
}

#[test]
fn statistics_of_probabilities() {
    for case in cases("probs_evaluator") {
        let (mut metric, input) = (ProbabilityStatistics::new(), case.input());
        metric.update(input.unlabelled()).unwrap();
        let report = metric.value().unwrap();
        close(&case, "max_prob", report.confidence);
        close(&case, "kl_div", report.kl_from_uniform);
        close(&case, "l1_div", report.l1_from_uniform);
        // Probabilities sum to 1, so their mean carries no information about the model and is not
        // part of the report.
        close(&case, "mean_prob", 1.0 / case.classes as f64);
    }
}
