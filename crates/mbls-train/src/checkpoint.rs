//! Checkpoints: tensors and progress in one safetensors file, written whole or not at all.
//!
//! Tensors are named `model.<parameter>`, `optimizer.<state>` and `ema.<state>`. The safetensors header carries one metadata entry, `mbls`, a
//! JSON object with the [`Progress`]. One entry, because the order of several is random and a checkpoint's bytes must depend on
//! its content alone.

use crate::{Error, Result};
use candle_core::{Device, Tensor};
use mbls_core::number;
use mbls_io::atomic;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The version of the layout that this program writes, and the only one it reads.
pub const SCHEMA: u32 = 1;
const METADATA_KEY: &str = "mbls";
const MODEL: &str = "model.";
const OPTIMIZER: &str = "optimizer.";
const EMA: &str = "ema.";

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The layout's version: [`SCHEMA`].
    pub schema: u32,
    /// What is trained, in the words of the program that trains it; a run only resumes from a checkpoint of its own.
    pub identity: String,
    /// Number of finished epochs.
    pub epochs: usize,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// What the schedule's metric was after each epoch; empty where the schedule follows none.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "number::or_null::list")]
    pub metrics: Vec<f64>,
}

/// The epoch with the best validation score, the last of equals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its number, from 0.
    pub epoch: usize,
    /// Its score.
    #[serde(with = "number::or_null")]
    pub score: f64,
}

impl Best {
    /// Whether an epoch of that score takes its place: the last of equals does, and a score that is no number never stands.
    pub(crate) fn yields_to(self, score: f64) -> bool {
        score >= self.score || self.score.is_nan()
    }
}

/// A run's state between two epochs.
#[derive(Debug)]
pub struct Checkpoint {
    /// How far the run has come.
    pub progress: Progress,
    /// Parameters and buffers by name.
    pub model: BTreeMap<String, Tensor>,
    /// The optimizer's state by name; empty in a checkpoint that is only evaluated.
    pub optimizer: BTreeMap<String, Tensor>,
    /// The state of the weights' average by name; empty where the training keeps none, and where the checkpoint is only evaluated.
    pub ema: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// A checkpoint that is only evaluated.
    pub(crate) fn of_model(progress: Progress, model: BTreeMap<String, Tensor>) -> Self {
        Self { progress, model, optimizer: BTreeMap::new(), ema: BTreeMap::new() }
    }

    /// Writes the checkpoint to `path`, atomically.
    ///
    /// # Errors
    ///
    /// [`Error::Nn`] where the file cannot be written; what was there before is intact.
    pub fn save(&self, path: &Path) -> Result<()> {
        let progress = serde_json::to_string(&self.progress)
            .map_err(|source| Error::Encode { what: "a checkpoint's progress", source })?;
        let prefixed = |prefix: &'static str, tensors: &BTreeMap<String, Tensor>| {
            tensors.iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor.clone())).collect::<Vec<_>>()
        };
        let mut tensors = prefixed(MODEL, &self.model);
        tensors.extend(prefixed(OPTIMIZER, &self.optimizer));
        tensors.extend(prefixed(EMA, &self.ema));
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), progress)]);
        let bytes = safetensors::serialize(tensors.iter().map(|(name, tensor)| (name, tensor)), Some(metadata))
            .map_err(candle_core::Error::from)?;
        Ok(atomic::write(path, &bytes)?)
    }

    /// Reads the checkpoint at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::File`] where the file cannot be read, [`Error::Checkpoint`] where it is cut off, of another layout, or of
    /// another training than `identity` names.
    pub fn load(path: &Path, identity: &str, device: &Device) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(mbls_io::Error::io("read", path))?;
        let wrong = |field, expected: &str, found: String| Error::Checkpoint {
            path: path.to_owned(),
            field,
            expected: expected.to_owned(),
            found,
        };
        let not_safetensors = |e: safetensors::SafeTensorError| wrong("content", "a safetensors file", e.to_string());
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(not_safetensors)?;
        let metadata = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA_KEY));
        let Some(metadata) = metadata else {
            return Err(wrong("metadata", "an entry \"mbls\"", "none".to_owned()));
        };
        let progress: Progress = serde_json::from_str(metadata)
            .map_err(|e| wrong("metadata \"mbls\"", "a run's progress", e.to_string()))?;
        if progress.schema != SCHEMA {
            return Err(wrong("schema", &SCHEMA.to_string(), progress.schema.to_string()));
        }
        if progress.identity != identity {
            return Err(wrong("identity", identity, progress.identity));
        }
        let file = SafeTensors::deserialize(&bytes).map_err(not_safetensors)?;
        let mut checkpoint = Self::of_model(progress, BTreeMap::new());
        for (name, view) in file.iter() {
            let parts =
                [(MODEL, &mut checkpoint.model), (OPTIMIZER, &mut checkpoint.optimizer), (EMA, &mut checkpoint.ema)];
            let part = parts.into_iter().find_map(|(prefix, part)| Some((name.strip_prefix(prefix)?, part)));
            let Some((name, part)) = part else {
                let expected = format!("names that begin with one of {}", [MODEL, OPTIMIZER, EMA].join(", "));
                return Err(wrong("tensors", &expected, name.to_owned()));
            };
            use candle_core::safetensors::Load;
            part.insert(name.to_owned(), view.load(device)?);
        }
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_that_is_no_number_is_not_the_best() {
        let best = |score| Best { epoch: 0, score };
        assert!(best(0.5).yields_to(0.5) && best(0.5).yields_to(0.6) && !best(0.5).yields_to(0.4));
        assert!(best(f64::NAN).yields_to(-1.0) && !best(0.5).yields_to(f64::NAN));
    }

    #[test]
    fn metrics_that_are_no_numbers_survive() {
        let metrics = vec![0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0, -1e-300];
        let best = Some(Best { epoch: 0, score: f64::NAN });
        let progress = Progress { schema: SCHEMA, identity: "a".to_owned(), epochs: 6, best, metrics };
        let json = serde_json::to_string(&progress).unwrap();
        let read: Progress = serde_json::from_str(&json).unwrap();
        let bits = |progress: &Progress| progress.metrics.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read), bits(&progress));
        assert!(read.best.is_some_and(|best| best.epoch == 0 && best.score.is_nan()));
        let error = serde_json::from_str::<Progress>(&json.replace("-inf", "much")).unwrap_err().to_string();
        assert!(error.contains("expected a number, found \"much\""), "{error}");
    }
}
