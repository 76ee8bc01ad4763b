//! Exponential function and logarithm over the ranges that a softmax needs, in operations that
//! compile to vector instructions.
//!
//! The platform's functions differ between platforms in the last bit and take one number per call.
//! These use only elementary operations, each rounded separately, so results are bit-identical on
//! every machine and at every vector width.

/// Computes `e^x` for `x <= 0`, to within 1.5 units in the last place. Returns 0 below -708, where
/// the result would be subnormal, and NaN for NaN.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    exp_with(x, |a, b, c| a * b + c)
}

/// [`exp`] with fused multiply-add; the two differ in the last bits.
///
/// Fused multiply-add is one instruction where the machine has it and otherwise a function call
/// with the same result. Use it in kernels that are compiled for each machine.
#[inline(always)]
pub(crate) fn fused_exp(x: f64) -> f64 {
    exp_with(x, f64::mul_add)
}

/// Adding it leaves the nearest integer plus 1023, the biased exponent of its power of two, in the
/// low bits of the mantissa.
const ROUND: f64 = 6_755_399_441_055_744.0 + 1023.0; // 1.5 * 2^52 + 1023
/// The upper part of ln 2. It has 32 bits, so its product with an exponent is exact.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// The exponential is 0 below this.
const LOWEST: f64 = -708.0;
/// `(e^r - 1 - r) / r^2` for `|r| <= ln 2 / 2`: the polynomial that interpolates it at the
/// Chebyshev nodes. It makes an error of 2e-17 in `e^r`.
const C: [f64; 10] = [
    0.500_000_000_000_000_1,
    0.166_666_666_666_666_69,
    4.166_666_666_662_413e-2,
    8.333_333_333_330_062e-3,
    1.388_888_891_721_371_7e-3,
    1.984_126_986_305_186_3e-4,
    2.480_152_129_595_437_6e-5,
    2.755_726_845_999_706_4e-6,
    2.762_008_844_540_974_6e-7,
    2.510_038_549_551_032e-8,
];

#[inline(always)]
fn exp_with(x: f64, mul_add: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let shifted = mul_add(x, std::f64::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = mul_add(n, -LN_2_LOW, mul_add(n, -LN_2_HIGH, x));
    // Odd and even coefficients are evaluated separately: two independent chains of operations,
    // where Horner's form has one.
    let square = r * r;
    let (mut odd, mut even) = (C[9], C[8]);
    for k in [6, 4, 2, 0] {
        odd = mul_add(odd, square, C[k + 1]);
        even = mul_add(even, square, C[k]);
    }
    let tail = mul_add(odd, r, even);
    let power = f64::from_bits(shifted.to_bits() << 52);
    let value = (1.0 + mul_add(square, tail, r)) * power;
    if x < LOWEST { 0.0 } else { value }
}

/// [`fused_exp`] of several vectors, bit-identical to it.
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2 {
    use super::{C, LN_2_HIGH, LN_2_LOW, LOWEST, ROUND};
    use std::arch::x86_64::*;

    /// Does each step for all vectors before the next. A step depends on the one before, with a
    /// latency of four cycles in which the steps of the other vectors run. From
    /// [`fused_exp`](super::fused_exp) of an array the compiler emits one vector after the other,
    /// and too few of them fit into the processor's reorder window.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn fused_exp<const N: usize>(x: [__m256d; N]) -> [__m256d; N] {
        let (mut shifted, mut r, mut square) = (x, x, x);
        let (mut odd, mut even) = ([_mm256_set1_pd(C[9]); N], [_mm256_set1_pd(C[8]); N]);
        for i in 0..N {
            shifted[i] = _mm256_fmadd_pd(
                x[i],
                _mm256_set1_pd(std::f64::consts::LOG2_E),
                _mm256_set1_pd(ROUND),
            );
        }
        for i in 0..N {
            let n = _mm256_sub_pd(shifted[i], _mm256_set1_pd(ROUND));
            r[i] = _mm256_fmadd_pd(n, _mm256_set1_pd(-LN_2_HIGH), x[i]);
            r[i] = _mm256_fmadd_pd(n, _mm256_set1_pd(-LN_2_LOW), r[i]);
        }
        for i in 0..N {
            square[i] = _mm256_mul_pd(r[i], r[i]);
        }
        for k in [6, 4, 2, 0] {
            for i in 0..N {
                odd[i] = _mm256_fmadd_pd(odd[i], square[i], _mm256_set1_pd(C[k + 1]));
            }
            for i in 0..N {
                even[i] = _mm256_fmadd_pd(even[i], square[i], _mm256_set1_pd(C[k]));
            }
        }
        let mut value = x;
        for i in 0..N {
            value[i] = _mm256_fmadd_pd(odd[i], r[i], even[i]);
        }
        for i in 0..N {
            value[i] =
                _mm256_add_pd(_mm256_set1_pd(1.0), _mm256_fmadd_pd(square[i], value[i], r[i]));
        }
        for i in 0..N {
            let power =
                _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_castpd_si256(shifted[i])));
            // All bits are set where x is not below `LOWEST`, and for NaN.
            let kept = _mm256_cmp_pd::<_CMP_NLT_UQ>(x[i], _mm256_set1_pd(LOWEST));
            value[i] = _mm256_and_pd(_mm256_mul_pd(value[i], power), kept);
        }
        value
    }
}

