//! Vocabularies.

use super::WordRule;
use super::counting::count;
use hashbrown::HashMap;
use mbls_data::{Error, Result};
use serde::{Deserialize, Serialize};

/// Words with their counts, in descending order of frequency. Words with equal counts are in the
/// order of their first occurrence.
///
/// The id of a word is its 1-based position; 0 is not a word.
///
/// ```
/// use mbls_nlp::text::{Vocabulary, WordRule};
///
/// let words = Vocabulary::count(WordRule::Keras, &["a fox, a dog", "the dog"]);
/// assert_eq!(
///     words.words().collect::<Vec<_>>(),
///     [("a", 2), ("dog", 2), ("fox", 1), ("the", 1)]
/// );
/// assert_eq!((words.id("dog"), words.word(4), words.id("cat")), (Some(2), Some("the"), None));
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Vec<(String, u64)>", try_from = "Vec<(String, u64)>")]
pub struct Vocabulary {
    words: Vec<(String, u64)>,
    ids: HashMap<String, u32>,
}

impl Vocabulary {
    /// Counts the words of `texts` on all cores. The result does not depend on the number of
    /// threads.
    pub fn count<T: AsRef<str> + Sync>(rule: WordRule, texts: &[T]) -> Self {
        Self::count_first(rule, texts, usize::MAX)
    }

    /// Counts the words of `texts` and keeps the `len` most frequent ones.
    pub(super) fn count_first<T: AsRef<str> + Sync>(
        rule: WordRule,
        texts: &[T],
        len: usize,
    ) -> Self {
        let mut words = count(rule, texts);
        // The sort is stable: words with equal counts keep their order.
        words.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        words.truncate(len);
        // Texts in memory have fewer than 2^32 distinct words; further words would get no id.
        Self { ids: ids(&words), words }
    }

    /// Creates a vocabulary from words with their counts, as returned by [`words`](Self::words).
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for a word that is empty or occurs twice, and for a
    /// count that is 0 or greater than the previous one.
    pub fn new(words: Vec<(String, u64)>) -> Result<Self> {
        let ids = ids(&words);
        for (i, (word, count)) in words.iter().enumerate() {
            let error = |field: &str, expected: &str, found: String| {
                Err(Error::value(
                    format!("word {} of the vocabulary: {field}", i + 1),
                    expected,
                    found,
                ))
            };
            if word.is_empty() {
                return error("name", "at least one character", "none".into());
            }
            if ids.get(word).is_none_or(|&id| id as usize != i + 1) {
                return error("name", "a word that occurs once", format!("{word:?}"));
            }
            if *count == 0 || i > 0 && words[i - 1].1 < *count {
                return error(
                    "count",
                    "at least 1 and at most that of the previous word",
                    count.to_string(),
                );
            }
        }
        Ok(Self { words, ids })
    }

    /// Returns the words with their counts in the order of their ids, starting with id 1.
    pub fn words(&self) -> impl ExactSizeIterator<Item = (&str, u64)> {
        self.words.iter().map(|(word, count)| (word.as_str(), *count))
    }

    /// Returns the id of a word, from 1 for the most frequent one; `None` for a word that is not in
    /// the vocabulary.
    pub fn id(&self, word: &str) -> Option<u32> {
        self.ids.get(word).copied()
    }

    /// Returns the word with this id; `None` if there is none.
    pub fn word(&self, id: u32) -> Option<&str> {
        let place = (id as usize).checked_sub(1)?;
        self.words.get(place).map(|(word, _)| word.as_str())
    }

    /// Returns the number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Returns whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Keeps only the first `len` words.
    pub(super) fn truncated(mut self, len: usize) -> Self {
        if len < self.words.len() {
            self.words.truncate(len);
            // Rebuilt, because look-ups in a small table stay in the cache.
            self.ids = ids(&self.words);
        }
        self
    }
}

fn ids(words: &[(String, u64)]) -> HashMap<String, u32> {
    words.iter().zip(1..=u32::MAX).map(|((word, _), id)| (word.clone(), id)).collect()
}

impl From<Vocabulary> for Vec<(String, u64)> {
    fn from(vocabulary: Vocabulary) -> Self {
        vocabulary.words
    }
}

impl TryFrom<Vec<(String, u64)>> for Vocabulary {
    type Error = Error;

    fn try_from(words: Vec<(String, u64)>) -> Result<Self> {
        Self::new(words)
    }
}

impl PartialEq for Vocabulary {
    fn eq(&self, other: &Self) -> bool {
        // The words determine the ids.
        self.words == other.words
    }
}

impl Eq for Vocabulary {}
