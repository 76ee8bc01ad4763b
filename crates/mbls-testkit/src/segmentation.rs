//! The golden segmentation cases, `seg.json` and `seg.safetensors`: batches of logits and labels,
//! and the values that the published code computes from them.

use crate::golden;
use serde_json::Value;

/// The tolerance of a value, relative to the larger of 1 and its magnitude.
pub const TOLERANCE: f64 = 1e-6;

/// A batch of segmentations.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Logits `[N, C, H, W]`.
    pub logits: Vec<f32>,
    /// The shape of the logits.
    pub shape: [usize; 4],
    /// Labels `[N, H, W]`.
    pub labels: Vec<u32>,
}

/// Batches and their values.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name in the files.
    pub name: String,
    /// The values computed by the published code.
    pub values: Value,
    /// The batches, in order.
    pub batches: Vec<Batch>,
}

/// Returns the cases with values; the published code fails on the others.
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
    /// Reads the logits called `name` and the tensor `labels`.
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
    /// The number of bins of the calibration errors.
    pub fn bins(&self) -> usize {
        self.values["bins"].as_u64().expect("a number of bins") as usize
    }

    /// The ignored label.
    pub fn ignored(&self) -> i64 {
        self.values["ignore_index"].as_i64().expect("a label")
    }

    /// Panics unless a value is the expected one within [`TOLERANCE`].
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
