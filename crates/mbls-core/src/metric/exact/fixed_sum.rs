use crate::simd::for_each_machine;
use crate::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An exact sum of numbers rounded to multiples of 2^-60.
///
/// Each number is rounded once, to the nearest multiple of 2^-60 (ties to even), and added as an
/// integer of 128 bits: the sum does not depend on the order. It holds magnitudes below 2^67.
/// Serialised as the decimal string of that integer, which formats without integers of 128 bits
/// keep.
///
/// ```
/// use mbls_core::metric::FixedSum;
///
/// let mut sum = FixedSum::default();
/// for value in [1e15, 0.1, -1e15] {
///     sum.add(value)?;
/// }
/// assert_eq!(sum.to_f64(), 0.1);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FixedSum(i128);

/// Units per 1.
const UNITS: f64 = (1u64 << 60) as f64;

impl FixedSum {
    /// The number of bits after the binary point.
    pub const FRACTION_BITS: u32 = 60;

    /// Adds a number.
    ///
    /// # Errors
    ///
    /// [`Error::Accumulator`], with the sum unchanged, for a number that is not finite, one from
    /// 2^66 on, and a sum from 2^67 on.
    pub fn add(&mut self, value: f64) -> Result<()> {
        let units = round(value * UNITS);
        // Both comparisons are false for NaN. A conversion to 64 bits is one instruction, to 128 a
        // function.
        let units = if units.abs() < 2f64.powi(62) {
            i128::from(units as i64)
        } else if units.abs() < 2f64.powi(126) {
            units as i128
        } else {
            return Err(out_of_range(&value));
        };
        self.0 = self.0.checked_add(units).ok_or_else(|| out_of_range(&value))?;
        Ok(())
    }

