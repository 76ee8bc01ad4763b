//! Copies and near copies among texts.

use super::near_sets;
use crate::text::WordRule;
use crate::{Error, Result};
use mbls_data::Seed;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What a near copy is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DuplicateConfig {
    /// The words of a shingle.
    pub shingle: usize,
    /// The least Jaccard similarity of the shingles of two texts.
    pub similarity: f64,
}

impl Default for DuplicateConfig {
    fn default() -> Self {
        Self { shingle: 5, similarity: 0.8 }
    }
}

/// The group of each text, named by its first member: texts are in one group where a chain of near
/// copies leads from one to the other.
///
/// Two texts are near copies where `|A and B| / |A or B| >= similarity`, with A and B the sets of
/// their shingles: so many words in a row, in lower case and without the punctuation, the quotation
/// marks of mails and the white space between them. A text of fewer words is one shingle; texts
/// without words are copies of one another. Nothing is estimated: no pair is missed. The time grows
/// with the number of texts, not of pairs, for texts that say the same but for a few words, be they
/// copies or just short of it.
///
/// # Errors
///
/// [`Error::Value`](mbls_io::Error::Value) for a shingle of no words and a similarity outside of
/// 0..=1 or of 0.
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

/// The set of a text's shingles as hashes, in ascending order.
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
