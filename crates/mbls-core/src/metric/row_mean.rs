use super::contract::Metric;
use super::exact::{MAX_ROWS, add_counts};
use super::input::Predictions;
use super::saved::{MetricState, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The counts and exact sums from which a mean over rows is computed.
///
/// It is the metric-specific part of [`RowMean`], and its fields are the saved state.
pub trait RowSums: MetricState + Clone + Default + Send {
    /// Returns the sums over the rows of a batch.
    ///
    /// # Errors
    ///
    /// Returns an error if a row has a number that exceeds the range of a sum.
    fn of(rows: &Predictions) -> Result<Self>;

    /// Returns the number of rows.
    fn n(&self) -> u64;

    /// Adds the sums of other rows, or nothing on failure. [`RowMean`] has already checked the
    /// total number of rows.
    ///
    /// # Errors
    ///
    /// Returns an error if a sum would exceed its range.
    fn add(&mut self, other: Self) -> Result<()>;

    /// Returns the mean. There is at least one row.
    fn mean(&self) -> f64;

    /// Checks that sums read from a file can be produced by some rows. [`RowMean`] has already
    /// checked the number of rows.
    ///
    /// # Errors
    ///
    /// Returns [`MetricState::invalid`] with a description of the problem.
    fn check(&self) -> Result<()>;

    /// Returns the heap memory of the sums in bytes.
    fn allocated(&self) -> usize {
        0
    }
}

/// A metric that is the mean over rows of one number per row. It implements the life cycle shared
/// by [`Accuracy`](super::Accuracy), [`BrierScore`](super::BrierScore) and
/// [`NegativeLogLikelihood`](super::NegativeLogLikelihood).
///
/// A user-supplied mean implements [`RowSums`] and has a name:
///
/// ```
/// use mbls_core::Result;
/// use mbls_core::metric::{
///     FixedSum, MetricState, Predictions, RowMean, RowSums, measure_probs,
/// };
/// use serde::{Deserialize, Serialize};
///
/// /// The mean probability of the label.
/// #[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct LabelProbability {
///     n: u64,
///     sum: FixedSum,
/// }
///
/// impl MetricState for LabelProbability {
///     const METRIC: &'static str = "label-probability";
/// }
///
/// impl RowSums for LabelProbability {
///     fn of(rows: &Predictions) -> Result<Self> {
///         let mut sums = Self { n: rows.rows() as u64, ..Self::default() };
///         (0..rows.rows())
///             .try_for_each(|row| sums.sum.add(rows.log_prob_of_label(row).exp()))?;
///         Ok(sums)
///     }
///
///     fn n(&self) -> u64 {
///         self.n
///     }
///
///     fn add(&mut self, other: Self) -> Result<()> {
///         self.sum.merge(other.sum)?;
///         self.n += other.n;
///         Ok(())
///     }
///
///     fn mean(&self) -> f64 {
///         self.sum.mean(self.n)
///     }
///
///     fn check(&self) -> Result<()> {
///         let possible = (0.0..=self.n as f64).contains(&self.sum.to_f64());
///         if possible {
///             Ok(())
///         } else {
///             Err(Self::invalid("a sum that no probabilities produce"))
///         }
///     }
/// }
///
/// let metric = measure_probs(
///     &RowMean::<LabelProbability>::new(),
///     &[0.75, 0.25, 0.5, 0.5],
///     2,
///     &[0, 1],
/// )?;
/// let saved = serde_json::to_string(&metric).expect("numbers");
/// assert!(saved.starts_with(r#"{"metric":"label-probability","version":1,"state":{"n":2,"#));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    try_from = "Saved<S>",
    into = "Saved<S>",
    bound(serialize = "S: RowSums + Serialize", deserialize = "S: RowSums + Deserialize<'de>")
)]
pub struct RowMean<S> {
    pub(super) sums: S,
}

impl<S: RowSums> RowMean<S> {
    /// Creates a metric that has seen no rows.
    pub fn new() -> Self {
        Self { sums: S::default() }
    }

    /// Returns the number of rows.
    pub fn n(&self) -> u64 {
        self.sums.n()
    }
}

impl<S: RowSums> Metric for RowMean<S> {
    type Input<'a> = &'a Predictions<'a>;
    type Value = f64;

    fn name(&self) -> &'static str {
        S::METRIC
    }

    fn version(&self) -> u32 {
        S::VERSION
    }

    fn empty(&self) -> Self {
        Self::new()
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        add_counts(self.n(), input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        self.merge(Self { sums: S::of(input)? })
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        add_counts(self.n(), other.n())?;
        self.sums.add(other.sums)
    }

    fn value(&self) -> Option<f64> {
        (self.n() > 0).then(|| self.sums.mean())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.allocated()
    }
}

impl<S: RowSums> TryFrom<Saved<S>> for RowMean<S> {
    type Error = Error;

    fn try_from(saved: Saved<S>) -> Result<Self> {
        let sums = saved.into_state();
        if sums.n() > MAX_ROWS {
            return Err(S::invalid(format!("{} rows: expected at most 2^47", sums.n())));
        }
        sums.check()?;
        Ok(Self { sums })
    }
}

impl<S: RowSums> From<RowMean<S>> for Saved<S> {
    fn from(metric: RowMean<S>) -> Self {
        Self::new(metric.sums)
    }
}
