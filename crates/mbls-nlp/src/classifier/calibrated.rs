//! Networks that classify texts, with what calibrates them.

use super::weights::{self, WORDS, other};
use super::{Classification, ClassifierSettings};
use crate::model::TextClassifier;
use crate::text::{Tokenizer, pad};
use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};
use candle_nn::ModuleT;
use mbls_core::metric::{Metric, Reliability, ReliabilityBin};
use std::collections::BTreeMap;

/// The most texts that are computed at once.
const BATCH: usize = 32;
/// The most numbers that a layer makes of a batch, unless one text takes more: 128 MiB.
const BATCH_NUMBERS: usize = 1 << 25;

/// A trained network that classifies texts, with what calibrates it and what test data say of its confidences.
///
/// It computes in `f32`, whatever it was trained in; see [the module](super) for an example and for its files.
#[derive(Debug)]
pub struct CalibratedClassifier {
    pub(super) settings: ClassifierSettings,
    pub(super) tensors: BTreeMap<String, Tensor>,
    model: TextClassifier,
    device: Device,
    reliability: Reliability,
}

impl CalibratedClassifier {
    /// A classifier of the word vectors `words`, `[V, D]`, and the tensors of a network by its names, as
    /// [`ParamStore::state`](mbls_nn::ParamStore::state) gives them. `weights` may have the vectors too, as `embedding.weight`: `words` counts. All
    /// are copied, so that further training changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for settings that are not [valid](ClassifierSettings::validate), and for tensors that are missing, unexpected, of another shape,
    /// or not finite.
    pub fn new(
        settings: ClassifierSettings,
        words: &Tensor,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let own = |tensor: &Tensor| tensor.detach().to_dtype(DType::F32)?.to_device(device)?.copy();
        let mut tensors = BTreeMap::from([(WORDS.to_owned(), own(words).map_err(other)?)]);
        for (name, tensor) in weights.iter().filter(|(name, _)| *name != WORDS) {
            tensors.insert(name.clone(), own(tensor).map_err(other)?);
        }
        settings.validate()?;
        Self::of_tensors(settings, tensors, device)
    }

    /// Of settings that are valid, and of tensors in `f32` on the device.
    pub(super) fn of_tensors(
        settings: ClassifierSettings,
        tensors: BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let model = weights::network(&settings, &tensors, device)?;
        let reliability = settings.reliability.value();
        let reliability = reliability.ok_or_else(|| Error::value("settings.reliability", "at least 1 text", 0))?;
        Ok(Self { settings, tensors, model, device: device.clone(), reliability })
    }

    /// What it is besides its tensors.
    pub fn settings(&self) -> &ClassifierSettings {
        &self.settings
    }

    /// What test data say of its confidences.
    pub fn reliability(&self) -> &Reliability {
        &self.reliability
    }

    /// Classifies a text.
    ///
    /// Words that it does not know are left out, as in training. A text of no known word is classified on padding alone, and
    /// [`known_words`](Classification::known_words) is 0.
    ///
    /// # Errors
    ///
    /// What the device reports; [`Error::Other`] where the logits are not finite.
    pub fn classify(&self, text: &str) -> Result<Classification> {
        Ok(self.classify_batch(&[text])?.remove(0))
    }

    /// Classifies texts, in their order; as [`classify`](Self::classify), but for rounding, with up to 32 of them computed at once.
    ///
    /// # Errors
    ///
    /// Those of [`classify`](Self::classify).
    pub fn classify_all<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Classification>> {
        let numbers = self.settings.length.saturating_mul(self.settings.network.widest());
        let batch = (BATCH_NUMBERS / numbers).clamp(1, BATCH);
        let mut all = Vec::with_capacity(texts.len());
        for texts in texts.chunks(batch) {
            all.extend(self.classify_batch(texts)?);
        }
        Ok(all)
    }

    fn classify_batch<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Classification>> {
        let ClassifierSettings { classes, tokenizer, length, calibration, .. } = &self.settings;
        let ids = tokenizer.encode_all(texts)?;
        let mut rows = vec![0; texts.len() * length];
        for (row, ids) in rows.chunks_exact_mut(*length).zip(&ids) {
            pad(ids, tokenizer.padding(), row);
        }
        let logits = self.logits(rows, texts.len()).map_err(other)?;
        // The probabilities are computed as those that the bins were counted from.
        let rows = calibration.apply_unlabelled(&logits, classes.len()).map_err(|e| Error::Other(e.into()))?;
        let one = |(row, (text, ids)): (usize, (&T, &Vec<u32>))| {
            let (class, confidence) = (rows.predicted(row) as usize, rows.confidence(row));
            let mut words = 0;
            tokenizer.rule().each(text.as_ref(), |_| words += 1);
            Classification {
                class,
                name: classes[class].clone(),
                confidence,
                probabilities: rows.probs(row).to_vec(),
                bin: self.bin(confidence).clone(),
                words,
                known_words: ids.len(),
            }
        };
        Ok(texts.iter().zip(&ids).enumerate().map(one).collect())
    }

    fn logits(&self, rows: Vec<u32>, texts: usize) -> candle_core::Result<Vec<f32>> {
        let rows = Tensor::from_vec(rows, (texts, self.settings.length), &self.device)?;
        self.model.forward_t(&rows, false)?.flatten_all()?.to_vec1()
    }

    /// The bin of a confidence: bins are open below and closed above.
    fn bin(&self, confidence: f64) -> &ReliabilityBin {
        let bins = &self.reliability.bins;
        // There is at least one bin, and the last ends at 1.
        &bins[bins.partition_point(|bin| bin.upper < confidence).min(bins.len() - 1)]
    }
}
