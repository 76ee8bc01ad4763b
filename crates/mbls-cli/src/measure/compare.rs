//! Two models on the same rows.

use super::bootstrap::{Resampler, intervals};
use super::classwise::Classwise;
use super::key::{KEYS, Key, Settings, Values};
use super::pass;
use super::state::{State, TopLabelMetrics};
use super::summary::Summary;
use crate::argument::Intervals;
use crate::input::{Content, Rows};
use anyhow::{Context, Result, ensure};
use mbls_core::bootstrap::Interval;
use mbls_core::metric::TopLabels;

/// Two models measured on the same rows.
pub(crate) struct Compared {
    pub(crate) files: [String; 2],
    pub(crate) samples: u64,
    pub(crate) values: [Values; 2],
    /// The paired interval of each difference, first less second.
    pub(crate) intervals: [Option<Interval>; KEYS.len()],
}

/// A model whose rows can be drawn.
struct Model {
    file: String,
    state: State,
    summary: Summary,
    /// The labels, if they are known.
    labels: Option<Vec<i64>>,
    classwise: Option<Classwise>,
}

/// Compares two models. Resamples draw the same rows of both.
///
/// # Errors
///
/// Returns an error if the rows are not the same samples: other numbers or labels.
pub(crate) fn compare(
    rows: [Rows; 2],
    settings: &Settings,
    wanted: &Intervals,
) -> Result<Compared> {
    let [first, second] = &rows;
    let model = |rows: &Rows| {
        Model::read(rows, settings, wanted.resamples).with_context(|| rows.file.clone())
    };
    let models = [model(first)?, model(second)?];
    same_rows(&models)?;
    let mut drawn = Vec::new();
    for model in &models {
        let classwise = model.classwise.as_ref();
        drawn.push(
            Resampler::new(&model.summary, settings, classwise)?
                .values(wanted.resamples, wanted.seed),
        );
    }
    let differences: Vec<Values> = drawn[0]
        .iter()
        .zip(&drawn[1])
        .map(|(left, right)| std::array::from_fn(|key| Some(left[key]? - right[key]?)))
        .collect();
    Ok(Compared {
        samples: models[0].state.n(),
        values: [models[0].state.values(), models[1].state.values()],
        intervals: intervals(&differences, wanted.level),
        files: models.map(|model| model.file),
    })
}

impl Model {
    fn read(rows: &Rows, settings: &Settings, resamples: usize) -> Result<Self> {
        let file = rows.file.clone();
        match &rows.content {
            Content::Scores(scored) => {
                let passed = pass::run(scored, None, settings, true)?;
                let affordable = Classwise::is_affordable(scored.rows(), scored.classes, resamples);
                let classwise =
                    affordable.then(|| Classwise::read(scored, settings)).transpose()?;
                let labels = passed.summary.labels.iter().map(|&label| label.into()).collect();
                let state = State::Scores(Box::new(passed.metrics));
                Ok(Self { file, state, summary: passed.summary, labels: Some(labels), classwise })
            }
            Content::TopLabels(top) => {
                let all = TopLabels::new_in(&top.confidences, &top.correct, top.precision)?;
                let labels = top.labels.as_deref();
                let metrics = TopLabelMetrics::measure(settings, &all, labels)?;
                Ok(Self {
                    file,
                    state: State::TopLabels(Box::new(metrics)),
                    summary: Summary::of_top_labels(&all, labels),
                    labels: top.labels.clone(),
                    classwise: None,
                })
            }
        }
    }
}

fn same_rows(models: &[Model; 2]) -> Result<()> {
    let [first, second] = models;
    ensure!(
        first.state.n() == second.state.n(),
        "{} has {} rows and {} has {}: expected the same rows",
        first.file,
        first.state.n(),
        second.file,
        second.state.n()
    );
    if let (Some(a), Some(b)) = (&first.labels, &second.labels)
        && let Some(row) = (0..a.len().min(b.len())).find(|&row| a[row] != b[row])
    {
        anyhow::bail!(
            "row {row} has label {} in {} and {} in {}: expected the same rows in the same order",
            a[row],
            first.file,
            b[row],
            second.file
        );
    }
    Ok(())
}

impl Compared {
    /// Returns the difference of a metric, first less second.
    pub(crate) fn difference(&self, key: Key) -> Option<f64> {
        // Two infinities have no difference.
        let [first, second] = self.values.map(|values| values[key as usize]);
        Some(first? - second?).filter(|difference| !difference.is_nan())
    }

    /// Returns which model is better beyond the interval of the difference: 0 or 1.
    pub(crate) fn better(&self, key: Key) -> Option<usize> {
        let interval = self.intervals[key as usize].filter(Interval::excludes_zero)?;
        Some(usize::from((interval.low > 0.0) != key.larger_is_better()))
    }
}
