//! Tokenised texts.

use super::LabelledTexts;
use crate::text::Tokenizer;
use crate::{Error, Result};
use mbls_data::{Dataset, Seed};

/// The unpadded sequence of ids of a text, with its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenisedText {
    /// The ids; empty if the text has no known token.
    pub ids: Vec<u32>,
    /// The class.
    pub label: u32,
}

/// A data set of tokenised texts with their classes. It needs 4 bytes of memory per token.
///
/// ```
/// use mbls_data::{Dataset, Seed};
/// use mbls_nlp::dataset::{LabelledTexts, TokenisedTexts};
/// use mbls_nlp::text::{WordRule, WordTokenizer};
///
/// let texts = vec!["the fox".to_owned(), "a dog, a fox".to_owned(), "?".to_owned()];
/// let tokenizer = WordTokenizer::fit(WordRule::Keras, &texts, None)?;
/// let names = ["x", "y"].map(str::to_owned).to_vec();
/// let set = TokenisedTexts::new(
///     &LabelledTexts::new("tiny", texts, vec![0, 1, 1], names)?,
///     &tokenizer,
/// )?;
/// assert_eq!(set.get(1, Seed(0))?.ids, [2, 4, 2, 1]);
/// assert_eq!((set.len(), set.without_tokens()), (3, 1));
/// # Ok::<(), mbls_nlp::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenisedTexts {
    /// The concatenated sequences.
    ids: Vec<u32>,
    /// Start of each sequence, and the end of the last one.
    bounds: Vec<usize>,
    labels: Vec<u32>,
}

impl TokenisedTexts {
    /// Tokenises `texts` on all cores.
    ///
    /// # Errors
    ///
    /// The error of the tokenizer, with the index of the text.
    pub fn new(texts: &LabelledTexts, tokenizer: &impl Tokenizer) -> Result<Self> {
        let sequences = tokenizer.encode_all(texts.texts())?;
        let mut bounds = vec![0; 1 + sequences.len()];
        for (i, sequence) in sequences.iter().enumerate() {
            bounds[i + 1] = bounds[i] + sequence.len();
        }
        Ok(Self { ids: sequences.concat(), bounds, labels: texts.labels().to_vec() })
    }

    /// Returns the class of each text.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Returns the sequence of text `index`.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] for an index past the end.
    pub fn ids(&self, index: usize) -> Result<&[u32]> {
        if index >= self.labels.len() {
            return Err(Error::Index { index, len: self.labels.len() });
        }
        Ok(&self.ids[self.bounds[index]..self.bounds[index + 1]])
    }

    /// Returns the number of texts without known tokens. Their network input is only padding.
    pub fn without_tokens(&self) -> usize {
        self.bounds.windows(2).filter(|bounds| bounds[0] == bounds[1]).count()
    }
}

impl Dataset for TokenisedTexts {
    type Item = TokenisedText;

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize, _seed: Seed) -> Result<TokenisedText> {
        Ok(TokenisedText { ids: self.ids(index)?.to_vec(), label: self.labels[index] })
    }
}
