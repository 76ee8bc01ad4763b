//! The golden cases of segmentations, `seg.json` and `seg.safetensors`: batches of logits and
//! labels, and what the published code computes of them.

use crate::golden;
use serde_json::Value;

/// Of a value, relative to the larger of 1 and itself.
pub const TOLERANCE: f64 = 1e-6;

/// A batch of segmentations.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Logits `[N, C, H, W]`.
    pub logits: Vec<f32>,
    /// Their shape.
    pub shape: [usize; 4],
    /// Labels `[N, H, W]`.
    pub labels: Vec<u32>,
}

/// Batches and their values.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the files.
    pub name: String,
    /// What the published code computes.
    pub values: Value,
    /// The batches, in their order.
    pub batches: Vec<Batch>,
}

/// The cases with values; the others hold what the published code fails on.
pub fn cases() -> Vec<Case> {
    let json = golden::json("seg.json");
    let cases = json["cases"].as_object().expect("an object of cases").iter().filter_map(
        |(name, values)| {
            let batches = 0..values["batches"].as_u64()?;
            let batch = |b| Batch::read(&format!("{name}/b{b}"), &format!("{name}/b{b}/labels"));
            Some(Case {
                name: name.clone(),
                values: values.clone(),
                batches: batches.map(batch).collect(),
            })
        },
    );
    let cases: Vec<Case> = cases.collect();
    assert!(!cases.is_empty());
    cases
}

impl Batch {
    /// The logits called `name`, and the tensor `labels`.
    pub fn read(name: &str, labels: &str) -> Self {
        let tensors = golden::tensors("seg.safetensors");
        let (logits, labels) = (&tensors[&format!("{name}/logits")], &tensors[labels]);
        let (n, classes, height, width) = logits.dims4().expect("logits [N, C, H, W]");
        let logits =
            logits.flatten_all().and_then(|logits| logits.to_vec1()).expect("logits in f32");
        let labels: Vec<i64> =
            labels.flatten_all().and_then(|labels| labels.to_vec1()).expect("labels in i64");
        let labels = labels.into_iter().map(|label| label.try_into().expect("a label")).collect();
        Self { logits, shape: [n, classes, height, width], labels }
    }
}

impl Case {
    /// The number of bins of its calibration errors.
    pub fn bins(&self) -> usize {
        self.values["bins"].as_u64().expect("a number of bins") as usize
    }

    /// The label that does not count.
    pub fn ignored(&self) -> i64 {
        self.values["ignore_index"].as_i64().expect("a label")
    }

    /// Panics where a value is not the expected one within [`TOLERANCE`].
    pub fn check(&self, what: &str, found: f64, expected: &Value) {
        let expected = expected.as_f64().unwrap_or_else(|| panic!("{}: {what}", self.name));
        let tolerance = TOLERANCE * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() <= tolerance,
            "{}: {what} is {found}, expected {expected}",
            self.name
        );
    }
}
