use super::elementary;
use std::ops::{Add, AddAssign, Div, Mul, Sub, SubAssign};

/// A floating-point type that kernels compute in.
pub(crate) trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + SubAssign
{
    fn new(value: f64) -> Self;

    fn f64(self) -> f64;

    /// Computes `self * factor + term`, rounded once if `FMA` is set. Set it only if the machine
    /// has the instruction; otherwise it is a function call.
    fn mul_add<const FMA: bool>(self, factor: Self, term: Self) -> Self;

    /// Computes `e^x` for `x <= 0`; NaN for NaN and for arguments above the function's range.
    fn exp<const FMA: bool>(self) -> Self;
}

macro_rules! real {
    ($type:ident, |$x:ident| $exp:expr) => {
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
            fn mul_add<const FMA: bool>(self, factor: Self, term: Self) -> Self {
                if FMA { $type::mul_add(self, factor, term) } else { self * factor + term }
            }

            #[inline(always)]
            fn exp<const FMA: bool>(self) -> Self {
                let $x = self;
                $exp
            }
        }
    };
}

real!(f32, |x| exp_f32::<FMA>(x));
real!(f64, |x| elementary::exp(x));

/// [`elementary::exp`] in f32 with the polynomial of the Cephes library, to within 2 units in the
/// last place. Returns 0 below -87.
#[inline(always)]
fn exp_f32<const FMA: bool>(x: f32) -> f32 {
    // Adding it leaves the nearest integer plus 127, the biased exponent of its power of two, in
    // the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0 + 127.0; // 1.5 * 2^23 + 127
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const LOWEST: f32 = -87.0;
    const C: [f32; 6] =
        [0.5, 1.666_666_5e-1, 4.166_579_6e-2, 8.333_452e-3, 1.398_199_9e-3, 1.987_569_1e-4];

    let shifted = Real::mul_add::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = Real::mul_add::<FMA>(n, -LN_2_LOW, Real::mul_add::<FMA>(n, -LN_2_HIGH, x));
    let mut tail = C[5];
    let mut k = 5;
    while k > 0 {
        k -= 1;
        tail = Real::mul_add::<FMA>(tail, r, C[k]);
    }
    let power = f32::from_bits(shifted.to_bits() << 23);
    let value = (1.0 + Real::mul_add::<FMA>(r * r, tail, r)) * power;
    if x < LOWEST { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::Real;

    fn check<const FMA: bool>() {
        let exp = |x: f32| Real::exp::<FMA>(x);
        let mut worst = 0;
        for i in 0..1_000_000 {
            let x = -i as f32 * 8.7e-5;
            let expected = libm::exp(x.into()) as f32;
            worst = worst.max(exp(x).to_bits().abs_diff(expected.to_bits()));
        }
        assert!(worst <= 2, "{worst} units in the last place");
        assert_eq!(
            [0.0, -0.0, -1e-30, -88.0, f32::NEG_INFINITY].map(exp),
            [1.0, 1.0, 1.0, 0.0, 0.0]
        );
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn exponential_is_within_two_units_of_the_correctly_rounded_value() {
        check::<false>();
        check::<true>();
    }
}
