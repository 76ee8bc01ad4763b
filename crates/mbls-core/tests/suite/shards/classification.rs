use super::{batches, check, refused};
use mbls_core::metric::{
    Accuracy, BalancedAccuracy, Metric, PredictionMetric, Predictions, TopKAccuracy,
};
use proptest::prelude::*;
use serde_json::json;

/// Scored rows with the same number of classes; scores are integers, so ties are common.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) classes: usize,
    pub(crate) logits: Vec<f32>,
    pub(crate) labels: Vec<u32>,
}

impl Rows {
    pub(crate) fn select_logits(&self, rows: &[usize]) -> Vec<f32> {
        rows.iter()
            .flat_map(|&row| &self.logits[row * self.classes..][..self.classes])
            .copied()
            .collect()
    }

    pub(crate) fn select_labels(&self, rows: &[usize]) -> Vec<u32> {
        rows.iter().map(|&row| self.labels[row]).collect()
    }

    pub(crate) fn predictions(&self, rows: &[usize]) -> Predictions<'static> {
        Predictions::from_logits(&self.select_logits(rows), self.classes, &self.select_labels(rows))
            .unwrap()
            .into_owned()
    }

    pub(crate) fn all(&self) -> Predictions<'_> {
        Predictions::from_logits(&self.logits, self.classes, &self.labels).unwrap()
    }
}

pub(crate) fn rows(n: usize) -> impl Strategy<Value = Rows> {
    (2usize..7).prop_flat_map(move |classes| {
        let logits = prop::collection::vec((-4i8..4).prop_map(f32::from), n * classes);
        let labels = prop::collection::vec(0..classes as u32, n);
        (logits, labels).prop_map(move |(logits, labels)| Rows { classes, logits, labels })
    })
}

pub(crate) type Batches = (usize, Vec<Vec<usize>>);

/// Generates rows and their division into batches.
pub(crate) fn rows_in_batches() -> impl Strategy<Value = (Rows, Batches)> {
    batches(1usize..60).prop_flat_map(|batches| (rows(batches.0), Just(batches)))
}

fn value<M: PredictionMetric>(mut metric: M, input: &Predictions) -> M::Value {
    metric.update(input).unwrap();
    metric.value().unwrap()
}

proptest! {
    #[test]
    fn shards((rows, batches) in rows_in_batches(), k in 1u32..8) {
        check(TopKAccuracy::new(k).unwrap(), &batches, |m, b| m.update(&rows.predictions(b)).unwrap());
        check(BalancedAccuracy::new(), &batches, |m, b| m.update(&rows.predictions(b)).unwrap());
    }

    #[test]
    fn top_k_is_its_definition(rows in rows(20), k in 1u32..8) {
        let hit = |row: usize| {
            let scores = &rows.logits[row * rows.classes..][..rows.classes];
            let mut order: Vec<usize> = (0..rows.classes).collect();
            // The sort is stable: among ties the lower class stays first.
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            order.iter().take(k as usize).any(|&class| class as u32 == rows.labels[row])
        };
        let expected = (0..20).filter(|&row| hit(row)).count() as f64 / 20.0;
        let input = rows.all();
        prop_assert_eq!(value(TopKAccuracy::new(k).unwrap(), &input), expected);
        prop_assert_eq!(value(TopKAccuracy::new(1).unwrap(), &input), value(Accuracy::new(), &input));
        prop_assert_eq!(value(TopKAccuracy::new(rows.classes as u32).unwrap(), &input), 1.0);
    }

    #[test]
    fn balanced_accuracy_is_its_definition(rows in rows(20)) {
        let input = rows.all();
        let recall = |class: u32| {
            let of_class: Vec<usize> = (0..20).filter(|&row| rows.labels[row] == class).collect();
            let right = of_class.iter().filter(|&&row| input.predicted(row) == class).count();
            (!of_class.is_empty()).then(|| right as f64 / of_class.len() as f64)
        };
        let recalls: Vec<f64> = (0..rows.classes as u32).filter_map(recall).collect();
        let expected = recalls.iter().sum::<f64>() / recalls.len() as f64;
        let found = value(BalancedAccuracy::new(), &input);
        prop_assert!((found - expected).abs() < 1e-14 && (0.0..=1.0).contains(&found));
    }
}

#[test]
fn wrong_settings_and_shapes_are_named() {
    assert_eq!(TopKAccuracy::new(0).unwrap_err().to_string(), "k = 0: expected 1 or more");
    let message =
        TopKAccuracy::new(1).unwrap().merge(TopKAccuracy::new(5).unwrap()).unwrap_err().to_string();
    assert_eq!(message, "cannot merge metrics of different settings: k is 1 and 5");
    let of_classes = |classes| {
        Predictions::from_logits(&vec![0.0; classes], classes, &[0]).unwrap().into_owned()
    };
    let mut metric = BalancedAccuracy::new();
    metric.update(&of_classes(2)).unwrap();
    let before = metric.clone();
    let message = metric.update(&of_classes(3)).unwrap_err().to_string();
    assert_eq!(message, "predictions: expected 2 classes, as before, found 3 classes");
    let mut other = BalancedAccuracy::new();
    other.update(&of_classes(3)).unwrap();
    let message = metric.merge(other).unwrap_err().to_string();
    assert_eq!(message, "cannot merge metrics of different settings: classes is 2 and 3");
    assert_eq!(metric, before);
}

#[test]
fn states_that_contradict_themselves_are_refused() {
    let message = refused::<TopKAccuracy>("top-k-accuracy", json!({"k": 0, "n": 1, "hits": 0}));
    assert!(message.contains("k = 0"), "{message}");
    let message = refused::<TopKAccuracy>("top-k-accuracy", json!({"k": 1, "n": 1, "hits": 2}));
    assert!(message.contains("2 hits in 1 rows"), "{message}");
    let message = refused::<BalancedAccuracy>("balanced-accuracy", json!([{"n": 1, "correct": 2}]));
    assert!(message.contains("2 correct of 1 rows"), "{message}");
    let message = refused::<BalancedAccuracy>(
        "balanced-accuracy",
        json!([{"n": 0, "correct": 0}, {"n": 0, "correct": 0}]),
    );
    assert!(message.contains("0 rows of 2 classes"), "{message}");
    let full = json!([{"n": u64::MAX, "correct": 0}, {"n": u64::MAX, "correct": 0}]);
    let message = refused::<BalancedAccuracy>("balanced-accuracy", full);
    assert!(message.contains("rows of 2 classes"), "{message}");
}