/// Computes the natural logarithm of a positive, normal number; returns NaN for numbers that are
/// not finite. The algorithm is that of FreeBSD's msun, without its branches.
///
/// `x = 2^k (1 + f)` with `1 + f` between `sqrt(1/2)` and `sqrt(2)`, and a polynomial in
/// `s = f / (2 + f)`.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const SQRT_HALF: u64 = 0x3fe6_a09e << 32;
    const ONE: u64 = 0x3ff0_0000 << 32;
    const MANTISSA: u64 = (1 << 52) - 1;
    const L: [f64; 7] = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    let shifted = x.to_bits().wrapping_add(ONE - SQRT_HALF);
    // The biased exponent as the low bits of a number of at least 2^52: there is no vector
    // conversion of 64-bit integers.
    let k =
        f64::from_bits((0x4330_0000 << 32) | (shifted >> 52)) - (4_503_599_627_370_496.0 + 1023.0);
    let f = f64::from_bits((shifted & MANTISSA) + SQRT_HALF) - 1.0;
    let half_square = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (L[1] + w * (L[3] + w * L[5]));
    let odd = z * (L[0] + w * (L[2] + w * (L[4] + w * L[6])));
    let value = s * (half_square + (odd + even)) + k * LN_2_LOW - half_square + f + k * LN_2_HIGH;
    // The bit operations above do not detect NaN and infinity.
    value + x * 0.0
}

#[cfg(test)]
mod tests {
    use super::{exp, fused_exp, ln};

    #[test]
    fn logarithm_is_that_of_libm() {
        let mut x = 1.0;
        while x < 5e9 {
            assert_eq!(ln(x).to_bits(), libm::log(x).to_bits(), "{x}");
            x *= 1.000_137;
        }
        assert_eq!(ln(1.0), 0.0);
        assert!(ln(f64::NAN).is_nan() && ln(f64::INFINITY).is_nan());
    }

    #[test]
    fn exponentials_are_within_two_units_of_the_correctly_rounded_value() {
        for exp in [exp, fused_exp] {
            let mut x = 0.0f64;
            let mut worst = 0u64;
            while x > -700.0 {
                // libm is accurate to within one unit.
                worst = worst.max(exp(x).to_bits().abs_diff(libm::exp(x).to_bits()));
                x -= 1.37e-3 * (1.0 + x.abs());
            }
            (0..100_000).for_each(|i| {
                let x = -f64::from(i) * 1e-5;
                worst = worst.max(exp(x).to_bits().abs_diff(libm::exp(x).to_bits()));
            });
            assert!(worst <= 2, "{worst} units in the last place");
        }
    }

    #[test]
    fn ends_of_the_range() {
        for exp in [exp, fused_exp] {
            assert_eq!(exp(0.0), 1.0);
            assert_eq!(exp(-0.0), 1.0);
            assert_eq!(exp(-1e-320), 1.0);
            assert!((exp(-708.0) / libm::exp(-708.0) - 1.0).abs() < 1e-15);
            for x in [-708.1, -1e4, -1e300, f64::NEG_INFINITY] {
                assert_eq!(exp(x), 0.0, "{x}");
            }
            assert!(exp(f64::NAN).is_nan());
        }
    }
}
