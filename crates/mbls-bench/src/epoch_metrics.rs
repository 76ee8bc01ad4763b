//! Metrics of an epoch: those of the task, and the distances between its logits.

use mbls_core::Result;
use mbls_core::metric::{DistanceReport, LogitDistances, Metric};

/// The metrics of a task and the distances between logits, which show how a margin acts.
///
/// They are updated only where logits are copied to the host anyway: on the validation data, and
/// with `--train-metrics` on the training batches. Training steps need no additional copies.
#[derive(Clone, Debug)]
pub(crate) struct EpochMetrics<M> {
    metrics: M,
    distances: LogitDistances,
}

/// The values of [`EpochMetrics`].
#[derive(Clone, Debug)]
pub(crate) struct EpochReport<V> {
    /// The task's metrics.
    pub(crate) report: V,
    /// The distances between logits; `None` if none were measured.
    pub(crate) distances: Option<DistanceReport>,
}

impl<M: Metric> EpochMetrics<M> {
    /// Creates empty metrics. Distances are compared with the margin of the loss, if it has one.
    pub(crate) fn new(metrics: &M, margin: Option<f64>) -> Self {
        // The margin of a loss is finite and not negative, so this cannot fail.
        let distances = LogitDistances::new(margin).unwrap_or_default();
        Self { metrics: metrics.empty(), distances }
    }

    /// Returns empty distances that are compared with the same margin.
    pub(crate) fn no_distances(&self) -> LogitDistances {
        self.distances.empty()
    }
}

impl<M: Metric> Metric for EpochMetrics<M> {
    /// A batch and the distances between its logits.
    type Input<'a> = (M::Input<'a>, &'a LogitDistances);
    type Value = EpochReport<M::Value>;

    fn name(&self) -> &'static str {
        self.metrics.name()
    }

    fn version(&self) -> u32 {
        self.metrics.version()
    }

    fn empty(&self) -> Self {
        Self { metrics: self.metrics.empty(), distances: self.distances.empty() }
    }

    fn check_update(&self, (batch, distances): Self::Input<'_>) -> Result<()> {
        self.metrics.check_update(batch)?;
        self.distances.check_merge(distances)
    }

    fn update(&mut self, (batch, distances): Self::Input<'_>) -> Result<()> {
        self.distances.check_merge(distances)?;
        self.metrics.update(batch)?;
        self.distances.merge(distances.clone())
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        self.metrics.check_merge(&other.metrics)?;
        self.distances.check_merge(&other.distances)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.distances.check_merge(&other.distances)?;
        self.metrics.merge(other.metrics)?;
        self.distances.merge(other.distances)
    }

    fn value(&self) -> Option<EpochReport<M::Value>> {
        Some(EpochReport { report: self.metrics.value()?, distances: self.distances.value() })
    }

    fn size(&self) -> usize {
        self.metrics.size() + self.distances.size()
    }
}
