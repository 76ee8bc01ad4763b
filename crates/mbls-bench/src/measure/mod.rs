//! Metrics of networks.
//!
//! Each task has one list of [`Measure`]s. It determines the contents of `results.json`, the
//! columns of the report and their order, the metrics in the event log, and which of them a
//! schedule may follow.

pub(crate) mod described;
mod description;

pub(crate) use description::{Description, Shown};

use crate::spec::{Recipe, Score, StoppingRecipe, Suite, TaskRecipe};
use crate::statistics::{interval, resampled};
use anyhow::{Context, Result, bail, ensure};
use mbls_core::bootstrap::Interval;
use mbls_nn::PlateauMode;
use mbls_report::{Column, Direction};
use mbls_train::EarlyStopping;
use std::collections::BTreeMap;

/// The inputs from which the metrics of a task are computed.
pub(crate) trait Subject: 'static {
    /// The values after every epoch.
    type Epoch;
    /// The values of a finished network on one part.
    type Finished;
    /// The test data of a finished run that can be resampled.
    type Resampled: Sync;
}

/// Computes a metric; `None` if it is undefined.
pub(crate) type Value<T> = fn(&T) -> Option<f64>;

/// A metric: its description and how it is computed.
pub(crate) struct Measure<S: Subject> {
    /// Key, title, unit and meaning.
    pub(crate) is: Description,
    /// Computes the value after an epoch; absent if it is not measured then.
    pub(crate) epoch: Option<Value<S::Epoch>>,
    /// Computes the value of a finished network; `None` if it is undefined or not applicable.
    pub(crate) finished: Value<S::Finished>,
    /// Computes the value on resampled test data; absent if the metric has no interval.
    pub(crate) resampled: Option<Resampling<S::Resampled>>,
}

/// The computation of a metric on a resample.
pub(crate) struct Resampling<R> {
    /// Returns the number of units that are resampled: samples, images or batches.
    pub(crate) units: fn(&R) -> usize,
    /// Computes the value on the units with the given indices; `None` if it is undefined.
    pub(crate) value: fn(&R, &[u32]) -> Option<f64>,
}

/// Returns the metrics of a finished network by key; undefined ones are absent.
pub(crate) fn finished<S: Subject>(
    measures: &[Measure<S>],
    network: &S::Finished,
) -> BTreeMap<String, f64> {
    let values = measures.iter().map(|measure| (measure.is.key, (measure.finished)(network)));
    values.filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// Returns the metrics of an epoch with their keys, for the event log.
pub(crate) fn of_epoch<S: Subject>(
    measures: &[Measure<S>],
    epoch: &S::Epoch,
) -> Vec<(&'static str, Option<f64>)> {
    measures.iter().filter_map(|measure| Some((measure.is.key, measure.epoch?(epoch)))).collect()
}

/// The mean over the runs of a loss of every resampled metric, on the same resamples for all
/// losses. Test units are resampled; networks and temperatures are fixed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resampled {
    /// By key: the number of units, and the values on the resamples.
    values: BTreeMap<&'static str, (usize, Vec<f64>)>,
    /// Number of runs.
    runs: usize,
}

impl Resampled {
    /// Resamples the test data of the runs of a loss.
    pub(crate) fn of<S: Subject>(measures: &[Measure<S>], runs: &[S::Resampled]) -> Self {
        let of = |measure: &Measure<S>| {
            let Resampling { units, value } = measure.resampled.as_ref()?;
            let n = runs.iter().map(units).min().unwrap_or(0);
            let values = resampled(n, |indices| {
                let values = runs.iter().map(|run| value(run, indices));
                values.sum::<Option<f64>>().map(|sum| sum / runs.len() as f64)
            });
            Some((measure.is.key, (n, values?)))
        };
        Self { values: measures.iter().filter_map(of).collect(), runs: runs.len() }
    }

    /// Returns the bootstrap interval of a metric; `None` if it has none.
    pub(crate) fn interval(&self, key: &str) -> Option<Interval> {
        let (_, values) = self.values.get(key)?;
        interval(values.clone())
    }

    /// Returns the paired bootstrap interval of the difference of a metric, this loss minus the
    /// other; `None` if the two have different numbers of units or runs.
    pub(crate) fn difference(&self, other: &Self, key: &str) -> Option<Interval> {
        let ((n, mine), (others, theirs)) = (self.values.get(key)?, other.values.get(key)?);
        let paired = n == others && self.runs == other.runs;
        paired
            .then(|| {
                interval(mine.iter().zip(theirs).map(|(mine, theirs)| mine - theirs).collect())
            })
            .flatten()
    }
}

/// Returns the headline metrics of a run as text: `Accuracy 98.15 %, ECE 0.87 %`.
pub(crate) fn headline<S: Subject>(
    measures: &[Measure<S>],
    values: &BTreeMap<String, f64>,
) -> String {
    let headlines =
        measures.iter().map(|measure| measure.is).filter(|is| is.shown == Shown::Headline);
    let line = |is: Description| {
        let value =
            values.get(is.key).map_or_else(|| "undefined".to_owned(), |value| is.print(*value));
        format!("{} {value}", is.title)
    };
    headlines.map(line).collect::<Vec<_>>().join(", ")
}

