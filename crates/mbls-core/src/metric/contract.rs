//! What every metric is.

use super::input::Predictions;
use crate::Result;

/// A statistic of a stream of batches, with an exact state that merges.
///
/// # Life cycle
///
/// ```text
///   Accuracy::new()        thread or machine 1              thread or machine 2
///   settings, no rows ── empty() ──┬────────────── empty() ────┐
///                                  v                           v
///                          update(batch)  ...          update(batch)  ...
///                                  |                           |
///                                  |                       save (serde)
///                                  |                           |  {"metric": "accuracy", "version": 1, "state": {..}}
///                                  v                       read and check
///                               merge(other) <─────────────────┘
///                                  |
///                                  v
///                               value()      None before the first row
/// ```
///
/// - A constructor takes the settings. [`empty`](Self::empty) returns a metric of the same settings
///   that has seen no rows: a thread, a shard or an epoch begins with one.
/// - [`update`](Self::update) adds a batch, [`merge`](Self::merge) what another metric saw. Either
///   adds all of it or, where it fails, nothing. [`check_update`](Self::check_update) and
///   [`check_merge`](Self::check_merge) say beforehand whether it fails, so that several metrics
///   can take a batch together or not at all.
/// - [`value`](Self::value) computes the statistic. It can be asked for at any time and changes
///   nothing.
/// - The metrics of this crate are saved with [`serde`] in an envelope, [`Saved`](super::Saved),
///   that carries [`name`](Self::name) and [`version`](Self::version). A state that is read has
///   been checked: it is one that rows can lead to.
///
/// States are integers, so a value has the same bits for any order of the rows, size of the
/// batches, sharding and number of threads, and whether states were saved in between or not.
///
/// ```
/// use mbls_core::metric::{Accuracy, Metric, Predictions};
///
/// let mut first = Accuracy::new();
/// first.update(&Predictions::from_logits(&[2.0, 0.0], 2, &[0])?)?;
/// let mut second = first.empty();
/// second.update(&Predictions::from_logits(&[2.0, 0.0], 2, &[1])?)?;
/// assert_eq!((first.name(), first.version()), ("accuracy", 1));
///
/// let saved = serde_json::to_string(&second).expect("numbers");
/// first.merge(serde_json::from_str(&saved).expect("a state of this metric"))?;
/// assert_eq!(first.value(), Some(0.5));
/// # Ok::<(), mbls_core::Error>(())
/// ```
pub trait Metric: Clone + Send {
    /// One batch.
    type Input<'a>: Copy;
    /// The statistic.
    type Value;

    /// Returns the name of the metric in kebab case, by which saved states tell it from others.
    fn name(&self) -> &'static str;

    /// Returns the version of the state: of its fields and of what they mean.
    fn version(&self) -> u32;

    /// Returns a metric of the same settings that has seen no rows.
    #[must_use]
    fn empty(&self) -> Self;

    /// Checks whether [`update`](Self::update) would add a batch, without adding it.
    ///
    /// By default a copy is updated; metrics whose updates fail only at counts look at those alone.
    ///
    /// # Errors
    ///
    /// Those of [`update`](Self::update).
    fn check_update(&self, input: Self::Input<'_>) -> Result<()> {
        self.clone().update(input)
    }

    /// Adds a batch; the state stays as it was where that fails.
    ///
    /// # Errors
    ///
    /// Where the batch does not fit the batches before it, or a number in it the accumulator.
    fn update(&mut self, input: Self::Input<'_>) -> Result<()>;

    /// Checks whether [`merge`](Self::merge) would add what another metric saw, without adding it.
    ///
    /// # Errors
    ///
    /// Those of [`merge`](Self::merge).
    fn check_merge(&self, other: &Self) -> Result<()> {
        self.clone().merge(other.clone())
    }

    /// Adds what another metric saw: the same as updating with its batches. The state stays as it
    /// was where that fails.
    ///
    /// # Errors
    ///
    /// [`Error::Merge`](crate::Error::Merge) where the settings differ,
    /// [`Error::Accumulator`](crate::Error::Accumulator) where there are too many rows.
    fn merge(&mut self, other: Self) -> Result<()>;

    /// Computes the statistic of all rows, `None` before the first row.
    fn value(&self) -> Option<Self::Value>;

    /// Returns the memory that the metric takes, in bytes: its own and what it has allocated.
    fn size(&self) -> usize;
}

/// A [`Metric`] of scored rows with labels.
///
/// Every metric whose batches are [`Predictions`] is one; there is nothing to implement.
///
/// ```
/// use mbls_core::metric::{Accuracy, BrierScore, PredictionMetric, Predictions};
///
/// fn value<M: PredictionMetric>(metric: &M, rows: &Predictions) -> mbls_core::Result<Option<M::Value>> {
///     let mut metric = metric.empty();
///     metric.update(rows)?;
///     Ok(metric.value())
/// }
///
/// let rows = Predictions::from_probs(&[0.75, 0.25], 2, &[0])?;
/// assert_eq!(value(&Accuracy::new(), &rows)?, Some(1.0));
/// assert_eq!(value(&BrierScore::new(), &rows)?, Some(0.125));
/// # Ok::<(), mbls_core::Error>(())
/// ```
pub trait PredictionMetric: for<'a> Metric<Input<'a> = &'a Predictions<'a>> {}

impl<M> PredictionMetric for M where M: for<'a> Metric<Input<'a> = &'a Predictions<'a>> {}
