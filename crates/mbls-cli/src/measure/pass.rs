//! One pass over the rows of a file, in blocks on all threads.

use super::fault;
use super::key::Settings;
use super::state::{ScoreMetrics, score_metrics};
use super::summary::Summary;
use crate::input::{Groups, Scored};
use anyhow::Result;
use mbls_core::metric::{Metric, Predictions};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// What a pass returns.
pub(crate) struct Passed {
    pub(crate) metrics: ScoreMetrics,
    /// By the index of the group.
    pub(crate) groups: BTreeMap<u32, ScoreMetrics>,
    /// The rows that are not ignored, in the order of the file; empty if not asked for.
    pub(crate) summary: Summary,
    pub(crate) shifts: Shifts,
}

/// How many labels are the prediction, and the classes after and before it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shifts {
    pub(crate) same: u64,
    pub(crate) after: u64,
    pub(crate) before: u64,
}

struct Partial {
    metrics: ScoreMetrics,
    groups: BTreeMap<u32, ScoreMetrics>,
    summaries: Vec<(usize, Summary)>,
    shifts: Shifts,
}

/// Scores of a block: enough to outweigh the cost of a read, few enough to stay in the cache.
const BLOCK: usize = 1 << 17;

/// Returns the ranges of rows that are read at a time.
pub(crate) fn blocks(rows: &Scored) -> impl IndexedParallelIterator<Item = Range<usize>> {
    let count = rows.rows();
    let size = block_rows(rows);
    (0..count.div_ceil(size)).into_par_iter().map(move |block| range(block, size, count))
}

fn block_rows(rows: &Scored) -> usize {
    (BLOCK / rows.scores.width()).max(1)
}

fn range(block: usize, size: usize, count: usize) -> Range<usize> {
    block * size..((block + 1) * size).min(count)
}

/// Measures the rows.
///
/// # Errors
///
/// Returns the error of the first row that has one.
pub(crate) fn run(
    rows: &Scored,
    groups: Option<&Groups>,
    settings: &Settings,
    with_summary: bool,
) -> Result<Passed> {
    let empty = score_metrics(settings)?;
    let start = || Partial {
        metrics: empty.empty(),
        groups: BTreeMap::new(),
        summaries: Vec::new(),
        shifts: Shifts::default(),
    };
    let add = |mut partial: Partial, range: Range<usize>| -> Result<Partial> {
        let block = rows.block(range.clone())?;
        let predictions = rows
            .labelled(&block, range.clone())
            .predictions()
            .map_err(|error| fault::describe(error, rows, range.start))?;
        partial.metrics.update(&predictions)?;
        if let Some(groups) = groups {
            add_groups(&mut partial.groups, &predictions, rows, groups, range.clone(), &empty)?;
        }
        partial.shifts.add(&predictions);
        if with_summary {
            partial.summaries.push((range.start, Summary::of(&predictions, settings.nll_epsilon)));
        }
        Ok(partial)
    };
    let all = blocks(rows).try_fold(start, &add).try_reduce(start, merge);
    // Which of several errors a thread hits first is random, so search for the first row.
    let all = all.or_else(|_| {
        let (size, count) = (block_rows(rows), rows.rows());
        (0..count.div_ceil(size)).map(|block| range(block, size, count)).try_fold(start(), &add)
    })?;
    let Partial { metrics, groups, mut summaries, shifts } = all;
    summaries.sort_unstable_by_key(|(first, _)| *first);
    let mut summary = Summary::default();
    for (_, part) in summaries {
        summary.append(part);
    }
    Ok(Passed { metrics, groups, summary, shifts })
}

fn merge(mut a: Partial, mut b: Partial) -> Result<Partial> {
    a.metrics.merge(b.metrics)?;
    for (group, metrics) in b.groups {
        match a.groups.entry(group) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(metrics);
            }
            std::collections::btree_map::Entry::Occupied(mut place) => {
                place.get_mut().merge(metrics)?;
            }
        }
    }
    a.summaries.append(&mut b.summaries);
    a.shifts.same += b.shifts.same;
    a.shifts.after += b.shifts.after;
    a.shifts.before += b.shifts.before;
    Ok(a)
}

fn add_groups(
    states: &mut BTreeMap<u32, ScoreMetrics>,
    predictions: &Predictions<'_>,
    rows: &Scored,
    groups: &Groups,
    range: Range<usize>,
    empty: &ScoreMetrics,
) -> Result<()> {
    let mut members = BTreeMap::<u32, Vec<u32>>::new();
    let counted = range.filter(|&row| !rows.is_ignored(row));
    for (place, row) in (0..).zip(counted) {
        members.entry(groups.of_row[row]).or_default().push(place);
    }
    for (group, places) in members {
        let state = states.entry(group).or_insert_with(|| empty.empty());
        state.update(&predictions.select(&places))?;
    }
    Ok(())
}

impl Shifts {
    fn add(&mut self, predictions: &Predictions<'_>) {
        for row in 0..predictions.rows() {
            let (predicted, label) = (predictions.predicted(row), predictions.label(row));
            self.same += u64::from(predicted == label);
            self.after += u64::from(predicted.checked_add(1) == Some(label));
            self.before += u64::from(label.checked_add(1) == Some(predicted));
        }
    }
}
