use super::precision::Precision;
use super::score_slice::{ScoreSlice, Slice};
use super::softmax::Number;
use super::stored_scores::StoredScores;
use std::borrow::Cow;

/// A type of logits and probabilities: `f32`, `f64`, or [`half`]'s `f16` and `bf16`.
///
/// Metrics compute in f64 for all types. Logits in half precision are copied as f32.
pub trait ScoreType: Number + sealed::Stored {
    /// The precision of the type, which is used to validate probabilities if no other precision is
    /// declared.
    const PRECISION: Precision;
}

impl ScoreType for f32 {
    const PRECISION: Precision = Precision::F32;
}

impl ScoreType for f64 {
    const PRECISION: Precision = Precision::F64;
}

impl ScoreType for half::f16 {
    const PRECISION: Precision = Precision::F16;
}

impl ScoreType for half::bf16 {
    const PRECISION: Precision = Precision::Bf16;
}

/// Stores scores until their probabilities are needed. Private, so no other type can be a score.
mod sealed {
    use super::{ScoreSlice, StoredScores};

    pub trait Stored: Sized {
        /// Borrows scores, or converts them to a wider type.
        fn keep(scores: &[Self]) -> StoredScores<'_>;
        /// Stores scores, or converts them to a wider type.
        fn keep_owned(scores: Vec<Self>) -> StoredScores<'static>;
        /// Returns the scores as a slice with a dynamic type.
        fn slice(scores: &[Self]) -> ScoreSlice<'_>;
    }
}

impl sealed::Stored for f32 {
    fn keep(scores: &[Self]) -> StoredScores<'_> {
        StoredScores::F32(Cow::Borrowed(scores))
    }

    fn keep_owned(scores: Vec<Self>) -> StoredScores<'static> {
        StoredScores::F32(scores.into())
    }

    fn slice(scores: &[Self]) -> ScoreSlice<'_> {
        ScoreSlice(Slice::F32(scores))
    }
}

impl sealed::Stored for f64 {
    fn keep(scores: &[Self]) -> StoredScores<'_> {
        StoredScores::F64(Cow::Borrowed(scores))
    }

    fn keep_owned(scores: Vec<Self>) -> StoredScores<'static> {
        StoredScores::F64(scores.into())
    }

    fn slice(scores: &[Self]) -> ScoreSlice<'_> {
        ScoreSlice(Slice::F64(scores))
    }
}

/// The conversion is exact: f32 represents every number of half precision.
fn widened<T: Copy + Into<f32>>(scores: &[T]) -> StoredScores<'_> {
    StoredScores::F32(scores.iter().map(|&score| score.into()).collect())
}

impl sealed::Stored for half::f16 {
    fn keep(scores: &[Self]) -> StoredScores<'_> {
        widened(scores)
    }

    fn keep_owned(scores: Vec<Self>) -> StoredScores<'static> {
        widened(&scores).into_owned()
    }

    fn slice(scores: &[Self]) -> ScoreSlice<'_> {
        ScoreSlice(Slice::F16(scores))
    }
}

impl sealed::Stored for half::bf16 {
    fn keep(scores: &[Self]) -> StoredScores<'_> {
        widened(scores)
    }

    fn keep_owned(scores: Vec<Self>) -> StoredScores<'static> {
        widened(&scores).into_owned()
    }

    fn slice(scores: &[Self]) -> ScoreSlice<'_> {
        ScoreSlice(Slice::Bf16(scores))
    }
}

impl<'a, T: ScoreType> From<&'a [T]> for ScoreSlice<'a> {
    fn from(scores: &'a [T]) -> Self {
        sealed::Stored::slice(scores)
    }
}

impl<'a, T: ScoreType> From<&'a Vec<T>> for ScoreSlice<'a> {
    fn from(scores: &'a Vec<T>) -> Self {
        sealed::Stored::slice(scores)
    }
}

impl<'a, T: ScoreType, const N: usize> From<&'a [T; N]> for ScoreSlice<'a> {
    fn from(scores: &'a [T; N]) -> Self {
        sealed::Stored::slice(scores)
    }
}
