use super::classes::check_classes;
use super::counted_rows::select_rows;
use super::label::{Labels, counted, with_slice};
use super::precision::Precision;
use super::predictions::Predictions;
use super::score_slice::{ScoreSlice, with_scores};
use super::score_type::ScoreType;
use super::unlabelled_rows::UnlabelledRows;
use crate::{Error, Result};

/// A description of rows of scores with their labels, before any validation.
///
/// Scores are logits, probabilities of all classes or, for two classes, probabilities of class 1,
/// of any [`ScoreType`]. Labels are of any integer type and may include values that mark their row
/// as ignored.
///
/// ```
/// use mbls_core::metric::{Accuracy, LabelledScores, Metric, measure};
///
/// let logits = [half::f16::ONE, half::f16::ZERO, half::f16::NAN, half::f16::NAN];
/// let rows = LabelledScores::logits(&logits, 2, &[0i64, -100]).ignoring(&[-100]);
/// assert_eq!(measure(&Accuracy::new(), rows)?.value(), Some(1.0));
///
/// let rows = LabelledScores::binary(&[0.75f32, 0.25], &[1u8, 1]);
/// assert_eq!(measure(&Accuracy::new(), rows)?.value(), Some(0.5));
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # Shapes
///
/// Scores `[rows, classes]` in row-major order, probabilities of class 1 `[rows]`; labels `[rows]`.
#[derive(Clone, Copy, Debug)]
pub struct LabelledScores<'a> {
    kind: Kind,
    scores: ScoreSlice<'a>,
    classes: usize,
    labels: Labels<'a>,
    ignored: &'a [i64],
}

/// The kind of scores.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Logits {
        temperature: f64,
    },
    Probs {
        /// The default is the precision of the scores' type.
        precision: Option<Precision>,
    },
    /// Probabilities of class 1, of two classes.
    Binary {
        precision: Option<Precision>,
    },
}

impl<'a> LabelledScores<'a> {
    /// Describes rows of logits.
    pub fn logits(
        logits: impl Into<ScoreSlice<'a>>,
        classes: usize,
        labels: impl Into<Labels<'a>>,
    ) -> Self {
        Self::new(Kind::Logits { temperature: 1.0 }, logits.into(), classes, labels.into())
    }

    /// Describes rows of probabilities, one for every class.
    pub fn probs(
        probs: impl Into<ScoreSlice<'a>>,
        classes: usize,
        labels: impl Into<Labels<'a>>,
    ) -> Self {
        Self::new(Kind::Probs { precision: None }, probs.into(), classes, labels.into())
    }

    /// Describes rows of two classes by their probabilities of class 1.
    pub fn binary(probs: impl Into<ScoreSlice<'a>>, labels: impl Into<Labels<'a>>) -> Self {
        Self::new(Kind::Binary { precision: None }, probs.into(), 2, labels.into())
    }

    fn new(kind: Kind, scores: ScoreSlice<'a>, classes: usize, labels: Labels<'a>) -> Self {
        Self { kind, scores, classes, labels, ignored: &[] }
    }

    /// Divides logits by a temperature. Has no effect on probabilities.
    #[must_use]
    pub fn at_temperature(mut self, by: f64) -> Self {
        if let Kind::Logits { temperature } = &mut self.kind {
            *temperature = by;
        }
        self
    }

    /// Sets the precision that probabilities were computed in, if it is not that of their type. Has
    /// no effect on logits.
    #[must_use]
    pub fn in_precision(mut self, of: Precision) -> Self {
        if let Kind::Probs { precision } | Kind::Binary { precision } = &mut self.kind {
            *precision = Some(of);
        }
        self
    }

    /// Sets the labels that mark their row as ignored, such as PyTorch's -100. The scores of
    /// ignored rows may have any value.
    #[must_use]
    pub fn ignoring(self, ignored: &'a [i64]) -> Self {
        Self { ignored, ..self }
    }

    /// Returns the number of rows, including ignored ones.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Validates the rows and returns those that are not ignored as predictions.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Predictions::from_logits_at`], [`Predictions::from_probs_in`] and
    /// [`Predictions::from_binary_in`], with row indices that include ignored rows.
    pub fn predictions(&self) -> Result<Predictions<'a>> {
        self.check_shape()?;
        let (labels, places) =
            with_slice!(self.labels, labels => counted(labels, self.ignored, self.classes))?;
        let unlabelled = with_scores!(self.scores, scores => match &places {
            None => self.unlabelled(scores),
            Some(places) => {
                let scores = select_rows(scores, self.width(), places);
                self.unlabelled(&scores).map(UnlabelledRows::into_owned).map_err(|error| at_place(error, |row| places[row]))
            }
        })?;
        Ok(Predictions::of(unlabelled, labels))
    }

    fn unlabelled<'b, T: ScoreType>(&self, scores: &'b [T]) -> Result<UnlabelledRows<'b>> {
        match self.kind {
            Kind::Logits { temperature } => {
                UnlabelledRows::from_logits_at(scores, self.classes, temperature)
            }
            Kind::Probs { precision } => UnlabelledRows::from_probs_in(
                scores,
                self.classes,
                precision.unwrap_or(T::PRECISION),
            ),
            Kind::Binary { precision } => {
                UnlabelledRows::from_binary_in(scores, precision.unwrap_or(T::PRECISION))
            }
        }
    }

    /// Returns the rows of a range.
    pub(in crate::metric) fn range(&self, range: std::ops::Range<usize>) -> Self {
        let width = self.width();
        let scores = self.scores.range(range.start * width..range.end * width);
        Self { scores, labels: self.labels.range(range), ..*self }
    }

    /// Returns the number of classes.
    pub(in crate::metric) fn classes(&self) -> usize {
        self.classes
    }

    /// Checks that the number of scores matches the number of rows.
    pub(in crate::metric) fn check_shape(&self) -> Result<()> {
        let (rows, classes) = (self.rows(), self.classes);
        check_classes(classes)?;
        if rows.checked_mul(self.width()) == Some(self.scores.len()) {
            return Ok(());
        }
        let (what, expected) = match self.kind {
            Kind::Logits { .. } => ("logits", format!("{rows} labels x {classes} classes")),
            Kind::Probs { .. } => ("probabilities", format!("{rows} labels x {classes} classes")),
            Kind::Binary { .. } => {
                ("probabilities of class 1", format!("{rows} values, one per label"))
            }
        };
        Err(Error::Shape { what, expected, found: format!("{} values", self.scores.len()) })
    }

    /// Returns the number of scores per row.
    fn width(&self) -> usize {
        if matches!(self.kind, Kind::Binary { .. }) { 1 } else { self.classes }
    }
}

/// Replaces the row index in an error by its index among all rows.
pub(in crate::metric) fn at_place(mut error: Error, place: impl Fn(usize) -> usize) -> Error {
    match &mut error {
        Error::Value { row, .. } | Error::ProbabilitySum { row, .. } | Error::Label { row, .. } => {
            *row = place(*row);
        }
        _ => {}
    }
    error
}
