use super::array::Array;
use super::element::ElementType;
use anyhow::{Result, bail, ensure};
use bytemuck::Pod;
use half::{bf16, f16};
use mbls_core::metric::{LabelledScores, Labels, Precision, ScoreSlice, ScoreType, UnlabelledRows};
use std::fmt;
use std::ops::Range;

/// What scores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScoreKind {
    Logits,
    Probs,
    /// One probability per row: that of class 1 of two classes.
    Binary,
}

impl fmt::Display for ScoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logits => "logits",
            Self::Probs => "probabilities",
            Self::Binary => "probabilities of class 1",
        })
    }
}

/// Rows of scores in a file, which are read in blocks.
///
/// An array is planes `[outer, width, inner]`: a row is a place of outer and inner, and has one
/// score in each of the `width` planes. `[N, C]` is `[N, C, 1]`, in Fortran order `[1, C, N]`, and
/// `[N, C, H, W]` is `[N, C, H W]`.
#[derive(Debug)]
pub(crate) struct ScoreRows {
    array: Array,
    outer: usize,
    width: usize,
    inner: usize,
}

/// The scores of some consecutive rows, row by row.
pub(crate) enum Block {
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl ScoreRows {
    pub(crate) fn new(array: Array) -> Result<Self> {
        ensure!(
            array.element.is_float(),
            "scores of type {}: expected floating-point numbers",
            array.element
        );
        let (outer, width, inner) = match array.shape[..] {
            [rows] => (rows, 1, 1),
            [rows, classes] if array.fortran => (1, classes, rows),
            [rows, classes] => (rows, classes, 1),
            [_, _, _, _] if array.fortran => bail!(
                "scores of shape {:?} are in Fortran order: save numpy.ascontiguousarray of them",
                array.shape
            ),
            [images, classes, height, width] => {
                // The product is part of the number of elements, which was checked.
                (images, classes, height * width)
            }
            _ => bail!(
                "scores of shape {:?}: expected [N, C], [N, C, H, W], or [N] probabilities of class 1",
                array.shape
            ),
        };
        ensure!(array.len() > 0, "empty: scores of shape {:?}", array.shape);
        Ok(Self { array, outer, width, inner })
    }

    pub(crate) fn rows(&self) -> usize {
        self.outer * self.inner
    }

    /// Returns the number of scores of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn element(&self) -> ElementType {
        self.array.element
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.array.shape
    }

    /// Returns the precision of the type of the scores.
    pub(crate) fn precision(&self) -> Precision {
        match self.array.element {
            ElementType::F16 => Precision::F16,
            ElementType::Bf16 => Precision::Bf16,
            ElementType::F32 => Precision::F32,
            _ => Precision::F64,
        }
    }

    /// Reads the scores of a range of rows.
    pub(crate) fn block(&self, rows: Range<usize>) -> Result<Block> {
        Ok(match self.array.element {
            ElementType::F16 => Block::F16(self.read(rows)?),
            ElementType::Bf16 => Block::Bf16(self.read(rows)?),
            ElementType::F32 => Block::F32(self.read(rows)?),
            ElementType::F64 => Block::F64(self.read(rows)?),
            other => bail!("scores of type {other}: expected floating-point numbers"),
        })
    }

    fn read<T: Pod>(&self, rows: Range<usize>) -> Result<Vec<T>> {
        let (width, inner) = (self.width, self.inner);
        let mut scores = vec![T::zeroed(); rows.len() * width];
        if inner == 1 {
            self.array.read(rows.start * width..rows.end * width, &mut scores)?;
            return Ok(scores);
        }
        let mut plane = vec![T::zeroed(); rows.len().min(inner)];
        let mut row = rows.start;
        while row < rows.end {
            let (outer, place) = (row / inner, row % inner);
            let count = (inner - place).min(rows.end - row);
            for class in 0..width {
                let first = (outer * width + class) * inner + place;
                self.array.read(first..first + count, &mut plane[..count])?;
                let of_class = scores[(row - rows.start) * width + class..].iter_mut();
                for (score, &read) in of_class.step_by(width).zip(&plane[..count]) {
                    *score = read;
                }
            }
            row += count;
        }
        Ok(scores)
    }
}

impl Block {
    pub(crate) fn scores(&self) -> ScoreSlice<'_> {
        match self {
            Self::F16(scores) => scores.into(),
            Self::Bf16(scores) => scores.into(),
            Self::F32(scores) => scores.into(),
            Self::F64(scores) => scores.into(),
        }
    }

    /// Checks the rows of the block, without labels.
    pub(crate) fn unlabelled(
        &self,
        kind: ScoreKind,
        classes: usize,
        precision: Precision,
    ) -> mbls_core::Result<UnlabelledRows<'_>> {
        fn of<T: ScoreType>(
            scores: &[T],
            kind: ScoreKind,
            classes: usize,
            precision: Precision,
        ) -> mbls_core::Result<UnlabelledRows<'_>> {
            match kind {
                ScoreKind::Logits => UnlabelledRows::from_logits(scores, classes),
                ScoreKind::Probs => UnlabelledRows::from_probs_in(scores, classes, precision),
                ScoreKind::Binary => UnlabelledRows::from_binary_in(scores, precision),
            }
        }
        match self {
            Self::F16(scores) => of(scores, kind, classes, precision),
            Self::Bf16(scores) => of(scores, kind, classes, precision),
            Self::F32(scores) => of(scores, kind, classes, precision),
            Self::F64(scores) => of(scores, kind, classes, precision),
        }
    }

    /// Describes the rows of the block for mbls-core.
    pub(crate) fn labelled<'a>(
        &'a self,
        kind: ScoreKind,
        classes: usize,
        labels: impl Into<Labels<'a>>,
    ) -> LabelledScores<'a> {
        match kind {
            ScoreKind::Logits => LabelledScores::logits(self.scores(), classes, labels),
            ScoreKind::Probs => LabelledScores::probs(self.scores(), classes, labels),
            ScoreKind::Binary => LabelledScores::binary(self.scores(), labels),
        }
    }
}
