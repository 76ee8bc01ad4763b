use std::ops::Range;

/// Borrowed logits, probabilities or other scores of any type that is a
/// [`ScoreType`](crate::metric::ScoreType).
///
/// ```
/// use mbls_core::metric::ScoreSlice;
///
/// assert_eq!(ScoreSlice::from(&[0.5f32, 1.0, 2.0]).len(), 3);
/// assert_eq!(ScoreSlice::from(&[half::f16::ONE]).to_f64(), [1.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreSlice<'a>(pub(in crate::metric) Slice<'a>);

/// Borrowed scores, one variant per type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::metric) enum Slice<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    F16(&'a [half::f16]),
    Bf16(&'a [half::bf16]),
}

/// Evaluates an expression with the scores as a typed slice.
macro_rules! with_scores {
    ($scores:expr, $slice:ident => $body:expr) => {
        match $scores.0 {
            $crate::metric::input::score_slice::Slice::F32($slice) => $body,
            $crate::metric::input::score_slice::Slice::F64($slice) => $body,
            $crate::metric::input::score_slice::Slice::F16($slice) => $body,
            $crate::metric::input::score_slice::Slice::Bf16($slice) => $body,
        }
    };
}

pub(in crate::metric) use with_scores;

/// Converts scores to f64, which represents every score type exactly.
pub(in crate::metric) fn numbers<T: Copy + Into<f64>>(
    scores: &[T],
) -> impl ExactSizeIterator<Item = f64> {
    scores.iter().map(|&score| score.into())
}

impl<'a> ScoreSlice<'a> {
    /// Returns the number of scores.
    pub fn len(&self) -> usize {
        with_scores!(self, scores => scores.len())
    }

    /// Returns whether there are no scores.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a range of the scores.
    ///
    /// # Panics
    ///
    /// Panics if the range is not within the scores.
    #[must_use]
    pub fn range(&self, range: Range<usize>) -> Self {
        Self(match self.0 {
            Slice::F32(scores) => Slice::F32(&scores[range]),
            Slice::F64(scores) => Slice::F64(&scores[range]),
            Slice::F16(scores) => Slice::F16(&scores[range]),
            Slice::Bf16(scores) => Slice::Bf16(&scores[range]),
        })
    }

    /// Returns the scores if they are f32.
    pub fn as_f32(&self) -> Option<&'a [f32]> {
        match self.0 {
            Slice::F32(scores) => Some(scores),
            _ => None,
        }
    }

    /// Returns the scores in f64, which represents every score type exactly.
    pub fn to_f64(&self) -> Vec<f64> {
        with_scores!(self, scores => numbers(scores).collect())
    }
}
