//! Tables by class: precision and recall of each class, and confusions. Test samples of all seeds
//! are pooled.

use super::predictions::SavedPredictions;
use crate::results::Cell;
use crate::spec::{LossEntry, Suite};
use anyhow::Result;
use mbls_core::metric::Predictions;
use mbls_report::{FurtherTable, NumberColumn};
use std::path::Path;

/// Number of rows of the table of confusions, over all losses.
const CONFUSIONS: usize = 40;

/// Counts of the predictions of a loss on the test samples.
#[derive(Default)]
struct Counted {
    classes: Vec<ClassCount>,
    /// `[label, predicted]`.
    confusion: Vec<u64>,
}

/// The counts of one class.
#[derive(Clone, Debug, Default)]
struct ClassCount {
    /// Number of samples of the class.
    labelled: u64,
    /// Number of samples predicted as the class.
    predicted: u64,
    /// Number of samples of the class that are predicted as it.
    right: u64,
    /// Sum of the confidences of the samples predicted as the class.
    confidence: f64,
    /// The same sum after temperature scaling, which does not change predictions.
    scaled: f64,
}

/// Returns one table of classes per loss, and one of the largest confusions. `names` are the names
/// of the classes.
///
/// # Errors
///
/// Predictions that cannot be read.
pub(crate) fn class_tables(
    suite: &Suite,
    cells: &[&Cell],
    out: &Path,
    names: &[String],
) -> Result<Vec<FurtherTable>> {
    let mut counted: Vec<(&LossEntry, Counted)> = Vec::new();
    for loss in &suite.loss {
        let mut of_loss = Counted::default();
        for cell in cells.iter().filter(|cell| cell.key.loss == loss.id) {
            let saved =
                SavedPredictions::load(&cell.key.folder(out).join("predictions.safetensors"))?;
            let [before, after] = saved.test.scaled(&saved.fit_temperature()?)?;
            of_loss.add(&before, &after);
        }
        if !of_loss.classes.is_empty() {
            counted.push((loss, of_loss));
        }
    }
    let page_only = counted.len() > 2;
    let mut tables: Vec<FurtherTable> =
        counted.iter().map(|(loss, counted)| by_class(loss, counted, names, page_only)).collect();
    tables.extend(confusions(&counted, names));
    Ok(tables)
}

impl Counted {
    fn add(&mut self, before: &Predictions, after: &Predictions) {
        let classes = before.classes();
        self.classes.resize(classes, ClassCount::default());
        self.confusion.resize(classes * classes, 0);
        for row in 0..before.rows() {
            let (label, predicted) = (before.label(row) as usize, before.predicted(row) as usize);
            self.confusion[label * classes + predicted] += 1;
            self.classes[label].labelled += 1;
            let class = &mut self.classes[predicted];
            class.predicted += 1;
            class.right += u64::from(label == predicted);
            class.confidence += before.confidence(row);
            class.scaled += after.confidence(row);
        }
    }

    /// Returns the most frequent confusions as label, prediction and count; ties in the order of
    /// the classes.
    fn largest(&self, most: usize) -> Vec<(usize, usize, u64)> {
        let classes = self.classes.len();
        let all = self
            .confusion
            .iter()
            .enumerate()
            .map(|(at, &count)| (at / classes, at % classes, count));
        let mut wrong: Vec<_> =
            all.filter(|&(label, predicted, count)| label != predicted && count > 0).collect();
        wrong
            .sort_by_key(|&(label, predicted, count)| (std::cmp::Reverse(count), label, predicted));
        wrong.truncate(most);
        wrong
    }
}

impl ClassCount {
    fn precision(&self) -> Option<f64> {
        share(self.right as f64, self.predicted)
    }

    /// Returns the columns of the table.
    fn values(&self) -> Vec<Option<f64>> {
        let gap = |confidence: f64| Some(share(confidence, self.predicted)? - self.precision()?);
        vec![
            self.precision(),
            share(self.right as f64, self.labelled),
            share(2.0 * self.right as f64, self.labelled + self.predicted),
            Some(self.labelled as f64),
            share(self.confidence, self.predicted),
            gap(self.confidence),
            gap(self.scaled),
        ]
    }
}

/// Returns the ratio; `None` if the denominator is 0.
fn share(part: f64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part / whole as f64)
}

fn by_class(
    loss: &LossEntry,
    counted: &Counted,
    names: &[String],
    page_only: bool,
) -> FurtherTable {
    let row = |(class, count): (usize, &ClassCount)| (vec![name(names, class)], count.values());
    FurtherTable {
        title: format!("Classes: {}", loss.heading()),
        note: "Test samples of all seeds pooled. Confidence and gap refer to the samples predicted as the class: the \
               gap is their mean confidence minus their precision, positive if the network is overconfident."
            .to_owned(),
        names: vec!["Class".to_owned()],
        numbers: vec![
            NumberColumn::percent("Precision, %"),
            NumberColumn::percent("Recall, %"),
            NumberColumn::percent("F1, %"),
            NumberColumn::count("Samples"),
            NumberColumn::percent("Mean confidence, %"),
            NumberColumn::percent("Gap, points"),
            NumberColumn::percent("Gap after scaling, points"),
        ],
        rows: counted.classes.iter().enumerate().map(row).collect(),
        page_only,
    }
}