    /// Adds numbers as [`add`](Self::add) does, in vectors.
    ///
    /// # Errors
    ///
    /// The position of a number that cannot be added; the sum then holds those before it.
    pub(in crate::metric) fn add_all(&mut self, values: &[f64]) -> std::result::Result<(), usize> {
        for (chunk, values) in values.chunks(PARTS).enumerate() {
            let parts = sum_parts(values).and_then(|(low, high)| {
                // Of numbers below 2^20 and so few, far below what would overflow.
                self.0.checked_add((i128::from(high) << HALF_BITS) + i128::from(low))
            });
            match parts {
                Some(sum) => self.0 = sum,
                None => {
                    for (i, &value) in values.iter().enumerate() {
                        self.add(value).map_err(|_| chunk * PARTS + i)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The sum of the negative numbers.
    pub(in crate::metric) fn negative(self) -> Self {
        // The magnitude of a sum is below 2^127.
        Self(self.0.wrapping_neg())
    }

    /// Adds a number of units of 2^-60, to a sum that is far from its bound.
    pub(in crate::metric) fn add_units(&mut self, units: u64) {
        self.0 += i128::from(units);
    }

    /// Adds `2^30 high + low` units of 2^-60, to a sum that is far from its bound.
    pub(in crate::metric) fn add_units_in_halves(&mut self, low: u64, high: u64) {
        self.0 += (i128::from(high) << HALF_BITS) + i128::from(low);
    }

    /// Adds another sum; neither is near its bound.
    pub(in crate::metric) fn add_sum(&mut self, other: Self) {
        self.0 += other.0;
    }

    /// Adds another sum.
    ///
    /// # Errors
    ///
    /// [`Error::Accumulator`], with the sum unchanged, where the result is 2^67 or more.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        self.0 = self.0.checked_add(other.0).ok_or_else(|| out_of_range(&other.to_f64()))?;
        Ok(())
    }

    /// The sum, rounded to the nearest f64.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / UNITS
    }

    /// The sum divided by a count.
    pub fn mean(self, count: u64) -> f64 {
        self.to_f64() / count as f64
    }

    /// The sum as a number of units of 2^-60.
    pub(in crate::metric) fn units(self) -> i128 {
        self.0
    }
}

/// Bits of each of the two halves in which a number becomes a count of units of 2^-60.
///
/// Vectors have no conversion to integers of 64 bits: adding 1.5 * 2^52 leaves an integer in the
/// low bits of the mantissa. The first part is even in units of the second, so that halves are
/// rounded as in one step.
pub(in crate::metric) const HALF_BITS: u32 = FixedSum::FRACTION_BITS / 2;

/// The counts of `2^-30` and, beyond them, of 2^-60 of a number whose magnitude is below 2^20.
#[inline(always)]
pub(in crate::metric) fn parts(value: f64) -> (i64, i64) {
    const STEP: f64 = (1u64 << HALF_BITS) as f64;
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let scaled = value * STEP;
    let high = scaled + ROUND;
    let low = (scaled - (high - ROUND)) * STEP + ROUND;
    let integer = |x: f64| x.to_bits().wrapping_sub(ROUND.to_bits()) as i64;
    (integer(high), integer(low))
}

/// [`unit_interval_units`] in vectors.
#[inline(always)]
pub(in crate::metric) fn unit_interval_units_by_parts(value: f64) -> u64 {
    let (high, low) = parts(value);
    (high << HALF_BITS).wrapping_add(low) as u64
}

/// Numbers whose parts are added in 64 bits.
const PARTS: usize = 1 << 12;

for_each_machine! {
    /// The sums of the low and the high parts of at most [`PARTS`] numbers; `None` where one is not below 2^20.
    fn sum_parts(values: &[f64]) -> Option<(i64, i64)> => sum_parts_body
}

#[inline(always)]
fn sum_parts_body(values: &[f64]) -> Option<(i64, i64)> {
    const LANES: usize = 8;
    let (mut low, mut high, mut beyond) = ([0i64; LANES], [0i64; LANES], [0u64; LANES]);
    let (chunks, tail) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            let (h, l) = parts(chunk[lane]);
            high[lane] = high[lane].wrapping_add(h);
            low[lane] = low[lane].wrapping_add(l);
            // False for NaN.
            beyond[lane] |= if chunk[lane].abs() < 2f64.powi(20) { 0 } else { u64::MAX };
        }
    }
    // Wrapping, since the parts of what is not below 2^20 may be anything.
    let total = |lanes: [i64; LANES]| lanes.into_iter().fold(0, i64::wrapping_add);
    let (mut low, mut high) = (total(low), total(high));
    for value in tail {
        let (h, l) = parts(*value);
        (low, high) = (low.wrapping_add(l), high.wrapping_add(h));
    }
    let within = beyond.iter().all(|beyond| *beyond == 0)
        && tail.iter().all(|value| value.abs() < 2f64.powi(20));
    within.then_some((low, high))
}

/// A number as a count of units of 2^-60, for numbers in `[0, 1]`.
pub(in crate::metric) fn unit_interval_units(value: f64) -> u64 {
    // i64, since a conversion to u64 takes more than one instruction; the cast saturates.
    round(value * UNITS) as i64 as u64
}

/// The nearest integer, of two the even one: `f64::round_ties_even` without the function call it is
/// on many machines.
fn round(value: f64) -> f64 {
    /// From here on every f64 is an integer, and rounding is all that adding it to a smaller number
    /// does.
    const INTEGERS: f64 = (1u64 << 52) as f64;
    let magnitude = value.abs();
    if magnitude < INTEGERS { ((magnitude + INTEGERS) - INTEGERS).copysign(value) } else { value }
}

/// A count of units of 2^-60 as a number.
pub(in crate::metric) fn units_to_f64(units: u128) -> f64 {
    units as f64 / UNITS
}

pub(in crate::metric) fn out_of_range(value: &f64) -> Error {
    Error::Accumulator {
        what: "cannot add to a fixed-point sum:",
        value: value.to_string(),
        expected: "a finite number below 2^66, a sum below 2^67",
    }
}

impl Serialize for FixedSum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FixedSum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse() {
            Ok(units) => Ok(Self(units)),
            Err(_) => Err(de::Error::invalid_value(
                de::Unexpected::Str(&text),
                &"the decimal string of an integer of 128 bits",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::on_base;

    #[test]
    fn adding_all_is_adding_one_by_one() {
        let number = |i: i32| (f64::from(i) * 0.618_034).sin() * 2f64.powi(i % 83 - 63);
        for wrong in [None, Some(f64::NAN), Some(f64::INFINITY), Some(-1e30)] {
            for n in [0, 1, 7, 8, 100, 4096, 10_000] {
                let mut values: Vec<f64> = (0..n).map(number).collect();
                let at = values.len() / 2;
                if let (Some(wrong), Some(value)) = (wrong, values.get_mut(at)) {
                    *value = wrong;
                }
                let (mut expected, mut found) = (FixedSum::default(), FixedSum::default());
                let failed = values.iter().position(|value| expected.add(*value).is_err());
                assert_eq!(found.add_all(&values), failed.map_or(Ok(()), Err));
                assert_eq!(found, expected, "{n} values");
                assert_eq!(
                    on_base(|| FixedSum::default().add_all(&values)),
                    failed.map_or(Ok(()), Err)
                );
            }
        }
    }

    #[test]
    fn halves_of_a_unit_are_rounded_to_even() {
        for (units, rounded) in [(0.5, 0), (1.5, 2), (2.5, 2), (3.0, 3), (1e6 + 0.5, 1_000_000)] {
            let mut sum = FixedSum::default();
            sum.add_all(&[units * 2f64.powi(-60)]).unwrap();
            assert_eq!(sum.units(), rounded);
            sum.add_all(&[-units * 2f64.powi(-60); 9]).unwrap();
            assert_eq!(sum.units(), -8 * rounded);
        }
    }
}
