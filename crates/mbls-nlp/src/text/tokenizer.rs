//! Tokenizers.

use super::{Vocabulary, WordRule};
use mbls_data::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What makes a sequence of numbers of a text.
pub trait Tokenizer: Send + Sync {
    /// The numbers of a text, in order; none where it is empty or nothing in it is known.
    ///
    /// # Errors
    ///
    /// What the vocabulary's rules cannot cut.
    fn encode(&self, text: &str) -> Result<Vec<u32>>;

    /// What every number is below: the rows of an embedding.
    fn ids(&self) -> usize;

    /// The number that stands for no token, by which sequences are padded.
    fn padding(&self) -> u32;

    /// The numbers of every text, made with all cores.
    ///
    /// # Errors
    ///
    /// [`Error::Item`] with what the first of the texts that cannot be cut reports.
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

/// Looks up words in a vocabulary; those that are not in it are dropped.
///
/// With [`WordRule::Keras`] it is Keras' `Tokenizer(num_words)`: ids from 1 to `num_words - 1` for
/// the most frequent words. As JSON it holds all that it takes to read another text as it read the
/// first.
///
/// ```
/// use mbls_nlp::text::{Tokenizer, WordRule, WordTokenizer};
///
/// let tokenizer = WordTokenizer::fit(WordRule::Keras, &["The fox -- the dog!", "the dog"], Some(3))?;
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
    /// With the `num_words - 1` most frequent words of `texts`, or with all of them.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for fewer than two `num_words`, which leave no word.
    pub fn fit<T: AsRef<str> + Sync>(
        rule: WordRule,
        texts: &[T],
        num_words: Option<usize>,
    ) -> Result<Self> {
        let vocabulary = Vocabulary::count_first(rule, texts, words_of(num_words)?);
        Ok(Self { rule, vocabulary })
    }

    /// With the first `num_words - 1` words of a vocabulary, or with all of them.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for fewer than two `num_words`, which leave no word.
    pub fn new(rule: WordRule, vocabulary: Vocabulary, num_words: Option<usize>) -> Result<Self> {
        Ok(Self { rule, vocabulary: vocabulary.truncated(words_of(num_words)?) })
    }

    /// The rule by which texts are cut.
    pub fn rule(&self) -> WordRule {
        self.rule
    }

    /// The words that have an id.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }
}

/// The words that have an id below `num_words`, as 0 is no word.
fn words_of(num_words: Option<usize>) -> Result<usize> {
    match num_words {
        Some(few @ ..2) => Err(Error::value("num_words", "at least 2, as 0 is no word", few)),
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
