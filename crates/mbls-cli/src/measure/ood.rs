//! Whether scores tell rows like those of training from out-of-distribution rows.

use super::fault;
use super::pass::blocks;
use crate::argument::Intervals;
use crate::input::{ScoreKind, Scored};
use anyhow::{Result, ensure};
use mbls_core::bootstrap::{Interval, resample};
use mbls_core::metric::{
    LogitRows, Metric, OodDetection, OodReport, OodScore, OodScores, energy_scores,
};
use rayon::prelude::*;

/// A score, and how well it separates the two files.
pub(crate) struct Separation {
    pub(crate) name: &'static str,
    pub(crate) report: OodReport,
    /// The intervals of AUROC, AUPR of either side, and FPR at 95 % TPR.
    pub(crate) intervals: [Option<Interval>; 4],
}

pub(crate) const MEASURES: [&str; 4] = ["auroc", "aupr_in", "aupr_out", "fpr_at_95_tpr"];

/// Returns the measures of a report in the order of [`MEASURES`].
pub(crate) fn measures(report: &OodReport) -> [f64; 4] {
    [report.auroc, report.aupr_in, report.aupr_out, report.fpr_at_95_tpr]
}

const SCORES: [(&str, OodScore); 3] = [
    ("confidence", OodScore::Confidence),
    ("entropy", OodScore::Entropy),
    ("margin", OodScore::Margin),
];

/// Measures every score. The energy needs the logits of both files.
pub(crate) fn separate(
    inside: &Scored,
    outside: &Scored,
    wanted: &Intervals,
) -> Result<Vec<Separation>> {
    ensure!(
        inside.classes == outside.classes,
        "{} and {} classes: expected scores of one model",
        inside.classes,
        outside.classes
    );
    let energy = inside.kind == ScoreKind::Logits && outside.kind == ScoreKind::Logits;
    let (inside, outside) = (scores(inside, energy)?, scores(outside, energy)?);
    let names = SCORES.into_iter().map(|(name, _)| name).chain(["energy"]);
    names
        .zip(inside.iter().zip(&outside))
        .map(|(name, (inside, outside))| {
            let report = report(inside, outside)?;
            let intervals =
                if wanted.no_intervals { [None; 4] } else { intervals(inside, outside, wanted) };
            Ok(Separation { name, report, intervals })
        })
        .collect()
}

fn report(inside: &[f64], outside: &[f64]) -> Result<OodReport> {
    let mut detection = OodDetection::new();
    detection.update(OodScores::inside(inside)?)?;
    detection.update(OodScores::outside(outside)?)?;
    detection.value().ok_or_else(|| anyhow::anyhow!("no rows"))
}

/// Rows of both files are drawn together, so their numbers vary a little between resamples.
fn intervals(inside: &[f64], outside: &[f64], wanted: &Intervals) -> [Option<Interval>; 4] {
    let first_outside = inside.len();
    let of = |drawn: &[u32]| {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for &row in drawn {
            match (row as usize).checked_sub(first_outside) {
                None => a.push(inside[row as usize]),
                Some(row) => b.push(outside[row]),
            }
        }
        report(&a, &b).ok().map(|report| measures(&report))
    };
    let all = inside.len().saturating_add(outside.len());
    let values: Option<Vec<[f64; 4]>> = resample(all, wanted.resamples, wanted.seed, of)
        .and_then(|values| values.into_iter().collect());
    let Some(values) = values else { return [None; 4] };
    std::array::from_fn(|index| {
        let of_measure = values.iter().map(|values| values[index]).collect();
        Interval::of_values(of_measure, wanted.level)
    })
}

/// Returns the scores of all rows: those of [`SCORES`], and the energy if asked for.
fn scores(rows: &Scored, energy: bool) -> Result<Vec<Vec<f64>>> {
    let of_block = |range: std::ops::Range<usize>| -> Result<Vec<Vec<f64>>> {
        let block = rows.block(range.clone())?;
        let unlabelled = block
            .unlabelled(rows.kind, rows.classes, rows.precision)
            .map_err(|error| fault::describe(error, rows, range.start))?;
        let mut all: Vec<Vec<f64>> =
            SCORES.into_iter().map(|(_, score)| score.of(&unlabelled)).collect();
        if energy {
            all.push(energy_scores(LogitRows::new(block.scores(), rows.classes)?, 1.0)?);
        }
        Ok(all)
    };
    let parts = blocks(rows).map(of_block).collect::<Vec<_>>();
    let mut all = vec![Vec::new(); SCORES.len() + usize::from(energy)];
    // In the order of the rows, so that the first error is that of the first row.
    for part in parts {
        for (scores, part) in all.iter_mut().zip(part?) {
            scores.extend(part);
        }
    }
    Ok(all)
}
