//! The labels that a file writes as words or numbers.

use crate::{Error, Result};
use std::path::Path;

/// The most classes that numbers may name.
const MAX_CLASSES: usize = 1 << 20;

/// A column of labels, each with its line.
///
/// ```
/// use mbls_data::LabelColumn;
///
/// let labels = ["dog", "cat", "dog"].map(str::to_owned);
/// let column = LabelColumn { path: "list.csv".as_ref(), labels: &labels, lines: &[2, 3, 4], items: "pictures" };
/// assert_eq!(column.found()?, (vec![1, 0, 1], vec!["cat".to_owned(), "dog".to_owned()]));
/// # Ok::<(), mbls_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LabelColumn<'a> {
    /// The file.
    pub path: &'a Path,
    /// What it says of each item.
    pub labels: &'a [String],
    /// Where it says so.
    pub lines: &'a [u64],
    /// What the items are called in errors, in the plural.
    pub items: &'a str,
}

impl LabelColumn<'_> {
    /// The classes by the labels of known names, such as those of a training part; a label that is no name is a place in their list.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] for a label that is neither.
    pub fn of_classes(&self, classes: &[String]) -> Result<Vec<u32>> {
        let number = |(label, line): (&String, &u64)| {
            let place = classes.iter().position(|class| class == label);
            let place = place.or_else(|| label.parse().ok().filter(|&place| place < classes.len()));
            place.map(|place| place as u32).ok_or_else(|| {
                let expected = format!("one of the {} classes of the list", classes.len());
                Error::format(self.path, format!("line {line}: label"), expected, format!("{label:?}"))
            })
        };
        self.labels.iter().zip(self.lines).map(number).collect()
    }

    /// The classes and their names: labels that are all whole numbers are the classes themselves, others are names, numbered in sorted
    /// order.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where a number below the largest does not occur, or the largest is above a million.
    pub fn found(&self) -> Result<(Vec<u32>, Vec<String>)> {
        let numbers: Option<Vec<usize>> = self.labels.iter().map(|label| label.parse().ok()).collect();
        let Some(numbers) = numbers else {
            let mut names = self.labels.to_vec();
            names.sort_unstable();
            names.dedup();
            let places = self.labels.iter().map(|label| names.partition_point(|name| name < label) as u32).collect();
            return Ok((places, names));
        };
        let classes = numbers.iter().max().map_or(0, |&largest| largest.saturating_add(1));
        if classes > MAX_CLASSES {
            return Err(Error::format(self.path, "largest label", format!("below {MAX_CLASSES}"), classes - 1));
        }
        let mut occurs = vec![false; classes];
        numbers.iter().for_each(|&label| occurs[label] = true);
        if let Some(class) = occurs.iter().position(|&occurs| !occurs) {
            return Err(Error::format(self.path, format!("{} of class {class}", self.items), "at least 1", 0));
        }
        let names = (0..classes).map(|class| class.to_string()).collect();
        Ok((numbers.into_iter().map(|label| label as u32).collect(), names))
    }
}
