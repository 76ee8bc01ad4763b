//! The words of a collection of texts.

use super::WordRule;
use super::counting::count;
use hashbrown::HashMap;
use mbls_data::{Error, Result};
use serde::{Deserialize, Serialize};

/// Words by how often they occur, the most frequent first, equals in the order in which the texts
/// have them first.
///
/// A word's id is its place counted from 1; 0 is no word.
///
/// ```
/// use mbls_nlp::text::{Vocabulary, WordRule};
///
/// let words = Vocabulary::count(WordRule::Keras, &["a fox, a dog", "the dog"]);
/// assert_eq!(words.words().collect::<Vec<_>>(), [("a", 2), ("dog", 2), ("fox", 1), ("the", 1)]);
/// assert_eq!((words.id("dog"), words.word(4), words.id("cat")), (Some(2), Some("the"), None));
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Vec<(String, u64)>", try_from = "Vec<(String, u64)>")]
pub struct Vocabulary {
    words: Vec<(String, u64)>,
    ids: HashMap<String, u32>,
}

impl Vocabulary {
    /// The words of `texts`, counted with all cores; the number of threads changes nothing.
    pub fn count<T: AsRef<str> + Sync>(rule: WordRule, texts: &[T]) -> Self {
        Self::count_first(rule, texts, usize::MAX)
    }

    /// The first `len` of these words.
    pub(super) fn count_first<T: AsRef<str> + Sync>(
        rule: WordRule,
        texts: &[T],
        len: usize,
    ) -> Self {
        let mut words = count(rule, texts);
        // The sort is stable: equals stay in their order.
        words.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        words.truncate(len);
        // Texts in memory have fewer than 2^32 words; what is beyond would get no id.
        Self { ids: ids(&words), words }
    }

    /// Words with their counts, as [`words`](Self::words) gives them.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for a word that is empty or there twice, and a count
    /// that is 0 or above the one before it.
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
                return error("name", "one that is there once", format!("{word:?}"));
            }
            if *count == 0 || i > 0 && words[i - 1].1 < *count {
                return error(
                    "count",
                    "at least 1 and no more than of the word before it",
                    count.to_string(),
                );
            }
        }
        Ok(Self { words, ids })
    }

    /// The words with their counts, by id, that of the first being 1.
    pub fn words(&self) -> impl ExactSizeIterator<Item = (&str, u64)> {
        self.words.iter().map(|(word, count)| (word.as_str(), *count))
    }

    /// Returns the id of a word, from 0, the most frequent first; `None` for a word that is not in
    /// the vocabulary.
    pub fn id(&self, word: &str) -> Option<u32> {
        self.ids.get(word).copied()
    }

    /// Returns the word of an id; `None` for an id that no word has.
    pub fn word(&self, id: u32) -> Option<&str> {
        let place = (id as usize).checked_sub(1)?;
        self.words.get(place).map(|(word, _)| word.as_str())
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The first words alone.
    pub(super) fn truncated(mut self, len: usize) -> Self {
        if len < self.words.len() {
            self.words.truncate(len);
            // Made again: in a table of few words a look-up stays in the cache.
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
        // The ids follow from the words.
        self.words == other.words
    }
}

impl Eq for Vocabulary {}
