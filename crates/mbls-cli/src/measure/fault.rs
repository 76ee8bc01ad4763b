//! What is wrong with the scores of a row.

use super::pass::blocks;
use crate::input::{ScoreKind, Scored};
use anyhow::{Error, Result, anyhow};
use rayon::prelude::*;

/// Describes an error of rows that begin at row `first` of the file.
pub(crate) fn describe(error: mbls_core::Error, rows: &Scored, first: usize) -> Error {
    let name = &rows.name;
    match error {
        mbls_core::Error::Value { what, value, row, class, expected } => {
            let place = rows.place(first + row);
            let others = if value.is_finite() { String::new() } else { count_not_finite(rows) };
            let hint = match rows.kind {
                _ if !value.is_finite() => "",
                ScoreKind::Probs => "; if these are logits, give --logits",
                _ if (-1e-3..=1.001).contains(&value) => {
                    "; if a shorter type has rounded it, give --precision"
                }
                _ => "",
            };
            anyhow!(
                "{name:?}: {what} {value} at {place}, class {class}: expected {expected}{others}{hint}"
            )
        }
        mbls_core::Error::ProbabilitySum { row, sum } => {
            let place = rows.place(first + row);
            let tolerance = rows.precision.sum_tolerance(rows.classes);
            anyhow!(
                "{name:?}: the probabilities of {place} sum to {sum}: expected 1 within \
                 {tolerance:.1e}; if these are logits, give --logits"
            )
        }
        mbls_core::Error::Label { label, row, classes } => {
            let place = rows.place(first + row);
            anyhow!("label {label} at {place}: expected a class from 0 to {}", classes - 1)
        }
        other => Error::new(other).context(format!("{name:?}")),
    }
}

/// Says how many rows have a score that is NaN or infinite, and which are the first.
fn count_not_finite(rows: &Scored) -> String {
    const NAMED: usize = 5;
    let width = rows.scores.width();
    // Without labels every row has the label that is ignored.
    let unlabelled = (0..rows.rows()).all(|row| rows.is_ignored(row));
    let wrong = |score: &f64| score.is_nan() || *score == f64::INFINITY;
    let of_block = |range: std::ops::Range<usize>| -> Result<Vec<usize>> {
        let scores = rows.block(range.clone())?.scores().to_f64();
        let all = range.zip(scores.chunks_exact(width));
        let wrong = all.filter(|(row, scores)| {
            (unlabelled || !rows.is_ignored(*row)) && scores.iter().any(wrong)
        });
        Ok(wrong.map(|(row, _)| row).collect())
    };
    let Ok(found) = blocks(rows).map(of_block).collect::<Result<Vec<_>>>() else {
        return String::new();
    };
    let found: Vec<usize> = found.into_iter().flatten().collect();
    if found.len() < 2 {
        return String::new();
    }
    let named: Vec<String> = found.iter().take(NAMED).map(|&row| rows.place(row)).collect();
    let more = if found.len() > NAMED { ", .." } else { "" };
    format!(
        " ({} of {} rows have NaN or infinite scores: {}{more})",
        found.len(),
        rows.rows(),
        named.join("; ")
    )
}
