//! Protocols for splitting data sets.

use super::{Division, DuplicateConfig, LabelledTexts, Parts, duplicate_groups};
use crate::{Error, Result};
use mbls_data::{LegacyShuffle, Seed, stratified_split};
use rand::RngExt;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

/// Number of validation texts of the published split.
const PUBLISHED_VALIDATION: usize = 900;

/// The split of the texts, and the texts that the vocabulary is counted over.
#[derive(Clone, Debug, PartialEq)]
pub enum Protocol {
    /// [`published_split`]. The vocabulary is counted over all texts, including test texts, and
    /// duplicates of a text may be in several parts.
    Published {
        /// Seed of the run, 1 by default.
        seed: u32,
    },
    /// Duplicates and near duplicates of a text are in one part, every part that is split off is
    /// stratified by class ([`Division::split`]), and the vocabulary is counted over the training
    /// part.
    Correct {
        /// Number of validation texts.
        validation: usize,
        /// Number of test texts.
        test: usize,
        /// Definition of near duplicates.
        duplicates: DuplicateConfig,
        /// Seed of the split.
        seed: Seed,
    },
}

impl Protocol {
    /// Splits texts with this predefined division.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for [`Protocol::Published`] of a data set with a
    /// predefined split; [`Error::Split`] if a part would be empty or too small for the classes;
    /// the errors of [`duplicate_groups`] and [`Division::split`].
    pub fn parts(&self, texts: &LabelledTexts, division: &Division) -> Result<Parts> {
        match self {
            Self::Published { .. } if !division.is_whole() => Err(Error::value(
                "protocol",
                "correct, for a data set with a predefined split",
                "published",
            )),
            Self::Published { seed } => published_split(texts.len(), *seed),
            Self::Correct { validation, test, duplicates, seed } => {
                let groups = duplicate_groups(texts.texts(), duplicates)?;
                division
                    .split(texts.labels(), &groups, *validation, *test, *seed)
                    .map_err(|error| error.with_class_names(texts.class_names()))
            }
        }
    }

    /// Returns the texts that the vocabulary is counted over.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] if `parts` has an index beyond the end of `texts`.
    pub fn vocabulary_texts<'a>(
        &self,
        texts: &'a LabelledTexts,
        parts: &Parts,
    ) -> Result<Vec<&'a str>> {
        match self {
            Self::Published { .. } => Ok(texts.texts().iter().map(String::as_str).collect()),
            Self::Correct { .. } => texts.select(&parts.train),
        }
    }
}

/// Returns the split of the published code: `n` indices are shuffled by numpy's legacy generator,
/// the last fifth is for testing, the 900 before it for validation, and the rest for training. For
/// the 19,997 messages of 20 Newsgroups the parts have 15,098 (training), 900 and 3,999 texts.
///
/// # Errors
///
/// [`Error::Split`] if a part would be empty.
///
/// # References
///
/// by-liu/MbLS, `calibrate/data/newsgroup.py` (`ng_loader`).
///
/// ```
/// let parts = mbls_nlp::dataset::published_split(19_997, 1)?;
/// assert_eq!(
///     (parts.train.len(), parts.validation.len(), parts.test.len()),
///     (15_098, 900, 3_999)
/// );
/// # Ok::<(), mbls_nlp::Error>(())
/// ```
pub fn published_split(n: usize, seed: u32) -> Result<Parts> {
    let test = n / 5;
    let train = (n - test).saturating_sub(PUBLISHED_VALIDATION);
    if test == 0 || train == 0 {
        return Err(Error::Split(format!(
            "a fifth and {PUBLISHED_VALIDATION} of {n} texts leave a part empty"
        )));
    }
    let mut train_part = LegacyShuffle::new(seed).permutation(n)?;
    let test_part = train_part.split_off(n - test);
    let validation_part = train_part.split_off(train);
    Ok(Parts { train: train_part, validation: validation_part, test: test_part }.sorted())
}

/// Returns a random split that is stratified by class and keeps the items of a group in one part.
/// Items with equal numbers in `groups` form a group.
///
/// The number of places per class in each part is that of [`stratified_split`]. Groups of several
/// items are assigned first, in descending order of size. Each goes to a random part that has a
/// place for every member, with a probability proportional to the remaining places for its classes,
/// or to training if no part has. Single items then fill the remaining places. The parts have
/// exactly the requested sizes as long as there are enough single items. `test` may be 0.
///
/// # Errors
///
/// [`Error::Split`] if the sizes leave nothing for training, or groups nothing for a part; the
/// errors of [`stratified_split`].
pub fn grouped_split(
    labels: &[u32],
    groups: &[usize],
    validation: usize,
    test: usize,
    seed: Seed,
) -> Result<Parts> {
    let all = labels.len();
    if groups.len() != all {
        return Err(Error::value("groups", format!("{all}, one of each label"), groups.len()));
    }
    let train = all.saturating_sub(validation).saturating_sub(test);
    if validation == 0 || train == 0 {
        return Err(Error::Split(format!(
            "{validation} and {test} of {all} texts leave a part empty"
        )));
    }
    let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
    let count = |part: Vec<usize>| {
        let mut places = vec![0usize; classes];
        part.into_iter().for_each(|index| places[labels[index] as usize] += 1);
        places
    };
    let sizes = [train, validation, test];
    let mut places: Vec<Vec<usize>> =
        stratified_split(labels, &sizes, seed.derive("places"))?.into_iter().map(count).collect();
    let mut members = BTreeMap::<usize, Vec<usize>>::new();
    groups
        .iter()
        .enumerate()
        .for_each(|(index, &group)| members.entry(group).or_default().push(index));
    let (mut several, mut single): (Vec<_>, Vec<_>) =
        members.into_values().partition(|group| group.len() > 1);
    several.shuffle(&mut seed.derive("groups").rng());
    several.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let mut parts = [const { Vec::new() }; 3];
    let mut rng = seed.derive("deal").rng();
    for group in several {
        let weights: Vec<usize> =
            places.iter().map(|places| weight(&group, labels, places)).collect();
        let total: usize = weights.iter().sum();
        let mut drawn = if total == 0 { 0 } else { rng.random_range(0..total) };
        let part = weights.iter().position(|&weight| {
            let here = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            here
        });
        let part = part.unwrap_or(0);
        for &index in &group {
            let place = &mut places[part][labels[index] as usize];
            *place = place.saturating_sub(1);
        }
        parts[part].extend(group);
    }
    single.shuffle(&mut seed.derive("single").rng());
    for index in single.into_iter().flatten() {
        let class = labels[index] as usize;
        // Test and validation parts are small, so they are filled first.
        let part = (0..3).rev().find(|&part| places[part][class] > 0).unwrap_or(0);
        places[part][class] = places[part][class].saturating_sub(1);
        parts[part].push(index);
    }
    if parts.iter().zip(sizes).any(|(part, size)| part.is_empty() && size > 0) {
        return Err(Error::Split(format!(
            "groups of duplicates leave nothing for one of {sizes:?} texts"
        )));
    }
    let [train, validation, test] = parts;
    Ok(Parts { train, validation, test }.sorted())
}

/// Returns the number of places of a part for the classes of the members of a group; 0 if there is
/// no place for one of them.
fn weight(group: &[usize], labels: &[u32], places: &[usize]) -> usize {
    let mut left = places.to_vec();
    let mut sum = 0;
    for &index in group {
        let class = labels[index] as usize;
        if left[class] == 0 {
            return 0;
        }
        left[class] -= 1;
        sum += places[class];
    }
    sum
}
