//! Duplicates and near duplicates among texts.

use super::near_sets;
use crate::text::WordRule;
use crate::{Error, Result};
use mbls_data::Seed;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Definition of near duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DuplicateConfig {
    /// Number of words of a shingle.
    pub shingle: usize,
    /// Minimum Jaccard similarity of the shingle sets of two texts.
    pub similarity: f64,
}

impl Default for DuplicateConfig {
    fn default() -> Self {
        Self { shingle: 5, similarity: 0.8 }
    }
}

/// Groups near duplicates. Returns the index of the first member of each text's group. Two texts
/// are in the same group if a chain of near duplicates connects them.
///
/// Two texts are near duplicates if `|A and B| / |A or B| >= similarity`, where A and B are their
/// sets of shingles. A shingle is a sequence of consecutive words in lower case, without the
/// punctuation, quotation marks of mails and white space between them. A text with fewer words is
/// one shingle; texts without words are duplicates of each other.
///
/// The result is exact: no pair is missed. For texts that differ in a few words, whether they are
/// near duplicates or just below the threshold, the time grows with the number of texts and not
/// with the number of pairs.
///
/// # Errors
///
/// [`Error::Value`](mbls_io::Error::Value) for a shingle of 0 words, and unless the similarity is
/// above 0 and at most 1.
///
/// # References
///
/// Broder: On the resemblance and containment of documents (1997); Bayardo, Ma, Srikant: Scaling up
/// all pairs similarity search (WWW 2007); Xiao, Wang, Lin, Yu: Efficient similarity joins for near
/// duplicate detection (WWW 2008); Sandes, Teodoro, Melo: Bitmap filter (Information Systems 2020).
///
/// ```
/// use mbls_nlp::dataset::{DuplicateConfig, duplicate_groups};
///
/// let texts = ["> Buy one, get one free!", "Hello", "buy one get one free"];
/// assert_eq!(duplicate_groups(&texts, &DuplicateConfig::default())?, [0, 1, 0]);
/// # Ok::<(), mbls_nlp::Error>(())
/// ```
pub fn duplicate_groups<T: AsRef<str> + Sync>(
    texts: &[T],
    config: &DuplicateConfig,
) -> Result<Vec<usize>> {
    let DuplicateConfig { shingle, similarity } = *config;
    if shingle == 0 {
        return Err(Error::value("words of a shingle", "at least 1", 0));
    }
    if !(similarity > 0.0 && similarity <= 1.0) {
        return Err(Error::value("similarity of near copies", "above 0, at most 1", similarity));
    }
    let sets: Vec<Vec<u64>> =
        texts.par_iter().map(|text| shingles(text.as_ref(), shingle)).collect();
    Ok(near_sets::groups(&sets, similarity))
}

/// Returns the set of shingles of a text as hashes in ascending order.
fn shingles(text: &str, words: usize) -> Vec<u64> {
    let mut hashes = Vec::new();
    WordRule::Keras.each(text, |word| hashes.push(Seed(0).derive(word).0));
    let of = |words: &[u64]| words.iter().fold(Seed(0), |seed, &word| seed.at(word)).0;
    let mut set: Vec<u64> = match hashes.len() {
        0 => Vec::new(),
        short if short < words => vec![of(&hashes)],
        _ => hashes.windows(words).map(of).collect(),
    };
    set.sort_unstable();
    set.dedup();
    set
}
