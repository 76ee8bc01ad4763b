use super::overlap::Overlap;
use crate::metric::agreement::same;
use crate::metric::contract::Metric;
use crate::metric::exact::{MAX_ROWS, add_counts};
use crate::metric::input::{Label, Predictions, not_a_class, of_type};
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How often each label was given each prediction: exact counts, from which the scores of a
/// segmentation follow.
///
/// Rows are pixels of a segmentation, or whatever else is classified. The state is one count per
/// pair of classes, whatever the number of rows.
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
/// // Class 2 is nowhere, so that the mean without the background is that of class 1.
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

/// The most classes of a matrix, which then has 128 MiB.
const MAX_CLASSES: usize = 4096;

fn check_classes(classes: usize) -> Result<usize> {
    if (2..=MAX_CLASSES).contains(&classes) {
        return Ok(classes);
    }
    Err(Error::Setting { name: "classes", value: classes.to_string(), expected: "from 2 to 4096" })
}

impl ConfusionMatrix {
    /// No rows yet, of a number of classes.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than 2 classes and for more than 4096.
    pub fn new(classes: usize) -> Result<Self> {
        let classes = check_classes(classes)?;
        Ok(Self { state: State { classes, counts: vec![0; classes * classes] } })
    }

    /// That of given counts.
    ///
    /// # Shapes
    ///
    /// `counts` `[classes, classes]`, row-major `[label, prediction]`.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new), [`Error::Shape`] for another number of counts,
    /// [`Error::Accumulator`] for more than 2^47 rows.
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

    /// Returns the number of classes, of rows and of columns.
    pub fn classes(&self) -> usize {
        self.state.classes
    }

    /// The number of rows.
    pub fn n(&self) -> u64 {
        self.state.counts.iter().sum()
    }

    /// The number of rows of a label that were predicted as a class.
    ///
    /// # Panics
    ///
    /// As indexing does, where one of them is not below [`classes`](Self::classes).
    pub fn count(&self, label: usize, predicted: usize) -> u64 {
        self.state.counts[label * self.state.classes..][..self.state.classes][predicted]
    }

    /// Adds masks: the predicted class and the label of each pixel, without the pixels of the
    /// ignored labels.
    ///
    /// # Shapes
    ///
    /// `predicted` and `labels` of the same length, in the same order, each of any integer type.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the lengths differ, [`Error::Label`] for a label, or a prediction of
    /// a pixel that is not ignored, that is not a class.
    pub fn add_masks<L: Label>(
        &mut self,
        predicted: &[impl Label],
        labels: &[L],
        ignored: &[i64],
    ) -> Result<()> {
        if predicted.len() != labels.len() {
            return Err(Error::Shape {
                what: "predicted mask",
                expected: format!("{} pixels, as the labels have", labels.len()),
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
