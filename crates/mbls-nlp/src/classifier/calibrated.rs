//! Text classifiers with their calibration.

use super::{ClassifierSettings, TextClassification};
use crate::model::{Options, TextClassifier, WordTable};
use crate::text::{Tokenizer, pad};
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_core::calibration::CalibratorRole;
use mbls_nn::saved_model::SavedModel;
use std::collections::BTreeMap;
use std::path::Path;

/// Name of the tensor of word vectors.
const WORDS: &str = "embedding.weight";
/// Largest number of activations of a layer per batch (1 GiB), unless a single text needs more.
const BATCH_NUMBERS: usize = 1 << 28;

/// A trained text classifier with its calibrator and the assessment of its confidences on test
/// data.
///
/// It computes in `f32`, whatever the data type of training. See [the module](super) for an example
/// and for its files.
#[derive(Debug)]
pub struct CalibratedClassifier(SavedModel<ClassifierSettings, TextClassifier>);

impl CalibratedClassifier {
    /// Creates a classifier from the word vectors `words` `[V, D]` and the named tensors of a
    /// network, as returned by [`ParamStore::state`](mbls_nn::ParamStore::state). `words` overrides
    /// a tensor `embedding.weight` in `weights`. All tensors are copied, so further training does
    /// not change the classifier.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for settings that are not
    /// [valid](mbls_nn::saved_model::ModelSettings::validate), and for tensors that are missing,
    /// unexpected, of another shape, or not finite.
    pub fn new(
        settings: ClassifierSettings,
        words: &Tensor,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let mut tensors = weights.clone();
        tensors.insert(WORDS.to_owned(), words.clone());
        SavedModel::new(settings, &tensors, device, build)
            .map(Self)
            .map_err(mbls_nn::Error::pass_on)
    }

    /// Saves the classifier in `folder`, see [`SavedModel::save`].
    ///
    /// # Errors
    ///
    /// An error if a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        self.0.save(folder.as_ref()).map_err(mbls_nn::Error::pass_on)
    }

    /// Loads the classifier in `folder` onto `device`.
    ///
    /// # Errors
    ///
    /// The errors of [`SavedModel::load`].
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self> {
        SavedModel::load(folder.as_ref(), device, build).map(Self).map_err(mbls_nn::Error::pass_on)
    }

    /// Returns the settings.
    pub fn settings(&self) -> &ClassifierSettings {
        self.0.settings()
    }

    /// Returns the tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        self.0.tensors()
    }

    /// Classifies a text.
    ///
    /// Unknown words are dropped, as in training. The network input for a text without known words
    /// is only padding, and [`known_words`](TextClassification::known_words) is 0.
    ///
    /// # Errors
    ///
    /// Errors of the device; [`Error::Other`] if the logits are not finite.
    pub fn classify(&self, text: &str) -> Result<TextClassification> {
        Ok(self.classify_batch(&[text], CalibratorRole::Temperature)?.remove(0))
    }

    /// Classifies texts, in their order, in batches of up to [`batch`](ClassifierSettings::batch)
    /// texts and with either calibrator of the [record](mbls_core::calibration::CalibrationRecord).
    /// Up to rounding, the results are those of [`classify`](Self::classify).
    ///
    /// # Errors
    ///
    /// The errors of [`classify`](Self::classify).
    pub fn classify_all<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        role: CalibratorRole,
    ) -> Result<Vec<TextClassification>> {
        let numbers = self.settings().length.saturating_mul(self.settings().network.widest());
        let batch = (BATCH_NUMBERS / numbers).clamp(1, self.settings().batch);
        let mut all = Vec::with_capacity(texts.len());
        for texts in texts.chunks(batch) {
            all.extend(self.classify_batch(texts, role)?);
        }
        Ok(all)
    }

    fn classify_batch<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        role: CalibratorRole,
    ) -> Result<Vec<TextClassification>> {
        let ClassifierSettings { tokenizer, length, record, .. } = self.settings();
        let ids = tokenizer.encode_all(texts)?;
        let mut rows = vec![0; texts.len() * length];
        for (row, ids) in rows.chunks_exact_mut(*length).zip(&ids) {
            pad(ids, tokenizer.padding(), row);
        }
        let logits = self.logits(rows, texts.len()).map_err(|e| Error::Other(e.into()))?;
        let answers = record.classify(&logits, role).map_err(|e| Error::Other(e.into()))?;
        let with_words = |((text, ids), answer): ((&T, &Vec<u32>), _)| {
            let mut words = 0;
            tokenizer.rule().each(text.as_ref(), |_| words += 1);
            TextClassification { answer, words, known_words: ids.len() }
        };
        Ok(texts.iter().zip(&ids).zip(answers).map(with_words).collect())
    }

    fn logits(&self, rows: Vec<u32>, texts: usize) -> candle_core::Result<Vec<f32>> {
        let rows = Tensor::from_vec(rows, (texts, self.settings().length), self.0.device())?;
        self.0.network().forward_t(&rows, false)?.flatten_all()?.to_vec1()
    }
}

fn build(settings: &ClassifierSettings, vb: VarBuilder) -> mbls_nn::Result<TextClassifier> {
    let words = vb.get((settings.tokenizer.ids(), settings.network.dim()), WORDS)?;
    let words = WordTable::frozen(&words).map_err(|e| {
        mbls_io::Error::value(format!("tensor {WORDS:?}"), "a table of word vectors", e)
    })?;
    Ok(TextClassifier::new(words, settings.network.clone().build(Options::default(), vb)?))
}
