use crate::input::{ScoreKind, Scored};
use anyhow::Result;
use mbls_core::calibration::Scores;
use mbls_core::metric::Precision;

/// Rows of scores in memory, which is where calibrators are fitted.
pub(crate) struct Held {
    kind: ScoreKind,
    precision: Precision,
    pub(crate) classes: usize,
    /// `[rows, classes]`.
    values: Vec<f64>,
    /// Empty if labels are not known.
    pub(crate) labels: Vec<u32>,
}

impl Held {
    /// Reads the rows that are not ignored.
    pub(crate) fn labelled(rows: &Scored) -> Result<Self> {
        let mut held = Self::all(rows)?;
        let width = held.classes;
        let kept: Vec<usize> = (0..rows.rows()).filter(|&row| !rows.is_ignored(row)).collect();
        held.labels = kept.iter().filter_map(|&row| u32::try_from(rows.labels[row]).ok()).collect();
        if kept.len() < rows.rows() {
            let of = |&row: &usize| held.values[row * width..][..width].iter().copied();
            held.values = kept.iter().flat_map(of).collect();
        }
        Ok(held)
    }

    /// Reads the scores of all rows, without labels.
    pub(crate) fn all(rows: &Scored) -> Result<Self> {
        let mut values = rows.block(0..rows.rows())?.scores().to_f64();
        if rows.kind == ScoreKind::Binary {
            values = values.into_iter().flat_map(|p| [1.0 - p, p]).collect();
        }
        let Scored { kind, precision, classes, .. } = *rows;
        Ok(Self { kind, precision, classes, values, labels: Vec::new() })
    }

    pub(crate) fn scores(&self) -> mbls_core::Result<Scores> {
        self.of(&self.values)
    }

    /// Returns the scores and labels of some rows.
    pub(crate) fn select(&self, rows: &[usize]) -> mbls_core::Result<(Scores, Vec<u32>)> {
        let of = |&row: &usize| self.values[row * self.classes..][..self.classes].iter().copied();
        let values: Vec<f64> = rows.iter().flat_map(of).collect();
        Ok((self.of(&values)?, rows.iter().map(|&row| self.labels[row]).collect()))
    }

    fn of(&self, values: &[f64]) -> mbls_core::Result<Scores> {
        match self.kind {
            ScoreKind::Logits => Scores::from_logits(values, self.classes),
            ScoreKind::Probs | ScoreKind::Binary => {
                Scores::from_probs_in(values, self.classes, self.precision)
            }
        }
    }
}
