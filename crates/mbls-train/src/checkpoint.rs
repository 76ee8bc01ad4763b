//! Checkpoints: tensors and progress in one safetensors file, written atomically.
//!
//! Tensors are named `model.<parameter>`, `optimizer.<state>` and `ema.<state>`. `loss.state` is
//! the learnt state of the loss, if it has one. The safetensors header carries one metadata entry,
//! `mbls`, a JSON object with the [`Progress`]. There is one entry only, because the order of
//! several is random and a checkpoint's bytes must depend on its content alone.

use crate::{Error, Patience, Result};
use candle_core::{Device, Tensor};
use mbls_core::number;
use mbls_io::atomic;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The version of the layout that this program writes, and the only one that it reads.
pub const SCHEMA: u32 = 2;
const METADATA_KEY: &str = "mbls";
const MODEL: &str = "model.";
const OPTIMIZER: &str = "optimizer.";
const EMA: &str = "ema.";
const LOSS: &str = "loss.state";

/// The progress of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The version of the layout: [`SCHEMA`].
    pub schema: u32,
    /// Identifies the training, in the words of the program that runs it. A run only resumes from a
    /// checkpoint with the same identity.
    pub identity: String,
    /// Number of finished epochs.
    pub epochs: usize,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// The value of the schedule's metric after each epoch, `None` where it was undefined; empty if
    /// the schedule follows no metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "number::option::list")]
    pub metrics: Vec<Option<f64>>,
    /// The epochs without an improvement so far; `None` without early stopping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Patience>,
    /// The progress within the epoch after the finished ones; `None` between two epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Within>,
}

impl Progress {
    /// Reads the progress of the checkpoint at `path`, without its tensors.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be read, [`Error::Checkpoint`] if it is truncated or has
    /// another layout.
    pub fn read(path: &Path) -> Result<Self> {
        /// The header of a safetensors file, without the entries of the tensors.
        #[derive(Deserialize)]
        struct Header {
            #[serde(rename = "__metadata__", default)]
            metadata: HashMap<String, String>,
        }
        const SIZE: u64 = 8;
        let wrong = |found: String| wrong(path, "content", "a safetensors file", found);
        let io = mbls_io::Error::io("read", path);
        let read = || -> std::io::Result<(u64, Vec<u8>)> {
            let mut file = File::open(path)?;
            let length = file.metadata()?.len();
            let mut size = [0; SIZE as usize];
            let read = file.by_ref().take(SIZE).read(&mut size)?;
            let size = u64::from_le_bytes(size);
            let mut header = Vec::new();
            if read == SIZE as usize && size <= length - SIZE {
                file.take(size).read_to_end(&mut header)?;
            }
            Ok((length, header))
        };
        let (length, header) = read().map_err(io)?;
        if header.is_empty() {
            return Err(wrong(format!("{length} bytes without a whole header")));
        }
        let header: Header = serde_json::from_slice(&header).map_err(|e| wrong(e.to_string()))?;
        Self::of_metadata(path, header.metadata.get(METADATA_KEY))
    }

    /// Parses the progress from the entry of a header.
    fn of_metadata(path: &Path, entry: Option<&String>) -> Result<Self> {
        let Some(entry) = entry else {
            return Err(wrong(path, "metadata", "an entry \"mbls\"", "none"));
        };
        let progress: Self = serde_json::from_str(entry)
            .map_err(|e| wrong(path, "metadata \"mbls\"", "a run's progress", e.to_string()))?;
        if progress.schema != SCHEMA {
            return Err(wrong(path, "schema", SCHEMA.to_string(), progress.schema.to_string()));
        }
        Ok(progress)
    }
}

/// Returns the error for a file that is not a checkpoint of this run.
fn wrong(
    path: &Path,
    field: &'static str,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Error {
    Error::Checkpoint {
        path: path.to_owned(),
        field,
        expected: expected.into(),
        found: found.into(),
    }
}

/// The progress within an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Within {
    /// Number of steps done, that is, of batches taken from the loader.
    pub step: usize,
    /// Number of these steps that were skipped because no label of their batch counts.
    pub steps_without_loss: usize,
    /// The sums of the losses and loss terms of the other steps.
    #[serde(with = "number::by_name")]
    pub sums: BTreeMap<String, f64>,
    /// The largest gradient norm before clipping.
    pub gradient_norm: f64,
    /// The position in the sequence of dropout masks.
    pub dropout: u64,
    /// The wall time of these steps.
    pub seconds: f64,
}

