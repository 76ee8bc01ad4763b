//! Counts the samples or pixels of each class in every part of a data set, as a check on what can
//! be learned and evaluated.

use anyhow::{Result, bail};
use mbls_report::{FurtherTable, NumberColumn};
use serde::{Deserialize, Serialize};

/// The ratio of the largest to the smallest class above which a warning is printed.
const IMBALANCED: f64 = 3.0;

/// The unit that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Counted {
    /// Images with a class label.
    Images,
    /// Texts with a class label.
    Texts,
    /// Pixels of masks.
    Pixels,
}

impl Counted {
    fn noun(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Texts => "texts",
            Self::Pixels => "pixels",
        }
    }
}

/// The counts of one part, by class and void.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartCounts {
    /// Counts by class.
    pub(crate) classes: Vec<u64>,
    /// Void pixels, which are ignored.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) void: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl PartCounts {
    /// Counts labels, each below `classes`.
    pub(crate) fn of_labels(labels: impl IntoIterator<Item = u32>, classes: usize) -> Self {
        let mut counts = vec![0; classes];
        for label in labels {
            if let Some(count) = counts.get_mut(label as usize) {
                *count += 1;
            }
        }
        Self { classes: counts, void: 0 }
    }

    /// Returns the count of everything with a class.
    pub(crate) fn total(&self) -> u64 {
        self.classes.iter().sum()
    }
}

/// The counts of the parts of one seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClassCounts {
    /// The unit that is counted.
    pub(crate) counted: Counted,
    /// The names of the classes.
    pub(crate) names: Vec<String>,
    /// The training part.
    pub(crate) train: PartCounts,
    /// The validation part, on which the epoch and the temperature are chosen.
    pub(crate) validation: PartCounts,
    /// The test part.
    pub(crate) test: PartCounts,
    /// The most frequent void value of the masks, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) void_value: Option<u8>,
}