/// Returns `None` without any confusions.
fn confusions(counted: &[(&LossEntry, Counted)], names: &[String]) -> Option<FurtherTable> {
    let most = (CONFUSIONS / counted.len().max(1)).clamp(3, 10);
    let mut rows = Vec::new();
    for (loss, counted) in counted {
        for (label, predicted, count) in counted.largest(most) {
            let of_class = share(count as f64, counted.classes[label].labelled);
            let described = vec![loss.heading(), name(names, label), name(names, predicted)];
            rows.push((described, vec![Some(count as f64), of_class]));
        }
    }
    (!rows.is_empty()).then(|| FurtherTable {
        title: "Largest confusions".to_owned(),
        note: format!(
            "Test samples of all seeds pooled, up to {most} confusions per loss; the share is relative to the samples of the true class."
        ),
        names: ["Loss", "True class", "Predicted class"].map(str::to_owned).to_vec(),
        numbers: vec![NumberColumn::count("Samples"), NumberColumn::percent("Share, %")],
        rows,
        page_only: counted.len() > 2,
    })
}

/// Returns the name of a class, or its number if it has none.
fn name(names: &[String], class: usize) -> String {
    names.get(class).cloned().unwrap_or_else(|| class.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> Counted {
        // Labels 0, 0, 0, 1, 1; predictions 0, 1, 1, 1, 0 with confidence 0.75, and 0.625 after
        // scaling.
        let labels = [0u32, 0, 0, 1, 1];
        let probs = |confidence: f64| -> Vec<f64> {
            [0, 1, 1, 1, 0]
                .iter()
                .flat_map(|&top| {
                    let (a, b) = if top == 0 {
                        (confidence, 1.0 - confidence)
                    } else {
                        (1.0 - confidence, confidence)
                    };
                    [a, b, 0.0]
                })
                .collect()
        };
        let (before, after) = (probs(0.75), probs(0.625));
        let mut counted = Counted::default();
        for _ in 0..2 {
            counted.add(
                &Predictions::from_probs(&before, 3, &labels).unwrap(),
                &Predictions::from_probs(&after, 3, &labels).unwrap(),
            );
        }
        counted
    }

    #[test]
    fn classes_are_counted_over_all_seeds() {
        let suite = Suite::find("digits").unwrap();
        let names = ["cat", "dog", "bird"].map(str::to_owned);
        let table = by_class(&suite.loss[0], &counted(), &names, false);
        assert_eq!(table.title, "Classes: Cross-entropy");
        let close = |row: usize, expected: [Option<f64>; 7]| {
            for (found, expected) in table.rows[row].1.iter().zip(expected) {
                match (found, expected) {
                    (Some(found), Some(expected)) => {
                        assert!((found - expected).abs() < 1e-12, "{:?}", table.rows[row]);
                    }
                    (found, expected) => assert_eq!(*found, expected, "{:?}", table.rows[row]),
                }
            }
        };
        // Class 0: 6 samples, 4 predicted, 2 of them correctly. Class 1: 4 samples, 6 predicted, 2
        // correctly.
        close(
            0,
            [Some(0.5), Some(2.0 / 6.0), Some(0.4), Some(6.0), Some(0.75), Some(0.25), Some(0.125)],
        );
        let third = 1.0 / 3.0;
        close(
            1,
            [
                Some(third),
                Some(0.5),
                Some(0.4),
                Some(4.0),
                Some(0.75),
                Some(0.75 - third),
                Some(0.625 - third),
            ],
        );
        // A class without samples.
        close(2, [None, None, None, Some(0.0), None, None, None]);
        assert_eq!(table.rows[2].0, ["bird"]);
    }

    #[test]
    fn the_largest_confusions_come_first() {
        let suite = Suite::find("digits").unwrap();
        let counted = [(&suite.loss[0], counted())];
        let table = confusions(&counted, &["cat".to_owned(), "dog".to_owned()]).unwrap();
        let rows: Vec<_> =
            table.rows.iter().map(|(names, values)| (&names[1..], values[0], values[1])).collect();
        let text = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(rows[0], (&text("cat", "dog")[..], Some(4.0), Some(4.0 / 6.0)));
        assert_eq!(rows[1], (&text("dog", "cat")[..], Some(2.0), Some(0.5)));
        assert_eq!(rows.len(), 2);
        assert!(confusions(&[], &[]).is_none());
    }
}