/// The epoch with the best validation score; of ties, the last.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The number, from 0.
    pub epoch: usize,
    /// The score; `None` where it is undefined.
    #[serde(with = "number::option")]
    pub score: Option<f64>,
}

impl Best {
    /// Returns whether an epoch with this score replaces this one. Of ties the last epoch is kept,
    /// and an undefined score is always replaced.
    pub(crate) fn yields_to(self, score: Option<f64>) -> bool {
        self.score.is_none_or(|best| score.is_some_and(|score| score >= best))
    }
}

/// The state of a run between two steps.
#[derive(Debug)]
pub struct Checkpoint {
    /// The progress of the run.
    pub progress: Progress,
    /// Parameters and buffers by name.
    pub model: BTreeMap<String, Tensor>,
    /// The optimizer's state by name; empty in a checkpoint that is only evaluated.
    pub optimizer: BTreeMap<String, Tensor>,
    /// The state of the weight average by name; empty if the training keeps none, and if the
    /// checkpoint is only evaluated.
    pub ema: BTreeMap<String, Tensor>,
    /// The learnt state of the loss; empty if it learns nothing, and if the checkpoint is only
    /// evaluated.
    pub loss: Vec<f64>,
}

impl Checkpoint {
    /// Creates a checkpoint that is only evaluated.
    pub(crate) fn of_model(progress: Progress, model: BTreeMap<String, Tensor>) -> Self {
        Self { progress, model, optimizer: BTreeMap::new(), ema: BTreeMap::new(), loss: Vec::new() }
    }

