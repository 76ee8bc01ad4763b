//! Recognises the parts of a data set by the names of folders or files.

use crate::{Error, Result};
use std::fmt;
use std::path::Path;

/// A part of a data set.
///
/// ```
/// use mbls_io::PartName;
///
/// assert_eq!(PartName::of("Training"), Some(PartName::Train));
/// assert_eq!(PartName::of("dev"), Some(PartName::Validation));
/// assert_eq!(PartName::of("cats"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartName {
    /// The part for training.
    Train,
    /// The part for choosing the epoch, settings and calibrators.
    Validation,
    /// The part that results are reported on.
    Test,
}

const TRAIN: [&str; 3] = ["train", "training", "trn"];
const VALIDATION: [&str; 6] = ["val", "valid", "validation", "dev", "devel", "development"];
const TEST: [&str; 3] = ["test", "testing", "tst"];
/// Names that may mean validation or test, depending on the author.
const EITHER: [&str; 4] = ["eval", "evaluation", "holdout", "heldout"];

impl PartName {
    /// Returns the part that a folder, or a file without its extension, of this name contains.
    /// Recognises, in any case, `train`, `training`, `trn`; `val`, `valid`, `validation`, `dev`,
    /// `devel`, `development`; `test`, `testing`, `tst`.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let is = |names: &[&str]| names.contains(&name.as_str());
        if is(&TRAIN) {
            Some(Self::Train)
        } else if is(&VALIDATION) {
            Some(Self::Validation)
        } else if is(&TEST) {
            Some(Self::Test)
        } else {
            None
        }
    }

    /// Returns whether a name resembles that of a part without being one: a part's name with text
    /// before or after it (`train2017`, `train-00001-of-00002`, `my_test`), or `eval` or `holdout`,
    /// which may be either of two parts.
    pub fn resembles(name: &str) -> bool {
        let name = name.to_lowercase();
        let mut words = name.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
        Self::of(&name).is_none()
            && words.any(|word| Self::of(word).is_some() || EITHER.contains(&word))
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// The entries of a folder that are the parts of a data set, and those that are not used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartEntries {
    /// The entry of the training part.
    pub train: Option<String>,
    /// The entry of the validation part.
    pub validation: Option<String>,
    /// The entry of the test part.
    pub test: Option<String>,
    /// All other entries, in their order.
    pub others: Vec<String>,
}

impl PartEntries {
    /// Finds the parts among `entries` of the folder `place`. `stem` reduces an entry's name to the
    /// name of its part, and returns `None` for an entry that cannot be a part.
    ///
    /// ```
    /// use mbls_io::PartEntries;
    ///
    /// let names = ["Train", "notes", "valid"].map(str::to_owned);
    /// let parts = PartEntries::find("pets".as_ref(), names, |name| Some(name))?;
    /// assert_eq!(
    ///     (parts.train.as_deref(), parts.validation.as_deref(), parts.test),
    ///     (Some("Train"), Some("valid"), None)
    /// );
    /// assert_eq!(parts.others, ["notes"]);
    /// # Ok::<(), mbls_io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Format`] if two entries are the same part, or if one
    /// [resembles](PartName::resembles) a part.
    pub fn find(
        place: &Path,
        entries: impl IntoIterator<Item = String>,
        stem: impl Fn(&str) -> Option<&str>,
    ) -> Result<Self> {
        let mut found = Self::default();
        for entry in entries {
            let name = stem(&entry).map(str::to_owned);
            let Some(part) = name.as_deref().and_then(PartName::of) else {
                if name.as_deref().is_some_and(PartName::resembles) {
                    let expected = "names of parts (train; val, valid, validation or dev; test) or names unlike them";
                    let rename = format!("{entry}: rename it to use it, or move it elsewhere");
                    return Err(Error::format(place, "entries", expected, rename));
                }
                found.others.push(entry);
                continue;
            };
            let slot = match part {
                PartName::Train => &mut found.train,
                PartName::Validation => &mut found.validation,
                PartName::Test => &mut found.test,
            };
            if let Some(first) = slot {
                let expected = format!("one for the {part} part");
                return Err(Error::format(
                    place,
                    "entries",
                    expected,
                    format!("{first} and {entry}"),
                ));
            }
            *slot = Some(entry);
        }
        Ok(found)
    }

    /// Returns whether any part was found.
    pub fn is_any(&self) -> bool {
        self.train.is_some() || self.validation.is_some() || self.test.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(names: &[&str]) -> Result<PartEntries> {
        let names = names.iter().map(|&name| name.to_owned());
        PartEntries::find("data".as_ref(), names, |name| Some(name))
    }

    #[test]
    fn names_are_recognised_in_any_case() {
        for (name, part) in [
            ("Train", PartName::Train),
            ("TRAINING", PartName::Train),
            ("valid", PartName::Validation),
            ("Val", PartName::Validation),
            ("dev", PartName::Validation),
            ("Testing", PartName::Test),
        ] {
            assert_eq!(PartName::of(name), Some(part), "{name}");
            assert!(!PartName::resembles(name), "{name}");
        }
    }

    #[test]
    fn names_that_resemble_a_part_are_recognised() {
        for name in [
            "train2017",
            "train_images",
            "my-Test",
            "val (copy)",
            "test-00000-of-00004",
            "eval",
            "Holdout",
        ] {
            assert!(PartName::resembles(name), "{name}");
        }
        for name in ["cats", "trains", "protest", "contest_winner", "validity", "bus", "trainer"] {
            assert!(!PartName::resembles(name) && PartName::of(name).is_none(), "{name}");
        }
    }

    #[test]
    fn duplicate_parts_and_resembling_names_are_errors() {
        let error = find(&["train", "val", "validation"]).unwrap_err().to_string();
        assert_eq!(
            error,
            "data: entries: expected one for the validation part, found val and validation"
        );
        let error = find(&["cats", "Train", "train"]).unwrap_err().to_string();
        assert!(error.contains("found Train and train"), "{error}");
        let error = find(&["train", "val2017"]).unwrap_err().to_string();
        assert!(error.contains("val2017: rename it"), "{error}");
        let parts = find(&["cats", "dogs"]).unwrap();
        assert!(!parts.is_any() && parts.others == ["cats", "dogs"]);
    }
}
