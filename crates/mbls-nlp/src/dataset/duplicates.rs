//! Copies and near copies among texts.

use crate::text::WordRule;
use crate::{Error, Result};
use hashbrown::HashMap;
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

/// The group of each text, named by its first member: texts are in one group where a chain of near copies leads from one to the other.
///
/// Two texts are near copies where `|A and B| / |A or B| >= similarity`, with A and B the sets of their shingles: so many words in a row, in lower case
/// and without the punctuation, the quotation marks of mails and the white space between them. A text of fewer words is one shingle; texts
/// without words are copies of one another. Nothing is estimated: pairs are found by the rarest shingles, one of which any two near copies share.
///
/// # Errors
///
/// [`Error::Value`] for a shingle of no words and a similarity outside of 0..=1 or of 0.
///
/// # References
///
/// Broder: On the resemblance and containment of documents (1997); Bayardo, Ma, Srikant: Scaling up all pairs similarity search (WWW 2007).
///
/// ```
/// use mbls_nlp::dataset::{DuplicateConfig, duplicate_groups};
///
/// let texts = ["> Buy one, get one free!", "Hello", "buy one get one free"];
/// assert_eq!(duplicate_groups(&texts, &DuplicateConfig::default())?, [0, 1, 0]);
/// # Ok::<(), mbls_nlp::Error>(())
/// ```
pub fn duplicate_groups<T: AsRef<str> + Sync>(texts: &[T], config: &DuplicateConfig) -> Result<Vec<usize>> {
    let DuplicateConfig { shingle, similarity } = *config;
    if shingle == 0 {
        return Err(Error::value("words of a shingle", "at least 1", 0));
    }
    if !(similarity > 0.0 && similarity <= 1.0) {
        return Err(Error::value("similarity of near copies", "above 0, at most 1", similarity));
    }
    let sets: Vec<Vec<u64>> = texts.par_iter().map(|text| shingles(text.as_ref(), shingle)).collect();
    let mut groups = Groups((0..texts.len()).collect());
    let mut first = HashMap::<&[u64], usize>::new();
    let mut distinct = Vec::new();
    for (index, set) in sets.iter().enumerate() {
        match first.get(set.as_slice()) {
            Some(&other) => groups.unite(other, index),
            None => {
                first.insert(set, index);
                distinct.push(index);
            }
        }
    }
    let ranked = by_rarity(&sets, &distinct);
    for pair in candidates(&ranked, similarity) {
        let [a, b] = pair.map(|place| distinct[place]);
        if groups.root(a) != groups.root(b) && are_near(&ranked[pair[0]], &ranked[pair[1]], similarity) {
            groups.unite(a, b);
        }
    }
    Ok((0..texts.len()).map(|index| groups.root(index)).collect())
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

/// A shingle with the number of sets that have it, by which the rarest come first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    count: u32,
    hash: u64,
}

/// The sets at `places` in the order of rarity, which is the same for all of them.
fn by_rarity(sets: &[Vec<u64>], places: &[usize]) -> Vec<Vec<Ranked>> {
    let mut all: Vec<u64> = places.iter().flat_map(|&place| &sets[place]).copied().collect();
    all.par_sort_unstable();
    let common: HashMap<u64, u32> =
        all.chunk_by(|a, b| a == b).filter(|run| run.len() > 1).map(|run| (run[0], run.len() as u32)).collect();
    let rank = |&place: &usize| {
        let of = |&hash: &u64| Ranked { count: common.get(&hash).copied().unwrap_or(1), hash };
        let mut set: Vec<Ranked> = sets[place].iter().map(of).collect();
        set.sort_unstable();
        set
    };
    places.par_iter().map(rank).collect()
}

/// Pairs of sets of which one of the rarest shingles is the same, all near copies among them.
///
/// Sets of m and n shingles that share at least `s * n` cannot do without the first `n - s * n + 1` in any order.
fn candidates(sets: &[Vec<Ranked>], similarity: f64) -> Vec<[usize; 2]> {
    let mut index = HashMap::<u64, Vec<usize>>::new();
    for (place, set) in sets.iter().enumerate() {
        let len = set.len();
        let prefix = (len - least_shared(len, similarity).min(len) + 1).min(len);
        for shingle in set[..prefix].iter().filter(|shingle| shingle.count > 1) {
            index.entry(shingle.hash).or_default().push(place);
        }
    }
    let is_long_enough = |a: usize, b: usize| {
        let (short, long) = (sets[a].len().min(sets[b].len()), sets[a].len().max(sets[b].len()));
        short >= least_shared(long, similarity)
    };
    let mut pairs = Vec::new();
    for places in index.values() {
        for (i, &a) in places.iter().enumerate() {
            pairs.extend(places[i + 1..].iter().filter(|&&b| is_long_enough(a, b)).map(|&b| [a, b]));
        }
    }
    pairs.par_sort_unstable();
    pairs.dedup();
    pairs
}

/// The fewest of `len` shingles that a near copy has; rounding never asks for one too many.
fn least_shared(len: usize, similarity: f64) -> usize {
    (similarity * len as f64 - 1e-6).ceil().max(0.0) as usize
}

fn are_near(a: &[Ranked], b: &[Ranked], similarity: f64) -> bool {
    let (mut i, mut j, mut shared) = (0, 0, 0usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        shared += usize::from(x == y);
        (i, j) = (i + usize::from(x <= y), j + usize::from(y <= x));
    }
    shared as f64 >= similarity * (a.len() + b.len() - shared) as f64
}

/// Sets of places; each place leads to an earlier one of its set, or is its first.
struct Groups(Vec<usize>);

impl Groups {
    fn root(&mut self, mut place: usize) -> usize {
        while self.0[place] != place {
            self.0[place] = self.0[self.0[place]];
            place = self.0[place];
        }
        place
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}
