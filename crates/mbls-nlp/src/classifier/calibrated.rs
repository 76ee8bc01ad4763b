//! Networks that classify texts, with what calibrates them.

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

/// The name of the word vectors.
const WORDS: &str = "embedding.weight";
/// The most numbers that a layer makes of a batch, unless one text takes more: 1 GiB.
const BATCH_NUMBERS: usize = 1 << 28;

/// A trained network that classifies texts, with what calibrates it and what test data say of its
/// confidences.
///
/// It computes in `f32`, whatever it was trained in; see [the module](super) for an example and for
/// its files.
#[derive(Debug)]
pub struct CalibratedClassifier(SavedModel<ClassifierSettings, TextClassifier>);

impl CalibratedClassifier {
    /// Makes a classifier of the word vectors `words`, `[V, D]`, and the tensors of a network by
    /// its names, as [`ParamStore::state`](mbls_nn::ParamStore::state) gives them. `weights`
    /// may have the vectors too, as `embedding.weight`: `words` counts. All are copied, so that
    /// further training changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for settings that are not
    /// [valid](mbls_nn::saved_model::ModelSettings::validate), and for tensors that
    /// are missing, unexpected, of another shape, or not finite.
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

    /// Writes it into `folder`, as [`SavedModel::save`] says.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        self.0.save(folder.as_ref()).map_err(mbls_nn::Error::pass_on)
    }

    /// Reads the classifier in `folder`, to compute on `device`.
    ///
    /// # Errors
    ///
    /// As [`SavedModel::load`].
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self> {
        SavedModel::load(folder.as_ref(), device, build).map(Self).map_err(mbls_nn::Error::pass_on)
    }

    /// Returns what it is besides its tensors.
    pub fn settings(&self) -> &ClassifierSettings {
        self.0.settings()
    }

    /// Returns its tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        self.0.tensors()
    }

    /// Classifies a text.
    ///
    /// Words that it does not know are left out, as in training. A text of no known word is
    /// classified on padding alone, and [`known_words`](TextClassification::known_words) is 0.
    ///
    /// # Errors
    ///
    /// What the device reports; [`Error::Other`] where the logits are not finite.
    pub fn classify(&self, text: &str) -> Result<TextClassification> {
        Ok(self.classify_batch(&[text], CalibratorRole::Temperature)?.remove(0))
    }

    /// Classifies texts, in their order; as [`classify`](Self::classify), but for rounding, as many
    /// at once as [`batch`](ClassifierSettings::batch) says, and with either of the
    /// [record's](mbls_core::calibration::CalibrationRecord) calibrators.
    ///
    /// # Errors
    ///
    /// Those of [`classify`](Self::classify).
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