impl ClassCounts {
    fn parts(&self) -> [(&'static str, &PartCounts); 3] {
        [("training", &self.train), ("validation", &self.validation), ("test", &self.test)]
    }

    /// Returns warnings, one sentence each.
    ///
    /// # Errors
    ///
    /// With `required`, if a class is absent from the training part, because it cannot be learned.
    pub(crate) fn check(&self, required: bool) -> Result<Vec<String>> {
        let noun = self.counted.noun();
        let mut warnings = Vec::new();
        for (name, part) in self.parts() {
            let absent = self.names.iter().zip(&part.classes).filter(|(_, count)| **count == 0);
            let absent: Vec<&str> = absent.map(|(name, _)| name.as_str()).collect();
            if !absent.is_empty() {
                let total = self.names.len();
                let listed = listed(&absent);
                let count = absent.len();
                let sentence = format!(
                    "the {name} part has no {noun} of {count} of {total} classes: {listed}"
                );
                if required && name == "training" {
                    let void =
                        self.void_share(part).map(|share| format!("; {share}")).unwrap_or_default();
                    bail!("{sentence}{void}; remove the absent classes, or add {noun} of them");
                }
                warnings.push(sentence);
            }
            if name == "training" {
                warnings.extend(self.imbalance(part));
            }
            if 2 * part.void > part.total() + part.void
                && let Some(share) = self.void_share(part)
            {
                warnings.push(format!("in the {name} part, {share}"));
            }
        }
        Ok(warnings)
    }

    /// Describes the largest and the smallest non-empty class of a part if their ratio exceeds
    /// [`IMBALANCED`]. Empty classes have a warning of their own.
    fn imbalance(&self, part: &PartCounts) -> Option<String> {
        let named = || self.names.iter().zip(&part.classes).filter(|(_, count)| **count > 0);
        // Ties go to the first class.
        let (most, largest) = named().rev().max_by_key(|(_, count)| **count)?;
        let (least, smallest) = named().min_by_key(|(_, count)| **count)?;
        let ratio = *largest as f64 / *smallest as f64;
        let noun = self.counted.noun();
        (ratio > IMBALANCED).then(|| {
            format!(
                "the classes of the training part are imbalanced: {largest} {noun} of {most:?}, {smallest} of {least:?} \
                 ({ratio:.1} to 1)"
            )
        })
    }

    /// Describes the share of void pixels; `None` without any.
    fn void_share(&self, part: &PartCounts) -> Option<String> {
        let all = part.total() + part.void;
        let value = self.void_value.map(|value| format!(" (value {value})")).unwrap_or_default();
        let share = 100.0 * part.void as f64 / all as f64;
        (part.void > 0).then(|| format!("{share:.1} % of the pixels are void{value} and ignored"))
    }

    /// Returns one line: `10 classes; training 850 images (83 to 87 of each class), ...`.
    pub(crate) fn summary(&self) -> String {
        let noun = self.counted.noun();
        let of = |(name, part): (&str, &PartCounts)| {
            let (least, most) = part
                .classes
                .iter()
                .fold((u64::MAX, 0), |(least, most), &count| (least.min(count), most.max(count)));
            let range =
                if least == most { least.to_string() } else { format!("{least} to {most}") };
            format!("{name} {} {noun} ({range} of each class)", part.total())
        };
        format!("{} classes; {}", self.names.len(), self.parts().map(of).join(", "))
    }

    /// Returns a table with a row for each class, and one for void pixels.
    pub(crate) fn table(&self, note: &str) -> FurtherTable {
        let row = |name: String, count: &dyn Fn(&PartCounts) -> u64| {
            (vec![name], self.parts().map(|(_, part)| Some(count(part) as f64)).to_vec())
        };
        let classes = self.names.iter().enumerate();
        let at = |place: usize| {
            move |part: &PartCounts| part.classes.get(place).copied().unwrap_or_default()
        };
        let mut rows: Vec<_> = classes.map(|(place, name)| row(name.clone(), &at(place))).collect();
        if self.parts().iter().any(|(_, part)| part.void > 0) {
            let value =
                self.void_value.map(|value| format!(" (value {value})")).unwrap_or_default();
            rows.push(row(format!("void{value}"), &|part| part.void));
        }
        rows.push(row("all classes".to_owned(), &PartCounts::total));
        FurtherTable {
            title: format!("Data: {} of each class", self.counted.noun()),
            note: note.to_owned(),
            names: vec!["Class".to_owned()],
            numbers: ["Training", "Validation", "Test"].map(NumberColumn::count).to_vec(),
            rows,
            page_only: false,
        }
    }
}

/// Lists the first names and the number of others.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        others => format!("{} and {others} others", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(train: [u64; 2], test: [u64; 2], void: u64) -> ClassCounts {
        let part = |classes: [u64; 2]| PartCounts { classes: classes.to_vec(), void };
        ClassCounts {
            counted: Counted::Pixels,
            names: vec!["ground".into(), "thing".into()],
            train: part(train),
            validation: part([1, 1]),
            test: part(test),
            void_value: Some(255),
        }
    }

    #[test]
    fn a_required_class_without_training_data_is_an_error() {
        let error = counts([60, 0], [5, 5], 40).check(true).unwrap_err().to_string();
        let part = "the training part has no pixels of 1 of 2 classes: \"thing\"; 40.0 % of the pixels are void (value 255)";
        assert!(error.contains(part), "{error}");
        assert!(counts([60, 0], [50, 50], 40).check(false).unwrap()[0].contains("training"));
    }

    #[test]
    fn an_untested_class_and_mostly_void_masks_give_warnings() {
        let warnings = counts([5, 5], [9, 0], 0).check(true).unwrap();
        assert_eq!(warnings, ["the test part has no pixels of 1 of 2 classes: \"thing\""]);
        let warnings = counts([50, 50], [50, 50], 101).check(true).unwrap();
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings[0].contains("50.2 % of the pixels are void (value 255)"), "{warnings:?}");
        // Exactly one half gives no warning.
        let even = counts([1, 1], [1, 1], 2);
        assert!(even.check(true).unwrap().is_empty());
    }

    #[test]
    fn an_imbalance_above_three_to_one_gives_a_warning() {
        assert!(counts([3, 1], [1, 9], 0).check(true).unwrap().is_empty());
        let warnings = counts([2, 7], [1, 1], 0).check(true).unwrap();
        let expected = "the classes of the training part are imbalanced: 7 pixels of \"thing\", 2 of \"ground\" (3.5 to 1)";
        assert_eq!(warnings, [expected]);
        // An empty class has another warning.
        assert_eq!(counts([9, 0], [1, 1], 0).check(false).unwrap().len(), 1);
    }

    #[test]
    fn the_table_adds_up() {
        let table = counts([5, 6], [7, 8], 3).table("");
        let numbers: Vec<_> =
            table.rows.iter().map(|(name, values)| (name[0].as_str(), values.clone())).collect();
        let of = |values: [f64; 3]| values.map(Some).to_vec();
        assert_eq!(numbers[0], ("ground", of([5.0, 1.0, 7.0])));
        assert_eq!(numbers[2], ("void (value 255)", of([3.0, 3.0, 3.0])));
        assert_eq!(numbers[3], ("all classes", of([11.0, 2.0, 15.0])));
        assert_eq!(PartCounts::of_labels([0, 1, 1, 3], 4).classes, [1, 2, 0, 1]);
    }
}
