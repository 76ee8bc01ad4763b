//! Parts that the makers of a set gave it.

use super::{Parts, grouped_split};
use crate::{Error, Result};
use mbls_data::Seed;
use std::ops::Range;

/// What the makers of a set meant its texts for, by their numbers; a part that they left out is
/// split off the training part.
///
/// ```
/// use mbls_data::Seed;
/// use mbls_nlp::dataset::Division;
///
/// // The last four of ten texts are for testing; text 2 is a copy of text 7.
/// let division = Division { train: 0..6, validation: None, test: Some(6..10) };
/// let labels = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1];
/// let parts = division.split(&labels, &[0, 1, 7, 3, 4, 5, 6, 7, 8, 9], 2, 4, Seed(1))?;
/// assert_eq!((parts.train.len(), parts.validation.len(), parts.test), (3, 2, vec![6, 7, 8, 9]));
/// assert!(!parts.train.contains(&2));
/// # Ok::<(), mbls_nlp::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// Those to train on, and to split the others off where they are missing.
    pub train: Range<usize>,
    /// Those to choose the epoch and the temperature on, where the set has them.
    pub validation: Option<Range<usize>>,
    /// Those to test on, where the set has them.
    pub test: Option<Range<usize>>,
}

impl Division {
    /// That of a set in one part.
    pub fn whole(texts: usize) -> Self {
        Self { train: 0..texts, validation: None, test: None }
    }

    /// Whether the set is in one part.
    pub fn is_whole(&self) -> bool {
        self.validation.is_none() && self.test.is_none()
    }

    /// The parts, each with as many texts as asked for: the first ones of a part that the set has,
    /// others by [`grouped_split`] of those of the training part that are in no group with what
    /// is held out; the rest is for training. `groups` are the numbers of
    /// [`duplicate_groups`](super::duplicate_groups).
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) where texts and groups are not as many, or a part
    /// has fewer texts than asked for or leaves the set; what [`grouped_split`] reports.
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
            // The part that is split off comes second in what is returned.
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
