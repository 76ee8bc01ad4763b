/// A type that logits and probabilities may have: `f32` or `f64`.
///
/// Metrics compute in f64 whatever the scores are given in.
pub trait Score: Copy + Send + Sync + PartialOrd + Into<f64> + sealed::Number {}

impl Score for f32 {}
impl Score for f64 {}

/// What the kernels need of a score; no part of the interface, so that no other type can be one.
mod sealed {
    use crate::metric::predictions::Scores;

    pub trait Number: Sized {
        const ZERO: Self;
        const LOWEST: Self;
        fn is_finite(&self) -> bool;
        /// Whether all are finite.
        fn all_finite(scores: &[Self]) -> bool;
        fn keep(scores: Vec<Self>) -> Scores;
    }

    macro_rules! number {
        ($type:ident, $unsigned:ident, $kept:ident) => {
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

                fn keep(scores: Vec<Self>) -> Scores {
                    Scores::$kept(scores)
                }
            }
        };
    }

    number!(f32, u32, F32);
    number!(f64, u64, F64);
}
