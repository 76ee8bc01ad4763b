//! Transposition of f32 rows to columns with machine-specific instructions.

use super::LANES;

/// Transposes eight rows in squares of eight classes, the last of which overlaps the one before.
/// Returns `false` without doing anything if the machine has no instructions for it or there are
/// fewer classes than a square.
pub(super) fn transpose_f32(rows: &[f32], classes: usize, columns: &mut [[f32; LANES]]) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use crate::simd::Machine;
        if classes >= LANES && !matches!(Machine::here(), Machine::Base) {
            // SAFETY: machines of the other kinds have AVX2.
            unsafe { avx2::transpose(rows, classes, columns) };
            return true;
        }
    }
    let _ = (rows, classes, columns);
    false
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::LANES;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn transpose(rows: &[f32], classes: usize, columns: &mut [[f32; LANES]]) {
        for square in (0..classes).step_by(LANES) {
            let first = square.min(classes - LANES);
            let mut row = [_mm256_setzero_ps(); LANES];
            for lane in 0..LANES {
                let scores = &rows[lane * classes + first..][..LANES];
                // SAFETY: the slice has the eight numbers that are read.
                row[lane] = unsafe { _mm256_loadu_ps(scores.as_ptr()) };
            }
            let [a, b, c, d] = four_rows([row[0], row[1], row[2], row[3]]);
            let [e, f, g, h] = four_rows([row[4], row[5], row[6], row[7]]);
            let transposed = [
                _mm256_permute2f128_ps::<0x20>(a, e),
                _mm256_permute2f128_ps::<0x20>(b, f),
                _mm256_permute2f128_ps::<0x20>(c, g),
                _mm256_permute2f128_ps::<0x20>(d, h),
                _mm256_permute2f128_ps::<0x31>(a, e),
                _mm256_permute2f128_ps::<0x31>(b, f),
                _mm256_permute2f128_ps::<0x31>(c, g),
                _mm256_permute2f128_ps::<0x31>(d, h),
            ];
            for (column, scores) in columns[first..first + LANES].iter_mut().zip(transposed) {
                // SAFETY: the column has the eight numbers that are written.
                unsafe { _mm256_storeu_ps(column.as_mut_ptr(), scores) };
            }
        }
    }

    /// Transposes classes 0 to 3 and 4 to 7 of four rows. Vector `k` of the result has class `k` in
    /// its lower half and class `4 + k` in its upper half.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn four_rows([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
        let (ab_high, cd_high) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
        [
            _mm256_shuffle_ps::<0x44>(ab, cd),
            _mm256_shuffle_ps::<0xee>(ab, cd),
            _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
            _mm256_shuffle_ps::<0xee>(ab_high, cd_high),
        ]
    }
}
