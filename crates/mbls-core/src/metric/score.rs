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
        fn is_finite(&self) -> bool;
        /// The maximum, `None` where a score is not finite or there is none.
        fn finite_max(scores: &[Self]) -> Option<Self>;
        fn keep(scores: &[Self]) -> Scores;
    }

    macro_rules! number {
        ($type:ident, $signed:ident, $unsigned:ident, $kept:ident) => {
            impl Number for $type {
                const ZERO: Self = 0.0;

                fn is_finite(&self) -> bool {
                    (*self).is_finite()
                }

                /// In integers, which are compared in vectors: floats are ordered as their bits are, with the bits of
                /// negative ones turned over, and those that are not finite have the largest magnitudes.
                #[inline(always)]
                fn finite_max(scores: &[Self]) -> Option<Self> {
                    const MAGNITUDE: $signed = $signed::MAX;
                    let turned = |bits: $signed| bits ^ ((bits >> ($signed::BITS - 1)) & MAGNITUDE);
                    let (mut max, mut magnitude) = ($signed::MIN, 0);
                    for score in scores {
                        let bits = score.to_bits() as $signed;
                        max = max.max(turned(bits));
                        magnitude = magnitude.max(bits & MAGNITUDE);
                    }
                    let finite = magnitude < $type::INFINITY.to_bits() as $signed && !scores.is_empty();
                    finite.then(|| $type::from_bits(turned(max) as $unsigned))
                }

                fn keep(scores: &[Self]) -> Scores {
                    Scores::$kept(scores.to_vec())
                }
            }
        };
    }

    number!(f32, i32, u32, F32);
    number!(f64, i64, u64, F64);
}
