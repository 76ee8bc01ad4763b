//! Whether scores are logits or probabilities, found from their name and values.

use super::names::Hint;
use super::score_rows::{ScoreKind, ScoreRows};
use anyhow::{Result, bail, ensure};
use mbls_core::metric::Precision;

/// What the user said, and what the name says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) logits: bool,
    pub(crate) probs: bool,
    pub(crate) hint: Option<Hint>,
}

/// What a sample of the rows shows.
#[derive(Debug, Default)]
struct Evidence {
    rows: usize,
    /// The first score that is no probability: its row, class and value.
    outside: Option<(usize, usize, f64)>,
    /// The first row that does not sum to 1, and its sum.
    sum: Option<(usize, f64)>,
    /// Whether a score is not 1.
    other_than_1: bool,
}

/// The number of places in the file where rows are looked at, and of rows at each.
const PLACES: usize = 16;
const ROWS: usize = 64;

/// Decides what the scores are. Every row is checked later as what was decided.
pub(crate) fn find(
    scores: &ScoreRows,
    said: Said,
    precision: Precision,
    counts: impl Fn(usize) -> bool,
) -> Result<ScoreKind> {
    let binary = scores.width() == 1;
    if said.logits {
        ensure!(
            !binary,
            "--logits of one column: expected probabilities of class 1, or two columns"
        );
        return Ok(ScoreKind::Logits);
    }
    let probs = if binary { ScoreKind::Binary } else { ScoreKind::Probs };
    if said.probs {
        return Ok(probs);
    }
    let evidence = look(scores, precision, counts)?;
    if binary {
        ensure!(
            evidence.other_than_1 || scores.shape().len() == 1,
            "shape {:?} is one class, whose probability is 1: expected two classes or more",
            scores.shape()
        );
        let Some((row, _, value)) = evidence.outside else { return Ok(probs) };
        bail!(
            "one score per row, and {value} at row {row} is not a probability: expected \
             probabilities of class 1 from 0 to 1, or a column for each class"
        );
    }
    match (said.hint, evidence.outside, evidence.sum) {
        (Some(Hint::Logits), None, None) if evidence.rows > 0 => bail!(
            "the name says logits, but the rows looked at are probabilities: every one sums to 1; \
             say which they are with --logits or --probs"
        ),
        (Some(Hint::Logits), ..) | (None, Some(_), _) => Ok(ScoreKind::Logits),
        (Some(Hint::Probs), Some((row, class, value)), _) => bail!(
            "the name says probabilities, but row {row} has {value} for class {class}: expected \
             from 0 to 1; if these are logits, give --logits"
        ),
        (_, None, Some((row, sum))) => bail!(
            "scores from 0 to 1, but those of row {row} sum to {sum}: expected 1 for \
             probabilities; if these are logits, give --logits"
        ),
        (_, None, None) => Ok(probs),
    }
}

fn look(
    scores: &ScoreRows,
    precision: Precision,
    counts: impl Fn(usize) -> bool,
) -> Result<Evidence> {
    let (rows, width) = (scores.rows(), scores.width());
    let (rounding, tolerance) =
        (precision.rounding(width.max(2)), precision.sum_tolerance(width.max(2)));
    let mut evidence = Evidence::default();
    let mut next = 0;
    for place in 0..PLACES {
        // The last place ends with the last row.
        let first =
            (rows.saturating_sub(ROWS) as u128 * place as u128 / (PLACES as u128 - 1)) as usize;
        let range = first.max(next)..(first + ROWS).min(rows);
        if range.is_empty() {
            continue;
        }
        next = range.end;
        let block = scores.block(range.clone())?.scores().to_f64();
        for (row, scores) in range.zip(block.chunks_exact(width)).filter(|(row, _)| counts(*row)) {
            evidence.rows += 1;
            let outside = |score: &f64| *score < -rounding || *score > 1.0 + rounding;
            if let Some(class) = scores.iter().position(outside) {
                evidence.outside = evidence.outside.or(Some((row, class, scores[class])));
            }
            evidence.other_than_1 |= scores.iter().any(|&score| score != 1.0);
            let sum: f64 = scores.iter().sum();
            if (sum - 1.0).abs() > tolerance && width > 1 {
                evidence.sum = evidence.sum.or(Some((row, sum)));
            }
        }
    }
    Ok(evidence)
}
