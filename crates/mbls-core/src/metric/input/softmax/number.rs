//! The operations that the kernels need from a score type.

use super::exp_sums_f32::add_exps_f32;
use super::transpose_f32::transpose_f32;
use super::{LANES, Sums};
use half::{bf16, f16};

/// A type that the kernels can read. It is sealed, because the trait cannot be named outside of
/// this crate.
pub trait Number: Copy + Send + Sync + PartialOrd + Into<f64> {
    const ZERO: Self;
    const LOWEST: Self;
    /// Returns whether all scores are finite and all differences of two scores are within the range
    /// of f64.
    fn all_ordinary(scores: &[Self]) -> bool;
    /// Transposes eight rows if the machine has instructions for it, and returns whether it does.
    fn transpose(rows: &[Self], classes: usize, columns: &mut [[Self; LANES]]) -> bool;
    /// Adds exponentials to sums if the machine has instructions for it, and returns whether it
    /// does.
    fn add_exps(
        scores: &[[Self; LANES]],
        max: &[f64; LANES],
        inverse_temperature: f64,
        sums: &mut Sums,
    ) -> bool;
}

macro_rules! number {
    ($type:ty, $unsigned:ident, $zero:expr, $beyond:expr, $transpose:expr, $add_exps:expr) => {
        impl Number for $type {
            const ZERO: Self = $zero;
            const LOWEST: Self = <$type>::NEG_INFINITY;

            /// Compares integers, which vectorises: non-finite numbers have the largest magnitudes.
            #[inline(always)]
            fn all_ordinary(scores: &[Self]) -> bool {
                let magnitude = |score: &Self| score.to_bits() & ($unsigned::MAX >> 1);
                scores.iter().fold(0, |max, score| magnitude(score).max(max)) < $beyond.to_bits()
            }

            #[inline(always)]
            fn transpose(rows: &[Self], classes: usize, columns: &mut [[Self; LANES]]) -> bool {
                $transpose(rows, classes, columns)
            }

            #[inline(always)]
            fn add_exps(
                scores: &[[Self; LANES]],
                max: &[f64; LANES],
                b: f64,
                sums: &mut Sums,
            ) -> bool {
                $add_exps(scores, max, b, sums)
            }
        }
    };
}

number!(f32, u32, 0.0, f32::INFINITY, transpose_f32, add_exps_f32);
number!(f64, u64, 0.0, f64::MAX / 2.0, |_, _, _| false, |_, _, _, _| false);
number!(f16, u16, f16::ZERO, f16::INFINITY, |_, _, _| false, |_, _, _, _| false);
number!(bf16, u16, bf16::ZERO, bf16::INFINITY, |_, _, _| false, |_, _, _, _| false);
