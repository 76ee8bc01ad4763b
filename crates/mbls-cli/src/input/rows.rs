use super::groups::Groups;
use super::score_rows::{Block, ScoreKind, ScoreRows};
use anyhow::{Context, Result};
use mbls_core::metric::{LabelledScores, Precision};
use std::ops::Range;

/// The rows of a file of predictions: what every command consumes.
#[derive(Debug)]
pub(crate) struct Rows {
    /// The file's name as the user gave it.
    pub(crate) file: String,
    pub(crate) content: Content,
    pub(crate) groups: Option<Groups>,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// Scores of every class.
    Scores(Scored),
    /// Confidence and correctness alone.
    TopLabels(TopLabelRows),
}

/// Rows of scores with labels.
#[derive(Debug)]
pub(crate) struct Scored {
    pub(crate) scores: ScoreRows,
    /// The array or columns of the scores.
    pub(crate) name: String,
    pub(crate) kind: ScoreKind,
    /// The type that probabilities were computed in.
    pub(crate) precision: Precision,
    pub(crate) classes: usize,
    /// Labels that count from 0, one per row: classes, or [`ignored`](Self::ignored).
    pub(crate) labels: Vec<i64>,
    /// The label whose rows are left out.
    pub(crate) ignored: i64,
}

/// Rows of which only the prediction was saved.
#[derive(Debug)]
pub(crate) struct TopLabelRows {
    pub(crate) confidences: Vec<f64>,
    pub(crate) correct: Vec<bool>,
    /// The label of each row, if they are integers.
    pub(crate) labels: Option<Vec<i64>>,
    pub(crate) precision: Precision,
}

impl Scored {
    pub(crate) fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Reads a block of rows.
    pub(crate) fn block(&self, rows: Range<usize>) -> Result<Block> {
        let place = || format!("{:?}, rows {} to {}", self.name, rows.start, rows.end);
        self.scores.block(rows.clone()).with_context(place)
    }

    /// Describes a block of rows, which [`block`](Self::block) has read, for mbls-core.
    pub(crate) fn labelled<'a>(
        &'a self,
        block: &'a Block,
        rows: Range<usize>,
    ) -> LabelledScores<'a> {
        block
            .labelled(self.kind, self.classes, &self.labels[rows])
            .in_precision(self.precision)
            .ignoring(std::slice::from_ref(&self.ignored))
    }

    /// Names a row: by its number, or by its place in an image.
    pub(crate) fn place(&self, row: usize) -> String {
        let [_, _, height, width] = self.scores.shape()[..] else { return format!("row {row}") };
        let (image, pixel) = (row / (height * width), row % (height * width));
        format!("image {image}, y {}, x {}", pixel / width, pixel % width)
    }

    pub(crate) fn is_ignored(&self, row: usize) -> bool {
        self.labels[row] == self.ignored
    }
}
