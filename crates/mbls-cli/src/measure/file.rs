use super::bootstrap::{Resampler, SMOOTH_RESAMPLES, intervals};
use super::classwise::Classwise;
use super::key::{KEYS, Key, Settings};
use super::measured::{Group, Grouped, Measured};
use super::pass::{self, Shifts};
use super::state::{State, TopLabelMetrics, aece, ece, mce, score_metrics};
use super::summary::Summary;
use crate::argument::Intervals;
use crate::input::{Content, Groups, Rows, Scored, TopLabelRows};
use crate::messages::Messages;
use anyhow::{Context, Result, ensure};
use mbls_core::metric::{
    Consistency, Metric, Predictions, SmoothConvention, SortedTopLabels, TopLabels,
};

/// Measures a file.
///
/// # Errors
///
/// Every error names the file.
pub(crate) fn measure(
    rows: &Rows,
    settings: &Settings,
    intervals: &Intervals,
    messages: &mut Messages<'_>,
) -> Result<Measured> {
    let measured = match &rows.content {
        Content::Scores(scored) => of_scores(rows, scored, settings, intervals, messages),
        Content::TopLabels(top) => of_top_labels(rows, top, settings, intervals),
    };
    let measured = measured.with_context(|| rows.file.clone())?;
    let infinite = measured.state.infinite_nll_rows();
    if infinite > 0 && settings.nll_epsilon.is_none() {
        messages.warning(format_args!(
            "{}: the label has probability 0 in {infinite} rows, so nll is infinite; \
             --nll-epsilon clips",
            rows.file
        ));
    }
    Ok(measured)
}

fn of_scores(
    rows: &Rows,
    scored: &Scored,
    settings: &Settings,
    wanted: &Intervals,
    messages: &mut Messages<'_>,
) -> Result<Measured> {
    let passed = pass::run(scored, rows.groups.as_ref(), settings, !wanted.no_intervals)?;
    let state = State::Scores(Box::new(passed.metrics));
    let samples = state.n();
    suspect_shift(passed.shifts, samples, &rows.file, messages);
    let classwise = if wanted.no_intervals {
        None
    } else if Classwise::is_affordable(scored.rows(), scored.classes, wanted.resamples) {
        Some(Classwise::read(scored, settings)?)
    } else {
        messages.note(format_args!(
            "{}: no interval of cece: {} rows, {} classes and {} resamples take too long",
            rows.file,
            scored.rows(),
            scored.classes,
            wanted.resamples
        ));
        None
    };
    let groups = rows.groups.as_ref().map(|groups| {
        let states = passed.groups.into_iter();
        let states = states.map(|(index, state)| (index, State::Scores(Box::new(state))));
        grouped(groups, states, settings, wanted)
    });
    let scores = format!("{} of type {}", scored.kind, scored.scores.element());
    Ok(Measured {
        file: rows.file.clone(),
        scores,
        samples,
        ignored: scored.rows() as u64 - samples,
        classes: Some(scored.classes),
        settings: *settings,
        values: state.values(),
        intervals: drawn(&passed.summary, settings, wanted, classwise)?,
        calibrated: calibrated(&state, settings, wanted),
        groups,
        state,
    })
}

fn of_top_labels(
    rows: &Rows,
    top: &TopLabelRows,
    settings: &Settings,
    wanted: &Intervals,
) -> Result<Measured> {
    let all = TopLabels::new_in(&top.confidences, &top.correct, top.precision)?;
    let labels = top.labels.as_deref();
    let metrics = TopLabelMetrics::measure(settings, &all, labels)?;
    let state = State::TopLabels(Box::new(metrics));
    let groups = match &rows.groups {
        None => None,
        Some(groups) => {
            let mut states = Vec::new();
            for group in 0..groups.names.len() as u32 {
                let members = (0..).zip(&groups.of_row).filter(|(_, of)| **of == group);
                let members: Vec<u32> = members.map(|(row, _)| row).collect();
                let labels: Option<Vec<i64>> =
                    labels.map(|labels| members.iter().map(|&row| labels[row as usize]).collect());
                let rows = all.select(&members);
                let metrics = TopLabelMetrics::measure(settings, &rows, labels.as_deref())?;
                states.push((group, State::TopLabels(Box::new(metrics))));
            }
            Some(grouped(groups, states.into_iter(), settings, wanted))
        }
    };
    let summary = Summary::of_top_labels(&all, labels);
    Ok(Measured {
        file: rows.file.clone(),
        scores: "confidences of predictions".into(),
        samples: state.n(),
        ignored: 0,
        classes: None,
        settings: *settings,
        values: state.values(),
        intervals: drawn(&summary, settings, wanted, None)?,
        calibrated: calibrated(&state, settings, wanted),
        groups,
        state,
    })
}

