use super::overlap::Overlap;
use crate::metric::agreement::same;
use crate::metric::contract::Metric;
use crate::metric::exact::{MAX_ROWS, add_counts};
use crate::metric::input::{Label, Predictions, not_a_class, of_type};
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A confusion matrix: exact counts per label and prediction, from which the scores of a
/// segmentation are computed.
///
/// Rows are the pixels of a segmentation, or any other classified items. The state is one count per
/// pair of classes, for any number of rows.
///
/// ```
/// use mbls_core::metric::{AbsentClasses, Background, ConfusionMatrix, Metric};
///
/// let mut confusion = ConfusionMatrix::new(3)?;
/// let (predicted, labels) = ([0, 1, 1, 1, 2], [0, 1, 1, 0, 255]);
/// confusion.add_masks(&predicted, &labels, &[255])?;
/// assert_eq!((confusion.n(), confusion.count(0, 1)), (4, 1));
/// let overlap = confusion.value().expect("four pixels were added");
/// assert_eq!(overlap.classes[1].iou(), Some(2.0 / 3.0));
/// // No pixel has class 2, so the mean without the background is the value of class 1.
/// assert_eq!(overlap.mean_iou(Background::Excluded, AbsentClasses::Omitted), Some(2.0 / 3.0));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct ConfusionMatrix {
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    classes: usize,
    /// Row-major `[label, prediction]`.
    counts: Vec<u64>,
}

/// The maximum number of classes; the matrix then takes 128 MiB.
const MAX_CLASSES: usize = 4096;

fn check_classes(classes: usize) -> Result<usize> {
    if (2..=MAX_CLASSES).contains(&classes) {
        return Ok(classes);
    }
    Err(Error::Setting { name: "classes", value: classes.to_string(), expected: "from 2 to 4096" })
}

impl ConfusionMatrix {
    /// Creates a matrix for `classes` classes that has seen no rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than 2 or more than 4096 classes.
    pub fn new(classes: usize) -> Result<Self> {
        let classes = check_classes(classes)?;
        Ok(Self { state: State { classes, counts: vec![0; classes * classes] } })
    }

    /// Creates a matrix from counts.
    ///
    /// # Shapes
    ///
    /// `counts` `[classes, classes]`, row-major `[label, prediction]`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`new`](Self::new), [`Error::Shape`] if the number of counts does not
    /// match, and [`Error::Accumulator`] for more than 2^47 rows.
    pub fn from_counts(classes: usize, counts: &[u64]) -> Result<Self> {
        let classes = check_classes(classes)?;
        if counts.len() != classes * classes {
            let (expected, found) =
                (format!("{classes} x {classes} counts"), format!("{} counts", counts.len()));
            return Err(Error::Shape { what: "confusion matrix", expected, found });
        }
        counts.iter().try_fold(0, |sum, &count| add_counts(sum, count))?;
        Ok(Self { state: State { classes, counts: counts.to_vec() } })
    }

    /// Returns the number of classes, which is the number of rows and columns of the matrix.
    pub fn classes(&self) -> usize {
        self.state.classes
    }

    /// Returns the number of rows that were added.
    pub fn n(&self) -> u64 {
        self.state.counts.iter().sum()
    }

    /// Returns the number of rows with a given label and prediction.
    ///
    /// # Panics
    ///
    /// Panics if `label` or `predicted` is not below [`classes`](Self::classes).
    pub fn count(&self, label: usize, predicted: usize) -> u64 {
        self.state.counts[label * self.state.classes..][..self.state.classes][predicted]
    }

    /// Adds masks: the predicted class and the label of each pixel, except for pixels with an
    /// ignored label.
    ///
    /// # Shapes
    ///
    /// `predicted` and `labels` of the same length, in the same order, each of any integer type.
    ///
    /// # Errors
    ///
    /// - [`Error::Shape`] if the lengths differ.
    /// - [`Error::Label`] if a label is neither a class nor ignored, or if the prediction of a
    ///   pixel that is not ignored is not a class.
    pub fn add_masks<L: Label>(
        &mut self,
        predicted: &[impl Label],
        labels: &[L],
        ignored: &[i64],
    ) -> Result<()> {
        if predicted.len() != labels.len() {
            return Err(Error::Shape {
                what: "predicted mask",
                expected: format!("{} pixels, one per label", labels.len()),
                found: format!("{} pixels", predicted.len()),
            });
        }
        let classes = self.state.classes;
        let ignored = of_type::<L>(ignored);
        let pixels = || {
            let counted = predicted
                .iter()
                .zip(labels)
                .enumerate()
                .filter(|(_, (_, label))| !ignored.contains(label));
            counted.map(|(row, (&predicted, &label))| {
                let label = label.class(classes).ok_or_else(|| not_a_class(label, row, classes))?;
                let predicted =
                    predicted.class(classes).ok_or_else(|| not_a_class(predicted, row, classes))?;
                Ok((label as usize, predicted as usize))
            })
        };
        pixels().try_for_each(|pixel| pixel.map(drop))?;
        add_counts(self.n(), labels.len() as u64)?;
        pixels().try_for_each(|pixel| {
            pixel.map(|(label, predicted)| self.state.counts[label * classes + predicted] += 1)
        })
    }
}

impl Metric for ConfusionMatrix {
    type Input<'a> = &'a Predictions<'a>;
    type Value = Overlap;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        let State { classes, counts } = &self.state;
        Self { state: State { classes: *classes, counts: vec![0; counts.len()] } }
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        let classes = self.state.classes;
        if input.classes() != classes {
            let (expected, found) =
                (format!("{classes} classes"), format!("{} classes", input.classes()));
            return Err(Error::Shape { what: "predictions", expected, found });
        }
        add_counts(self.n(), input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        self.check_update(input)?;
        for row in 0..input.rows() {
            let (label, predicted) = (input.label(row) as usize, input.predicted(row) as usize);
            self.state.counts[label * self.state.classes + predicted] += 1;
        }
        Ok(())
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        same("classes", self.state.classes, other.state.classes)?;
        add_counts(self.n(), other.n()).map(drop)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        self.state
            .counts
            .iter_mut()
            .zip(other.state.counts)
            .for_each(|(count, other)| *count += other);
        Ok(())
    }

    fn value(&self) -> Option<Overlap> {
        (self.n() > 0).then(|| {
            Overlap::of_counts(self.classes(), |label, predicted| self.count(label, predicted))
        })
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.state.counts.capacity() * size_of::<u64>()
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "confusion-matrix";
}

impl TryFrom<Saved<State>> for ConfusionMatrix {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        let classes = check_classes(state.classes)?;
        if state.counts.len() != classes * classes {
            let problem = format!("{} counts of {classes} classes", state.counts.len());
            return Err(<State as saved::MetricState>::invalid(problem));
        }
        let rows: u128 = state.counts.iter().map(|&count| u128::from(count)).sum();
        if rows > MAX_ROWS.into() {
            return Err(<State as saved::MetricState>::invalid(format!(
                "{rows} rows: expected at most 2^47"
            )));
        }
        Ok(Self { state })
    }
}

impl From<ConfusionMatrix> for Saved<State> {
    fn from(confusion: ConfusionMatrix) -> Self {
        Self::new(confusion.state)
    }
}
