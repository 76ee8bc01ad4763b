use super::Precision;

/// A type that logits and probabilities may have: `f32`, `f64`, or [`half`]'s `f16` and `bf16`.
///
/// Metrics compute in f64 whatever the scores are given in. Logits in half precision are copied as f32.
pub trait Score: Copy + Send + Sync + PartialOrd + Into<f64> + sealed::Number {
    /// The type's precision: by it probabilities are checked where none is declared.
    const PRECISION: Precision;
}

impl Score for f32 {
    const PRECISION: Precision = Precision::F32;
}

impl Score for f64 {
    const PRECISION: Precision = Precision::F64;
}

impl Score for half::f16 {
    const PRECISION: Precision = Precision::F16;
}

impl Score for half::bf16 {
    const PRECISION: Precision = Precision::Bf16;
}

/// What the kernels need of a score; no part of the interface, so that no other type can be one.
mod sealed {
    use crate::metric::predictions::Scores;
    use crate::metric::softmax::{GROUP, Sums, add_exps_f32, transpose_f32};
    use half::{bf16, f16};
    use std::borrow::Cow;

    pub trait Number: Sized {
        const ZERO: Self;
        const LOWEST: Self;
        /// Whether all are finite, and no difference of two is beyond f64.
        fn all_ordinary(scores: &[Self]) -> bool;
        fn keep(scores: &[Self]) -> Scores<'_>;
        /// Transposes eight rows where the machine has instructions for it: whether it has.
        fn transpose(rows: &[Self], classes: usize, columns: &mut [[Self; GROUP]]) -> bool;
        /// Adds exponentials to sums where the machine has instructions for it: whether it has.
        fn add_exps(scores: &[[Self; GROUP]], max: &[f64; GROUP], inverse_temperature: f64, sums: &mut Sums) -> bool;
    }

    macro_rules! number {
        ($type:ty, $unsigned:ident, $zero:expr, $beyond:expr, $keep:expr, $transpose:expr, $add_exps:expr) => {
            impl Number for $type {
                const ZERO: Self = $zero;
                const LOWEST: Self = <$type>::NEG_INFINITY;

                /// In integers, which are compared in vectors: what is not finite has the largest magnitudes.
                #[inline(always)]
                fn all_ordinary(scores: &[Self]) -> bool {
                    let magnitude = |score: &Self| score.to_bits() & ($unsigned::MAX >> 1);
                    scores.iter().fold(0, |max, score| magnitude(score).max(max)) < $beyond.to_bits()
                }

                fn keep(scores: &[Self]) -> Scores<'_> {
                    $keep(scores)
                }

                #[inline(always)]
                fn transpose(rows: &[Self], classes: usize, columns: &mut [[Self; GROUP]]) -> bool {
                    $transpose(rows, classes, columns)
                }

                #[inline(always)]
                fn add_exps(scores: &[[Self; GROUP]], max: &[f64; GROUP], b: f64, sums: &mut Sums) -> bool {
                    $add_exps(scores, max, b, sums)
                }
            }
        };
    }

    /// Exact: f32 has every number of half precision.
    fn widened<T: Copy + Into<f32>>(scores: &[T]) -> Scores<'_> {
        Scores::F32(scores.iter().map(|&score| score.into()).collect())
    }

    number!(f32, u32, 0.0, f32::INFINITY, |scores| Scores::F32(Cow::Borrowed(scores)), transpose_f32, add_exps_f32);
    number!(
        f64,
        u64,
        0.0,
        f64::MAX / 2.0,
        |scores| Scores::F64(Cow::Borrowed(scores)),
        |_, _, _| false,
        |_, _, _, _| { false }
    );
    number!(f16, u16, f16::ZERO, f16::INFINITY, widened, |_, _, _| false, |_, _, _, _| false);
    number!(bf16, u16, bf16::ZERO, bf16::INFINITY, widened, |_, _, _| false, |_, _, _, _| false);
}
