//! The recipe settings for texts.

use anyhow::{Result, ensure};
use mbls_nlp::text::WordRule;
use serde::{Deserialize, Serialize};

/// The conversion of texts to sequences of word vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRecipe {
    /// The rule that splits texts into words: `keras` or `unicode`.
    #[serde(default = "keras")]
    pub rule: WordRule,
    /// The size of the vocabulary: word ids are below it, so the `num_words - 1` most frequent
    /// words are kept. Absent to keep all words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_words: Option<usize>,
    /// Number of words that the network reads: the last ones of a text.
    pub length: usize,
    /// Dimension of a word vector.
    pub dimension: usize,
    /// A file of GloVe vectors in the data folder; absent for randomly initialised vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vectors: Option<String>,
    /// The standard deviation of the initial vectors of words that the file lacks; 0 initialises
    /// them to zeros, as published.
    #[serde(default)]
    pub missing_deviation: f32,
    /// Whether the vectors are frozen.
    #[serde(default)]
    pub frozen: bool,
}

fn keras() -> WordRule {
    WordRule::Keras
}

impl TextRecipe {
    /// Checks what deserialisation does not.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what was expected.
    pub(super) fn validate(&self) -> Result<()> {
        let Self { num_words, length, dimension, vectors, missing_deviation, frozen, .. } = self;
        ensure!(*length > 0, "recipe.text.length = 0: expected a positive number");
        ensure!(*dimension > 0, "recipe.text.dimension = 0: expected a positive number");
        if let Some(words) = num_words {
            ensure!(*words > 1, "recipe.text.num_words = {words}: expected at least 2");
        }
        ensure!(
            missing_deviation.is_finite() && *missing_deviation >= 0.0,
            "recipe.text.missing_deviation = {missing_deviation}: expected a finite number of at least 0"
        );
        ensure!(
            !frozen || vectors.is_some(),
            "recipe.text.frozen: expected vectors, because random ones must be trained"
        );
        Ok(())
    }
}
