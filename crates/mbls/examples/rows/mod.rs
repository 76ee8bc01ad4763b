//! Reads the CSV files of logits that the examples share.

use std::error::Error;
use std::path::{Path, PathBuf};

/// The path of a file of `examples/data`.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data").join(name)
}

/// Returns the logits, row by row, and the labels of a file whose columns are `label, logit_0, ..`.
#[allow(dead_code)]
pub(crate) fn labelled(name: &str) -> Result<(Vec<f32>, Vec<u32>), Box<dyn Error>> {
    let text = std::fs::read_to_string(data(name))?;
    let (mut logits, mut labels) = (Vec::new(), Vec::new());
    for line in text.lines().skip(1) {
        let (label, row) = line.split_once(',').ok_or("a row has a label and logits")?;
        labels.push(label.parse()?);
        for value in row.split(',') {
            logits.push(value.parse()?);
        }
    }
    Ok((logits, labels))
}