/// Returns the metric by which the epochs of a recipe are compared.
pub(crate) fn score(recipe: &Recipe) -> Description {
    match &recipe.task {
        TaskRecipe::Images(_) | TaskRecipe::Texts(_) => described::ACCURACY,
        TaskRecipe::Segmentation(recipe) => match recipe.score {
            Score::MeanIou => described::MIOU,
            Score::PublishedMeanIou => described::MIOU_PUBLISHED,
        },
    }
}

/// The metrics of a task, independent of their input types.
pub(crate) trait Measures: Sync {
    /// Returns the columns of the report, in the order of the metrics.
    fn columns(&self) -> Vec<Column>;

    /// Returns notes about the values of a run, one sentence each.
    fn notes(&self, values: &BTreeMap<String, f64>) -> Vec<String>;

    /// Checks that schedules and early stopping of a suite follow metrics that are measured after
    /// every epoch, and that the schedule's mode matches the metric's direction.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what was expected.
    fn check_schedules(&self, suite: &Suite) -> Result<()>;

    /// Returns the early stopping of a recipe; `None` if it has none.
    ///
    /// # Errors
    ///
    /// If the metric is not measured after every epoch.
    fn early_stopping(&self, recipe: &Recipe) -> Result<Option<EarlyStopping>>;

    /// Returns the metric `key` of a finished network, by which runs are compared.
    ///
    /// # Errors
    ///
    /// If there is no such metric or it has no direction; lists the valid keys.
    fn compared(&self, key: &str) -> Result<Description>;
}

impl<S: Subject, const N: usize> Measures for [Measure<S>; N] {
    fn columns(&self) -> Vec<Column> {
        self.iter().filter_map(|measure| measure.is.column()).collect()
    }

    fn notes(&self, values: &BTreeMap<String, f64>) -> Vec<String> {
        let note = |measure: &Measure<S>| Some(measure.is.note?(*values.get(measure.is.key)?));
        self.iter().filter_map(note).collect()
    }

    fn check_schedules(&self, suite: &Suite) -> Result<()> {
        let check = |recipe: &Recipe| {
            check_schedule(self, recipe)?;
            self.early_stopping(recipe).map(drop)
        };
        check(&suite.recipe)?;
        let mut recipes = suite.recipes.iter();
        recipes
            .try_for_each(|(name, recipe)| check(recipe).with_context(|| format!("profile.{name}")))
    }

    fn early_stopping(&self, recipe: &Recipe) -> Result<Option<EarlyStopping>> {
        let Some(StoppingRecipe { metric, patience, min_delta }) = &recipe.early_stopping else {
            return Ok(None);
        };
        let mode = mode(followed(self, "recipe.early_stopping.metric", metric)?.better);
        let (metric, patience, min_delta) = (Some(metric.clone()), *patience, *min_delta);
        Ok(Some(EarlyStopping { metric, mode, patience, min_delta }))
    }

    fn compared(&self, key: &str) -> Result<Description> {
        let compared: Vec<_> = self
            .iter()
            .map(|measure| measure.is)
            .filter(|is| is.better != Direction::Neither)
            .collect();
        let found = compared.iter().find(|is| is.key == key);
        let known = || compared.iter().map(|is| is.key).collect::<Vec<_>>().join(", ");
        found.copied().with_context(|| format!("--sweep-metric {key}: expected one of {}", known()))
    }
}

/// Returns the epoch metric `metric`, which a field of the recipe refers to.
fn followed<S: Subject>(measures: &[Measure<S>], field: &str, metric: &str) -> Result<Description> {
    let followed =
        measures.iter().filter(|measure| measure.epoch.is_some()).map(|measure| measure.is);
    let followed: Vec<Description> =
        followed.filter(|is| is.better != Direction::Neither).collect();
    let Some(is) = followed.iter().find(|is| is.key == metric) else {
        let known = followed.iter().map(|is| is.key).collect::<Vec<_>>().join(", ");
        bail!("{field} = {metric:?}: expected one of {known}");
    };
    Ok(*is)
}

fn mode(better: Direction) -> PlateauMode {
    match better {
        Direction::Higher => PlateauMode::Max,
        Direction::Lower | Direction::Neither => PlateauMode::Min,
    }
}

fn check_schedule<S: Subject>(measures: &[Measure<S>], recipe: &Recipe) -> Result<()> {
    let Some((metric, given)) = recipe.schedule.followed() else { return Ok(()) };
    // With PyTorch's default mode, an improved accuracy would count as no improvement.
    let expected = mode(followed(measures, "recipe.schedule.metric", metric)?.better);
    let (name, better) = match expected {
        PlateauMode::Max => ("max", "higher"),
        PlateauMode::Min => ("min", "lower"),
    };
    ensure!(
        given == expected,
        "recipe.schedule.settings.mode: expected {name:?}, because {better} {metric} is better"
    );
    Ok(())
}
