//! The part of a recipe that is for texts.

use anyhow::{Result, ensure};
use mbls_nlp::text::WordRule;
use serde::{Deserialize, Serialize};

/// How texts become sequences of vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRecipe {
    /// How texts are cut into words: `keras` or `unicode`.
    #[serde(default = "keras")]
    pub rule: WordRule,
    /// The number that ids of words are below: so many of the most frequent words, less one. All
    /// words where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_words: Option<usize>,
    /// The last words of a text that a network sees.
    pub length: usize,
    /// Numbers of a word's vector.
    pub dimension: usize,
    /// A file of GloVe's vectors in the folder of the data; where absent vectors begin at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vectors: Option<String>,
    /// The standard deviation of what words begin as that the file lacks; 0 is zeros, as
    /// published.
    #[serde(default)]
    pub missing_deviation: f32,
    /// Whether the vectors stay as they are.
    #[serde(default)]
    pub frozen: bool,
}

fn keras() -> WordRule {
    WordRule::Keras
}

impl TextRecipe {
    /// Checks what reading does not.
    ///
    /// # Errors
    ///
    /// The field, its value and what was expected.
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
            "recipe.text.frozen: expected vectors, because random ones have to be learnt"
        );
        Ok(())
    }
}
