//! Predefined splits of data sets.

use super::{Parts, grouped_split};
use crate::{Error, Result};
use mbls_data::Seed;
use std::ops::Range;

/// The predefined split of a data set, as ranges of indices. A missing part is split off the
/// training part.
///
/// ```
/// use mbls_data::Seed;
/// use mbls_nlp::dataset::Division;
///
/// // The last four of ten texts are for testing; text 2 is a copy of text 7.
/// let division = Division { train: 0..6, validation: None, test: Some(6..10) };
/// let labels = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1];
/// let parts = division.split(&labels, &[0, 1, 7, 3, 4, 5, 6, 7, 8, 9], 2, 4, Seed(1))?;
/// assert_eq!(
///     (parts.train.len(), parts.validation.len(), parts.test),
///     (3, 2, vec![6, 7, 8, 9])
/// );
/// assert!(!parts.train.contains(&2));
/// # Ok::<(), mbls_nlp::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// Texts for training; missing parts are split off it.
    pub train: Range<usize>,
    /// Texts for selecting the epoch and the temperature, if the data set defines them.
    pub validation: Option<Range<usize>>,
    /// Texts for testing, if the data set defines them.
    pub test: Option<Range<usize>>,
}

impl Division {
    /// Returns the division of a data set without a predefined split.
    pub fn whole(texts: usize) -> Self {
        Self { train: 0..texts, validation: None, test: None }
    }

    /// Returns whether there is no predefined split.
    pub fn is_whole(&self) -> bool {
        self.validation.is_none() && self.test.is_none()
    }

    /// Returns parts with the given numbers of validation and test texts.
    ///
    /// A predefined part contributes its first texts. Training texts in the same group as one of
    /// these are dropped. Missing parts are split off the remaining training texts by
    /// [`grouped_split`], and the rest is for training. `groups` is the result of
    /// [`duplicate_groups`](super::duplicate_groups).
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) if the numbers of labels and groups differ, or if a
    /// part has fewer texts than requested or exceeds the data set; the errors of
    /// [`grouped_split`].
    pub fn split(
        &self,
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
        let own = |name: &str, part: &Option<Range<usize>>, size: usize| {
            let Some(part) = part else { return Ok(None) };
            if part.end <= all && size <= part.len() {
                Ok(Some(part.clone().take(size).collect::<Vec<usize>>()))
            } else {
                Err(Error::value(name, format!("at most {} within {all} texts", part.len()), size))
            }
        };
        if self.train.end > all {
            return Err(Error::value(
                "train",
                format!("texts below {all}"),
                format!("{:?}", self.train),
            ));
        }
        let held_out =
            [own("validation", &self.validation, validation)?, own("test", &self.test, test)?];
        let mut taken: Vec<usize> =
            held_out.iter().flatten().flatten().map(|&index| groups[index]).collect();
        taken.sort_unstable();
        let kept: Vec<usize> = self
            .train
            .clone()
            .filter(|&index| taken.binary_search(&groups[index]).is_err())
            .collect();
        let kept_labels: Vec<u32> = kept.iter().map(|&index| labels[index]).collect();
        let kept_groups: Vec<usize> = kept.iter().map(|&index| groups[index]).collect();
        let grouped =
            |validation, test| grouped_split(&kept_labels, &kept_groups, validation, test, seed);
        let outer = |places: Vec<usize>| {
            places.into_iter().map(|place| kept[place]).collect::<Vec<usize>>()
        };
        Ok(match held_out {
            [Some(validation), Some(test)] => Parts { train: kept, validation, test },
            [None, Some(test)] => {
                let inner = grouped(validation, 0)?;
                Parts { train: outer(inner.train), validation: outer(inner.validation), test }
            }
            // `grouped` returns the part that is split off as its validation part.
            [Some(validation), None] => {
                let inner = grouped(test, 0)?;
                Parts { train: outer(inner.train), validation, test: outer(inner.validation) }
            }
            [None, None] => {
                let inner = grouped(validation, test)?;
                Parts {
                    train: outer(inner.train),
                    validation: outer(inner.validation),
                    test: outer(inner.test),
                }
            }
        })
    }
}
