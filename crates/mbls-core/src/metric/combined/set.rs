use super::any::{AnyMetric, MetricValue};
use super::spec::MetricSpec;
use crate::metric::agreement::same;
use crate::metric::contract::Metric;
use crate::metric::input::Predictions;
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A set of metrics of predictions under caller-chosen names, as one metric. It reads each batch
/// once, and either all metrics accept the batch or, if one fails, none does.
///
/// ```
/// use mbls_core::metric::{Metric, MetricSet, MetricSpec, measure_logits};
/// use std::collections::BTreeMap;
///
/// let specs: BTreeMap<String, MetricSpec> = serde_json::from_str(
///     r#"{
///         "ece": {"kind": "reliability", "bins": 10},
///         "smooth_ece": {"kind": "top-label-statistics", "statistics": [{"kind": "smooth-ece"}]}
///     }"#,
/// )
/// .expect("two metrics");
/// let metrics = measure_logits(&MetricSet::new(specs)?, &[2.0, 0.0, 0.0, 1.0], 2, &[0, 1])?;
/// let values = metrics.value().expect("two rows");
/// assert_eq!(
///     values.iter().map(|value| &*value.name).collect::<Vec<_>>(),
///     ["ece", "smooth_ece"]
/// );
/// assert!(
///     values.iter().all(|value| value
///         .value
///         .as_ref()
///         .and_then(|value| value.number())
///         .is_some())
/// );
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct MetricSet {
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct State(Vec<Named>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    metric: AnyMetric,
}

/// The value of one metric of a [`MetricSet`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedValue {
    /// The name of the metric in the set.
    pub name: String,
    /// The value of the metric; `None` if it is undefined.
    pub value: Option<MetricValue>,
}

impl MetricSet {
    /// Creates the metrics, without rows, in the given order.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if a name is repeated or a setting of a metric is out of range.
    pub fn new(specs: impl IntoIterator<Item = (String, MetricSpec)>) -> Result<Self> {
        let named = |(name, spec): (String, MetricSpec)| Ok(Named { name, metric: spec.build()? });
        Self::of(specs.into_iter().map(named).collect::<Result<_>>()?)
    }

    fn of(metrics: Vec<Named>) -> Result<Self> {
        for (index, metric) in metrics.iter().enumerate() {
            if metrics[..index].iter().any(|other| other.name == metric.name) {
                let (value, expected) =
                    (metric.name.clone(), "a name that no other metric of the set has");
                return Err(Error::Setting { name: "name of a metric", value, expected });
            }
        }
        Ok(Self { state: State(metrics) })
    }

    /// Returns the metric called `name`.
    pub fn get(&self, name: &str) -> Option<&AnyMetric> {
        self.iter().find(|(other, _)| *other == name).map(|(_, metric)| metric)
    }

    /// Iterates over the metrics and their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AnyMetric)> {
        self.state.0.iter().map(|named| (&*named.name, &named.metric))
    }
}

impl Metric for MetricSet {
    type Input<'a> = &'a Predictions<'a>;
    type Value = Vec<NamedValue>;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        let empty =
            |named: &Named| Named { name: named.name.clone(), metric: named.metric.empty() };
        Self { state: State(self.state.0.iter().map(empty).collect()) }
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        self.state.0.iter().try_for_each(|named| named.metric.check_update(input))
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        self.check_update(input)?;
        self.state.0.iter_mut().try_for_each(|named| named.metric.update(input))
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        let names = |set: &Self| set.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        same("metrics", names(self), names(other))?;
        let pairs = self.state.0.iter().zip(&other.state.0);
        pairs.into_iter().try_for_each(|(mine, other)| mine.metric.check_merge(&other.metric))
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        let mut pairs = self.state.0.iter_mut().zip(other.state.0);
        pairs.try_for_each(|(mine, other)| mine.metric.merge(other.metric))
    }

    /// Returns `None` if none of the metrics has a value.
    fn value(&self) -> Option<Vec<NamedValue>> {
        let value =
            |named: &Named| NamedValue { name: named.name.clone(), value: named.metric.value() };
        let values: Vec<NamedValue> = self.state.0.iter().map(value).collect();
        values.iter().any(|value| value.value.is_some()).then_some(values)
    }

    fn size(&self) -> usize {
        let of = |named: &Named| size_of::<String>() + named.name.capacity() + named.metric.size();
        size_of_val(self) + self.state.0.iter().map(of).sum::<usize>()
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "metric-set";
}

impl TryFrom<Saved<State>> for MetricSet {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        Self::of(saved.into_state().0)
    }
}

impl From<MetricSet> for Saved<State> {
    fn from(set: MetricSet) -> Self {
        Self::new(set.state)
    }
}
