//! [`exp_sums`](super::exp_sums) of f32 with machine-specific instructions.

use super::{LANES, Sums};

/// Adds exponentials to sums with special instructions, bit-identical to the portable code. Returns
/// `false` without doing anything if the machine does not use them.
///
/// Wider vectors are left to the compiler, whose code has not been compared.
#[inline(always)]
pub(super) fn add_exps_f32(
    scores: &[[f32; LANES]],
    max: &[f64; LANES],
    inverse_temperature: f64,
    sums: &mut Sums,
) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        if matches!(crate::simd::Machine::here(), crate::simd::Machine::Avx2) {
            // Most callers have a factor of 1, which changes nothing.
            match inverse_temperature {
                // SAFETY: the machine has AVX2 and FMA.
                1.0 => unsafe { avx2::add_exps::<false>(scores, max, 1.0, sums) },
                // SAFETY: as above.
                b => unsafe { avx2::add_exps::<true>(scores, max, b, sums) },
            }
            return true;
        }
    }
    let _ = (scores, max, inverse_temperature, sums);
    false
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{LANES, Sums};
    use crate::simd::avx2::fused_exp;
    use std::arch::x86_64::*;

    /// The sums and sums of squares of the lower and the upper lanes.
    type HalfSums = [[__m256d; 2]; 2];

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn add_exps<const SCALED: bool>(
        scores: &[[f32; LANES]],
        max: &[f64; LANES],
        inverse_temperature: f64,
        to: &mut Sums,
    ) {
        let max = halves(max);
        let mut sums = [halves(&to[0]), halves(&to[1])];
        let (pairs, last) = scores.as_chunks::<2>();
        for [a, b] in pairs {
            let ([a, b], [c, d]) = (
                exponents::<SCALED>(a, max, inverse_temperature),
                exponents::<SCALED>(b, max, inverse_temperature),
            );
            let [a, b, c, d] = fused_exp([a, b, c, d]);
            add([a, b], &mut sums);
            add([c, d], &mut sums);
        }
        for scores in last {
            add(fused_exp(exponents::<SCALED>(scores, max, inverse_temperature)), &mut sums);
        }
        for (to, halves) in to.iter_mut().zip(sums) {
            for (to, half) in to.as_chunks_mut::<4>().0.iter_mut().zip(halves) {
                // SAFETY: the chunk has the four numbers that are written.
                unsafe { _mm256_storeu_pd(to.as_mut_ptr(), half) };
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn exponents<const SCALED: bool>(
        scores: &[f32; LANES],
        max: [__m256d; 2],
        inverse_temperature: f64,
    ) -> [__m256d; 2] {
        // SAFETY: the array has the eight numbers that are read.
        let scores =
            unsafe { [_mm_loadu_ps(scores.as_ptr()), _mm_loadu_ps(scores.as_ptr().add(4))] };
        let mut exponents = max;
        for half in 0..2 {
            exponents[half] = _mm256_sub_pd(_mm256_cvtps_pd(scores[half]), max[half]);
            if SCALED {
                exponents[half] =
                    _mm256_mul_pd(exponents[half], _mm256_set1_pd(inverse_temperature));
            }
        }
        exponents
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add(e: [__m256d; 2], sums: &mut HalfSums) {
        for half in 0..2 {
            sums[0][half] = _mm256_add_pd(sums[0][half], e[half]);
            sums[1][half] = _mm256_fmadd_pd(e[half], e[half], sums[1][half]);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn halves(numbers: &[f64; LANES]) -> [__m256d; 2] {
        // SAFETY: the array has the eight numbers that are read.
        unsafe { [_mm256_loadu_pd(numbers.as_ptr()), _mm256_loadu_pd(numbers.as_ptr().add(4))] }
    }
}