/// Measures predictions that were made from the rows of another measurement.
pub(crate) fn measure_predictions(
    predictions: &Predictions<'_>,
    settings: &Settings,
    of: &Measured,
) -> Result<Measured> {
    let mut metrics = score_metrics(settings)?;
    metrics.update(predictions)?;
    let state = State::Scores(Box::new(metrics));
    Ok(Measured {
        file: of.file.clone(),
        scores: "calibrated probabilities".into(),
        samples: state.n(),
        ignored: of.ignored,
        classes: of.classes,
        settings: *settings,
        values: state.values(),
        intervals: [const { None }; KEYS.len()],
        calibrated: Vec::new(),
        groups: None,
        state,
    })
}

/// Checks the settings of the intervals.
pub(crate) fn check(wanted: &Intervals) -> Result<()> {
    ensure!(wanted.resamples > 0, "--resamples 0: expected at least 1, or --no-intervals");
    ensure!(
        wanted.level > 0.0 && wanted.level < 1.0,
        "--level {}: expected between 0 and 1",
        wanted.level
    );
    Ok(())
}

fn drawn(
    summary: &Summary,
    settings: &Settings,
    wanted: &Intervals,
    classwise: Option<Classwise>,
) -> Result<[Option<mbls_core::bootstrap::Interval>; KEYS.len()]> {
    if wanted.no_intervals {
        return Ok([const { None }; KEYS.len()]);
    }
    let values = Resampler::new(summary, settings, classwise.as_ref())?
        .values(wanted.resamples, wanted.seed);
    Ok(intervals(&values, wanted.level))
}

/// Returns the range of errors of a calibrated model.
fn calibrated(state: &State, settings: &Settings, wanted: &Intervals) -> Vec<(Key, Consistency)> {
    let Some(sorted) = state.sorted().filter(|_| !wanted.no_intervals) else { return Vec::new() };
    let range = |key: Key, statistic: &(dyn Fn(&SortedTopLabels) -> f64 + Sync)| {
        let Intervals { level, seed, .. } = *wanted;
        let most = if key == Key::Smece { SMOOTH_RESAMPLES } else { usize::MAX };
        let resamples = wanted.resamples.min(most);
        Some((key, sorted.consistency(resamples, level, seed, statistic)?))
    };
    let smooth = |rows: &SortedTopLabels| rows.smooth_ece(SmoothConvention::default()).value;
    [
        range(Key::Ece, &|rows| ece(rows, settings)),
        // The published code's adaptive ECE leaves out rows, so its range would be another.
        if settings.reference { None } else { range(Key::Aece, &|rows| aece(rows, settings)) },
        range(Key::Mce, &|rows| mce(rows, settings)),
        range(Key::Smece, &smooth),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn grouped(
    groups: &Groups,
    states: impl Iterator<Item = (u32, State)>,
    settings: &Settings,
    wanted: &Intervals,
) -> Grouped {
    let of = |(index, state): (u32, State)| {
        let Intervals { resamples, level, seed, no_intervals } = *wanted;
        let sorted = state.sorted().filter(|_| !no_intervals);
        let calibrated = sorted
            .and_then(|rows| rows.consistency(resamples, level, seed, |rows| ece(rows, settings)));
        Group {
            name: groups.names[index as usize].clone(),
            samples: state.n(),
            values: state.values(),
            calibrated,
        }
    };
    // A group of which all rows are ignored has no state.
    Grouped { by: groups.by.clone(), groups: states.map(of).collect() }
}

/// Suspects labels that count from another number than the classes do.
fn suspect_shift(shifts: Shifts, samples: u64, file: &str, messages: &mut Messages<'_>) {
    let Shifts { same, after, before } = shifts;
    let percent = |count: u64| 100.0 * count as f64 / samples as f64;
    // A model whose errors are mostly the next class is right more often than not.
    let suspicious = |shifted: u64| shifted > 2 * same && 2 * shifted > samples;
    if suspicious(after) {
        messages.warning(format_args!(
            "{file}: {:.1} % of the labels are the prediction + 1 and {:.1} % the prediction: if \
             the labels count from 1, give --one-based",
            percent(after),
            percent(same)
        ));
    } else if suspicious(before) {
        messages.warning(format_args!(
            "{file}: {:.1} % of the labels are the prediction - 1 and {:.1} % the prediction: do \
             the scores have a class more, or do the labels begin elsewhere?",
            percent(before),
            percent(same)
        ));
    }
}
