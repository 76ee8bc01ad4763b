use crate::Result;
use crate::metric::contract::Metric;
use crate::metric::input::{Predictions, UnlabelledRows};
use serde::{Deserialize, Serialize};

/// Adapts a metric of rows without labels to [`Predictions`], so it can be combined with metrics
/// that need labels.
///
/// Name, saved state and value are those of the inner metric.
///
/// ```
/// use mbls_core::metric::{
///     Accuracy, IgnoringLabels, Metric, ProbabilityStatistics, measure_logits,
/// };
///
/// let metrics = (Accuracy::new(), IgnoringLabels(ProbabilityStatistics::new()));
/// let (accuracy, probabilities) =
///     measure_logits(&metrics, &[0.0, 0.0], 2, &[0])?.value().expect("a row");
/// assert_eq!((accuracy, probabilities.map(|found| found.confidence)), (Some(1.0), Some(0.5)));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IgnoringLabels<M>(pub M);

impl<M: for<'a> Metric<Input<'a> = &'a UnlabelledRows<'a>>> Metric for IgnoringLabels<M> {
    type Input<'a> = &'a Predictions<'a>;
    type Value = M::Value;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn version(&self) -> u32 {
        self.0.version()
    }

    fn empty(&self) -> Self {
        Self(self.0.empty())
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        self.0.check_update(input.unlabelled())
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        self.0.update(input.unlabelled())
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        self.0.check_merge(&other.0)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.0.merge(other.0)
    }

    fn value(&self) -> Option<M::Value> {
        self.0.value()
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}
