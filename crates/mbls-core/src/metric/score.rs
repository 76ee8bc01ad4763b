/// A type that logits and probabilities may have: `f32` or `f64`.
///
/// Metrics compute in f64 whatever the scores are given in.
pub trait Score: Copy + Send + Sync + PartialOrd + Into<f64> + sealed::Number {}

impl Score for f32 {}
impl Score for f64 {}

/// What the kernels need of a score; no part of the interface, so that no other type can be one.
mod sealed {
    use crate::metric::predictions::Scores;
    use crate::metric::softmax::{GROUP, Sums, add_exps_f32, transpose_f32};

    pub trait Number: Sized {
        const ZERO: Self;
        const LOWEST: Self;
        fn is_finite(&self) -> bool;
        /// Whether all are finite.
        fn all_finite(scores: &[Self]) -> bool;
        fn keep(scores: &[Self]) -> Scores<'_>;
        /// Transposes eight rows where the machine has instructions for it: whether it has.
        fn transpose(rows: &[Self], classes: usize, columns: &mut [[Self; GROUP]]) -> bool;
        /// Adds exponentials to sums where the machine has instructions for it: whether it has.
        fn add_exps(scores: &[[Self; GROUP]], max: &[f64; GROUP], inverse_temperature: f64, sums: &mut Sums) -> bool;
    }

    macro_rules! number {
        ($type:ident, $unsigned:ident, $kept:ident, $transpose:expr, $add_exps:expr) => {
            impl Number for $type {
                const ZERO: Self = 0.0;
                const LOWEST: Self = $type::NEG_INFINITY;

                fn is_finite(&self) -> bool {
                    (*self).is_finite()
                }

                /// In integers, which are compared in vectors: what is not finite has the largest magnitudes.
                #[inline(always)]
                fn all_finite(scores: &[Self]) -> bool {
                    let magnitude = |score: &Self| score.to_bits() & ($unsigned::MAX >> 1);
                    scores.iter().fold(0, |max, score| magnitude(score).max(max)) < $type::INFINITY.to_bits()
                }

                fn keep(scores: &[Self]) -> Scores<'_> {
                    Scores::$kept(scores.into())
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

    number!(f32, u32, F32, transpose_f32, add_exps_f32);
    number!(f64, u64, F64, |_, _, _| false, |_, _, _, _| false);
}
