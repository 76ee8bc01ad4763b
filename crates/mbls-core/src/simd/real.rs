use super::elementary;
use std::ops::{Add, AddAssign, Mul, Sub, SubAssign};

/// A type of floating-point numbers that kernels compute in.
pub(crate) trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + AddAssign
    + SubAssign
{
    fn new(value: f64) -> Self;

    fn f64(self) -> f64;

    /// `e^x` for `x <= 0`; NaN for NaN and for what is above the range of the function.
    fn exp(self) -> Self;

    /// The maximum of at least one number; where one is NaN, it is NaN or that of the others.
    fn maximum(values: &[Self]) -> Self;
}

macro_rules! real {
    ($type:ident, $signed:ident, $unsigned:ident, $exp:path) => {
        impl Real for $type {
            #[inline(always)]
            fn new(value: f64) -> Self {
                value as $type
            }

            #[inline(always)]
            fn f64(self) -> f64 {
                self.into()
            }

            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }

            /// In integers, which are compared in vectors: floats are ordered as their bits are, with the bits of negative
            /// ones turned over.
            #[inline(always)]
            fn maximum(values: &[Self]) -> Self {
                let turned = |bits: $signed| bits ^ ((bits >> ($signed::BITS - 1)) & $signed::MAX);
                let max = values.iter().fold($signed::MIN, |max, v| max.max(turned(v.to_bits() as $signed)));
                $type::from_bits(turned(max) as $unsigned)
            }
        }
    };
}

real!(f32, i32, u32, exp_f32);
real!(f64, i64, u64, elementary::exp);

/// [`elementary::exp`] in f32, with the polynomial of the Cephes library: to within 2 units in the last place; 0 below -87.
#[inline(always)]
fn exp_f32(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const LOWEST: f32 = -87.0;

    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let tail = ((((1.987_569_1e-4 * r + 1.398_199_9e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r + 1.666_666_5e-1)
        * r
        + 0.5;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    let value = (1.0 + (r + r * r * tail)) * power;
    if x < LOWEST { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::Real;

    #[test]
    fn exponential_is_within_two_units_of_the_correctly_rounded_value() {
        let mut worst = 0;
        for i in 0..1_000_000 {
            let x = -i as f32 * 8.7e-5;
            let expected = libm::exp(x.into()) as f32;
            worst = worst.max(x.exp_bits().abs_diff(expected.to_bits()));
        }
        assert!(worst <= 2, "{worst} units in the last place");
        assert_eq!([0.0, -0.0, -1e-30, -88.0, f32::NEG_INFINITY].map(Real::exp), [1.0, 1.0, 1.0, 0.0, 0.0]);
        assert!(Real::exp(f32::NAN).is_nan());
    }

    trait ExpBits {
        fn exp_bits(self) -> u32;
    }

    impl ExpBits for f32 {
        fn exp_bits(self) -> u32 {
            Real::exp(self).to_bits()
        }
    }

    #[test]
    fn maximum_orders_negative_numbers_too() {
        assert_eq!(<f32 as Real>::maximum(&[-3.0, -2.5, -1e30]), -2.5);
        assert_eq!(<f64 as Real>::maximum(&[-0.0, 0.0, -1.0]), 0.0);
        assert_eq!(<f32 as Real>::maximum(&[1.0, f32::INFINITY]), f32::INFINITY);
        assert!(<f64 as Real>::maximum(&[1.0, f64::NAN]).is_nan());
    }
}
