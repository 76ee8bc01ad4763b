//! Parallel counting of words.

use super::WordRule;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use rayon::prelude::*;

/// Number of texts per block of work of a thread.
const BLOCK: usize = 1024;

/// Returns the words of one block of texts with their counts, in the order of first occurrence.
fn count_block<T: AsRef<str>>(rule: WordRule, texts: &[T]) -> Vec<(String, u64)> {
    let mut places = HashMap::<String, usize>::new();
    let mut counts: Vec<u64> = Vec::new();
    for text in texts {
        rule.each(text.as_ref(), |word| match places.get(word) {
            Some(&place) => counts[place] += 1,
            None => {
                places.insert(word.to_owned(), counts.len());
                counts.push(1);
            }
        });
    }
    let mut words: Vec<(String, u64)> = vec![Default::default(); counts.len()];
    for (word, place) in places {
        words[place] = (word, counts[place]);
    }
    words
}

/// Returns the words of all texts with their counts, in the order of first occurrence. Blocks are
/// merged in order, so the result equals that of a sequential pass.
pub(super) fn count<T: AsRef<str> + Sync>(rule: WordRule, texts: &[T]) -> Vec<(String, u64)> {
    let blocks: Vec<Vec<(String, u64)>> =
        texts.par_chunks(BLOCK).map(|block| count_block(rule, block)).collect();
    let mut places = HashMap::<String, usize>::new();
    let mut counts = Vec::new();
    for (word, count) in blocks.into_iter().flatten() {
        match places.entry(word) {
            Entry::Occupied(place) => counts[*place.get()] += count,
            Entry::Vacant(place) => {
                place.insert(counts.len());
                counts.push(count);
            }
        }
    }
    let mut words: Vec<(String, u64)> = vec![Default::default(); counts.len()];
    for (word, place) in places {
        words[place] = (word, counts[place]);
    }
    words
}