    /// Writes the checkpoint to `path` atomically.
    ///
    /// # Errors
    ///
    /// [`Error::Nn`] if the file cannot be written; a previous file remains intact.
    pub fn save(&self, path: &Path) -> Result<()> {
        let progress = serde_json::to_string(&self.progress)
            .map_err(|source| Error::Encode { what: "a checkpoint's progress", source })?;
        let prefixed = |prefix: &'static str, tensors: &BTreeMap<String, Tensor>| {
            tensors
                .iter()
                .map(|(name, tensor)| (format!("{prefix}{name}"), tensor.clone()))
                .collect::<Vec<_>>()
        };
        let mut tensors = prefixed(MODEL, &self.model);
        tensors.extend(prefixed(OPTIMIZER, &self.optimizer));
        tensors.extend(prefixed(EMA, &self.ema));
        if !self.loss.is_empty() {
            tensors.push((LOSS.to_owned(), Tensor::new(self.loss.as_slice(), &Device::Cpu)?));
        }
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), progress)]);
        let bytes = safetensors::serialize(
            tensors.iter().map(|(name, tensor)| (name, tensor)),
            Some(metadata),
        )
        .map_err(candle_core::Error::from)?;
        Ok(atomic::write(path, &bytes)?)
    }

    /// Reads the checkpoint at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file cannot be read; [`Error::Checkpoint`] if it is truncated, has
    /// another layout, or belongs to another training than `identity`.
    pub fn load(path: &Path, identity: &str, device: &Device) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(mbls_io::Error::io("read", path))?;
        let wrong = |field, expected: &str, found: String| wrong(path, field, expected, found);
        let not_safetensors =
            |e: safetensors::SafeTensorError| wrong("content", "a safetensors file", e.to_string());
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(not_safetensors)?;
        let entry = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA_KEY));
        let progress = Progress::of_metadata(path, entry)?;
        if progress.identity != identity {
            return Err(wrong("identity", identity, progress.identity));
        }
        let file = SafeTensors::deserialize(&bytes).map_err(not_safetensors)?;
        let mut checkpoint = Self::of_model(progress, BTreeMap::new());
        for (name, view) in file.iter() {
            use candle_core::safetensors::Load;
            if name == LOSS {
                let state = view.load(&Device::Cpu)?;
                let numbers = "a list of f64";
                checkpoint.loss =
                    state.to_vec1().map_err(|e| wrong(LOSS, numbers, e.to_string()))?;
                continue;
            }
            let parts = [
                (MODEL, &mut checkpoint.model),
                (OPTIMIZER, &mut checkpoint.optimizer),
                (EMA, &mut checkpoint.ema),
            ];
            let part = parts
                .into_iter()
                .find_map(|(prefix, part)| Some((name.strip_prefix(prefix)?, part)));
            let Some((name, part)) = part else {
                let expected = format!(
                    "{LOSS} and names that begin with {}",
                    [MODEL, OPTIMIZER, EMA].join(", ")
                );
                return Err(wrong("tensors", &expected, name.to_owned()));
            };
            part.insert(name.to_owned(), view.load(device)?);
        }
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undefined_score_is_not_the_best() {
        let best = |score| Best { epoch: 0, score };
        let yields = |score, other| best(score).yields_to(other);
        assert!(
            yields(Some(0.5), Some(0.5))
                && yields(Some(0.5), Some(0.6))
                && !yields(Some(0.5), Some(0.4))
        );
        assert!(yields(None, Some(-1.0)) && yields(None, None) && !yields(Some(0.5), None));
    }

    #[test]
    fn infinite_and_undefined_metrics_survive() {
        let metrics = vec![
            Some(0.1),
            None,
            Some(f64::INFINITY),
            Some(f64::NEG_INFINITY),
            Some(2.0),
            Some(-1e-300),
        ];
        let best = Some(Best { epoch: 0, score: None });
        let sums = BTreeMap::from([("loss".to_owned(), 0.1)]);
        let within = Within {
            step: 3,
            sums,
            gradient_norm: 0.7,
            dropout: u64::MAX,
            seconds: 0.3,
            steps_without_loss: 1,
        };
        let identity = "a".to_owned();
        let patience = Some(Patience { best: Some(f64::INFINITY), epochs: 2 });
        let progress = Progress {
            schema: SCHEMA,
            identity,
            epochs: 6,
            best,
            metrics,
            patience,
            within: Some(within),
        };
        let json = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&json).unwrap(), progress);
        // As in checkpoints of earlier versions.
        let earlier = Progress { patience: None, ..progress };
        assert!(!serde_json::to_string(&earlier).unwrap().contains("patience"));
        let error = serde_json::from_str::<Progress>(&json.replace("-inf", "much"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"much\""), "{error}");
    }

    #[test]
    fn the_state_of_a_loss_is_restored_bit_identically() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        let progress = Progress {
            schema: SCHEMA,
            identity: "a".to_owned(),
            epochs: 1,
            best: None,
            metrics: Vec::new(),
            patience: None,
            within: None,
        };
        let learnt = vec![0.1, 1e-6, -3.5, f64::MIN_POSITIVE];
        let checkpoint =
            Checkpoint { loss: learnt.clone(), ..Checkpoint::of_model(progress, BTreeMap::new()) };
        checkpoint.save(&path).unwrap();
        assert_eq!(Checkpoint::load(&path, "a", &Device::Cpu).unwrap().loss, learnt);
        assert_eq!(Progress::read(&path).unwrap(), checkpoint.progress);
        // The bytes depend on the content alone.
        let bytes = std::fs::read(&path).unwrap();
        checkpoint.save(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn a_truncated_header_or_that_of_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        let header = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
        for (bytes, part) in [
            (Vec::new(), "found 0 bytes without a whole header"),
            (vec![9, 0, 0, 0, 0, 0, 0, 0, b'{'], "found 9 bytes without a whole header"),
            (u64::MAX.to_le_bytes().to_vec(), "found 8 bytes without a whole header"),
            (header("no JSON"), "expected a safetensors file"),
            (header("{}"), "expected an entry \"mbls\", found none"),
            (header(r#"{"__metadata__":{"mbls":"{}"}}"#), "expected a run's progress"),
            (
                header(
                    r#"{"__metadata__":{"mbls":"{\"schema\":1,\"identity\":\"a\",\"epochs\":0,\"best\":null}"}}"#,
                ),
                "schema: expected 2, found 1",
            ),
        ] {
            std::fs::write(&path, &bytes).unwrap();
            let error = Progress::read(&path).unwrap_err().to_string();
            assert!(error.contains("last.safetensors") && error.contains(part), "{error}");
        }
        assert!(matches!(Progress::read(&folder.path().join("none")), Err(Error::File(_))));
    }
}
