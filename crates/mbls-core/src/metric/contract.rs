//! The interface of all metrics.

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
/// - A constructor accepts the settings. [`empty`](Self::empty) returns a metric with the same
///   settings that has seen no rows, as the initial state of a thread, a shard or an epoch.
/// - [`update`](Self::update) adds a batch, [`merge`](Self::merge) adds the rows of another metric.
///   Both are atomic: if they fail, nothing is added. [`check_update`](Self::check_update) and
///   [`check_merge`](Self::check_merge) report such a failure in advance, so several metrics can
///   accept a batch together or not at all.
/// - [`value`](Self::value) computes the statistic. It can be called at any time and does not
///   change the state.
/// - The metrics of this crate are saved with [`serde`] in an envelope, [`Saved`](super::Saved),
///   that carries [`name`](Self::name) and [`version`](Self::version). Deserialisation validates
///   the state: it accepts only states that some rows can produce.
///
/// States are integers, so a value is bit-identical for any order of the rows, batch size, sharding
/// and number of threads, and whether or not states were saved in between.
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

    /// Returns the name of the metric in kebab case, which identifies it in saved states.
    fn name(&self) -> &'static str;

    /// Returns the version of the state's fields and their meaning.
    fn version(&self) -> u32;

    /// Returns a metric with the same settings that has seen no rows.
    #[must_use]
    fn empty(&self) -> Self;

    /// Checks whether [`update`](Self::update) would accept a batch, without adding it.
    ///
    /// The default implementation updates a copy. Metrics whose updates can fail only because of
    /// the number of rows check just that.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`update`](Self::update).
    fn check_update(&self, input: Self::Input<'_>) -> Result<()> {
        self.clone().update(input)
    }

    /// Adds a batch. On failure the state is unchanged.
    ///
    /// # Errors
    ///
    /// Returns an error if the batch does not match the batches before it, or if a number in it
    /// exceeds the range of the accumulator.
    fn update(&mut self, input: Self::Input<'_>) -> Result<()>;

    /// Checks whether [`merge`](Self::merge) would accept another metric, without adding it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`merge`](Self::merge).
    fn check_merge(&self, other: &Self) -> Result<()> {
        self.clone().merge(other.clone())
    }

    /// Adds the rows that another metric has seen, as if this metric had been updated with its
    /// batches. On failure the state is unchanged.
    ///
    /// # Errors
    ///
    /// - [`Error::Merge`](crate::Error::Merge) if the settings differ.
    /// - [`Error::Accumulator`](crate::Error::Accumulator) if there are too many rows.
    fn merge(&mut self, other: Self) -> Result<()>;

    /// Computes the statistic of all rows; `None` before the first row.
    fn value(&self) -> Option<Self::Value>;

    /// Returns the memory use of the metric in bytes, including its allocations.
    fn size(&self) -> usize;
}

/// A [`Metric`] of scored rows with labels.
///
/// It is implemented for every metric whose batches are [`Predictions`].
///
/// ```
/// use mbls_core::metric::{Accuracy, BrierScore, PredictionMetric, Predictions};
///
/// fn value<M: PredictionMetric>(
///     metric: &M,
///     rows: &Predictions,
/// ) -> mbls_core::Result<Option<M::Value>> {
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
