//! Tokenizers.

use super::{Vocabulary, WordRule};
use mbls_data::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Converts texts to sequences of ids.
pub trait Tokenizer: Send + Sync {
    /// Returns the ids of a text, in order. They are empty if the text has no known token.
    ///
    /// # Errors
    ///
    /// An error if the tokenizer cannot split the text.
    fn encode(&self, text: &str) -> Result<Vec<u32>>;

    /// Returns the number of ids, which is the number of rows of an embedding. All ids are below
    /// it.
    fn ids(&self) -> usize;

    /// Returns the id that sequences are padded with.
    fn padding(&self) -> u32;

    /// Returns the ids of every text, computed on all cores.
    ///
    /// # Errors
    ///
    /// [`Error::Item`] with the error of the first text that cannot be encoded.
    fn encode_all<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Vec<u32>>>
    where
        Self: Sized,
    {
        let one = |(index, text): (usize, &T)| {
            self.encode(text.as_ref())
                .map_err(|source| Error::Item { index, source: Box::new(source) })
        };
        let encoded: Vec<Result<Vec<u32>>> = texts.par_iter().enumerate().map(one).collect();
        encoded.into_iter().collect()
    }
}

/// Looks up words in a vocabulary. Unknown words are dropped.
///
/// With [`WordRule::Keras`] it is equivalent to Keras' `Tokenizer(num_words)`: the most frequent
/// words have the ids 1 to `num_words - 1`. Its JSON form contains everything that is needed to
/// encode further texts in the same way.
///
/// ```
/// use mbls_nlp::text::{Tokenizer, WordRule, WordTokenizer};
///
/// let tokenizer =
///     WordTokenizer::fit(WordRule::Keras, &["The fox -- the dog!", "the dog"], Some(3))?;
/// assert_eq!(tokenizer.encode("A dog. The cat.")?, [2, 1]);
/// assert_eq!(tokenizer.ids(), 3);
/// let saved = serde_json::to_string(&tokenizer)?;
/// assert_eq!(saved, r#"{"rule":"keras","vocabulary":[["the",3],["dog",2]]}"#);
/// assert_eq!(serde_json::from_str::<WordTokenizer>(&saved)?, tokenizer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordTokenizer {
    rule: WordRule,
    vocabulary: Vocabulary,
}

impl WordTokenizer {
    /// Creates a tokenizer for the `num_words - 1` most frequent words of `texts`, or for all
    /// words.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) if `num_words` is below 2, which leaves no word.
    pub fn fit<T: AsRef<str> + Sync>(
        rule: WordRule,
        texts: &[T],
        num_words: Option<usize>,
    ) -> Result<Self> {
        let vocabulary = Vocabulary::count_first(rule, texts, words_of(num_words)?);
        Ok(Self { rule, vocabulary })
    }

    /// Creates a tokenizer for the first `num_words - 1` words of a vocabulary, or for all words.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) if `num_words` is below 2, which leaves no word.
    pub fn new(rule: WordRule, vocabulary: Vocabulary, num_words: Option<usize>) -> Result<Self> {
        Ok(Self { rule, vocabulary: vocabulary.truncated(words_of(num_words)?) })
    }

    /// Returns the rule that splits texts into words.
    pub fn rule(&self) -> WordRule {
        self.rule
    }

    /// Returns the words that have an id.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }
}

/// Returns the number of words with an id below `num_words`; the id 0 is reserved for padding.
fn words_of(num_words: Option<usize>) -> Result<usize> {
    match num_words {
        Some(few @ ..2) => {
            Err(Error::value("num_words", "at least 2, because 0 is not a word", few))
        }
        Some(num_words) => Ok(num_words - 1),
        None => Ok(usize::MAX),
    }
}

impl Tokenizer for WordTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.rule.each(text, |word| ids.extend(self.vocabulary.id(word)));
        Ok(ids)
    }

    fn ids(&self) -> usize {
        self.vocabulary.len() + 1
    }

    fn padding(&self) -> u32 {
        0
    }
}
