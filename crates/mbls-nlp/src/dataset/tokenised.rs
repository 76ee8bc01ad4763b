//! Texts as sequences of numbers.

use super::LabelledTexts;
use crate::text::Tokenizer;
use crate::{Error, Result};
use mbls_data::{Dataset, Seed};

/// The sequence of one text, as long as it is, with its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenisedText {
    /// The numbers, none where the text has no known token.
    pub ids: Vec<u32>,
    /// The class.
    pub label: u32,
}

/// The sequences of texts, with their classes, in memory: 4 bytes for each token.
///
/// ```
/// use mbls_data::{Dataset, Seed};
/// use mbls_nlp::dataset::{LabelledTexts, TokenisedTexts};
/// use mbls_nlp::text::{WordRule, WordTokenizer};
///
/// let texts = vec!["the fox".to_owned(), "a dog, a fox".to_owned(), "?".to_owned()];
/// let tokenizer = WordTokenizer::fit(WordRule::Keras, &texts, None)?;
/// let names = ["x", "y"].map(str::to_owned).to_vec();
/// let set = TokenisedTexts::new(&LabelledTexts::new("tiny", texts, vec![0, 1, 1], names)?, &tokenizer)?;
/// assert_eq!(set.get(1, Seed(0))?.ids, [2, 4, 2, 1]);
/// assert_eq!((set.len(), set.without_tokens()), (3, 1));
/// # Ok::<(), mbls_nlp::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenisedTexts {
    /// All sequences, one after the other.
    ids: Vec<u32>,
    /// Where each begins, and the end of the last.
    bounds: Vec<usize>,
    labels: Vec<u32>,
}

impl TokenisedTexts {
    /// The sequences of `texts`, made with all cores.
    ///
    /// # Errors
    ///
    /// What the tokenizer reports, with the index of the text.
    pub fn new(texts: &LabelledTexts, tokenizer: &impl Tokenizer) -> Result<Self> {
        let sequences = tokenizer.encode_all(texts.texts())?;
        let mut bounds = vec![0; 1 + sequences.len()];
        for (i, sequence) in sequences.iter().enumerate() {
            bounds[i + 1] = bounds[i] + sequence.len();
        }
        Ok(Self { ids: sequences.concat(), bounds, labels: texts.labels().to_vec() })
    }

    /// The class of each text.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The sequence of text `index`.
    ///
    /// # Errors
    ///
    /// [`Error::Index`].
    pub fn ids(&self, index: usize) -> Result<&[u32]> {
        if index >= self.labels.len() {
            return Err(Error::Index { index, len: self.labels.len() });
        }
        Ok(&self.ids[self.bounds[index]..self.bounds[index + 1]])
    }

    /// Number of texts without any known token, of which a network sees padding alone.
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
