use crate::simd::for_each_machine;
use crate::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An exact sum of numbers rounded to multiples of 2^-60.
///
/// Each number is rounded once, to the nearest multiple of 2^-60 (ties to even), and added as a
/// 128-bit integer, so the sum does not depend on the order. Magnitudes must stay below 2^67. The
/// sum is serialised as the decimal string of the integer, which formats without 128-bit integers
/// can represent.
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

/// The number of units in 1.
const UNITS: f64 = (1u64 << 60) as f64;

impl FixedSum {
    /// The number of bits after the binary point.
    pub const FRACTION_BITS: u32 = 60;

    /// Adds a number.
    ///
    /// # Errors
    ///
    /// [`Error::Accumulator`] if the number is not finite or at least 2^66 in magnitude, or if the
    /// sum would be at least 2^67. The sum is then unchanged.
    pub fn add(&mut self, value: f64) -> Result<()> {
        let units = round(value * UNITS);
        // Both comparisons are false for NaN. Conversion to 64 bits is one instruction, to 128 bits
        // a function call.
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

    /// Adds numbers as [`add`](Self::add) does, with vector instructions.
    ///
    /// # Errors
    ///
    /// Returns the index of the first number that cannot be added. The sum then contains the
    /// numbers before it.
    pub(in crate::metric) fn add_all(&mut self, values: &[f64]) -> std::result::Result<(), usize> {
        for (chunk, values) in values.chunks(PARTS).enumerate() {
            let parts = sum_parts(values).and_then(|(low, high)| {
                // This few numbers below 2^20 cannot overflow.
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

    /// Returns the negated sum.
    pub(in crate::metric) fn negative(self) -> Self {
        // The magnitude of a sum is below 2^127, so this cannot overflow.
        Self(self.0.wrapping_neg())
    }

    /// Adds a number of units of 2^-60. The sum is far from its bound.
    pub(in crate::metric) fn add_units(&mut self, units: u64) {
        self.0 += i128::from(units);
    }

    /// Adds `2^30 high + low` units of 2^-60. The sum is far from its bound.
    pub(in crate::metric) fn add_units_in_halves(&mut self, low: u64, high: u64) {
        self.0 += (i128::from(high) << HALF_BITS) + i128::from(low);
    }

    /// Adds another sum. Neither is near its bound.
    pub(in crate::metric) fn add_sum(&mut self, other: Self) {
        self.0 += other.0;
    }

    /// Adds another sum.
    ///
    /// # Errors
    ///
    /// [`Error::Accumulator`] if the result would be 2^67 or more. The sum is then unchanged.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        self.0 = self.0.checked_add(other.0).ok_or_else(|| out_of_range(&other.to_f64()))?;
        Ok(())
    }

    /// Returns the sum, rounded to the nearest f64.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / UNITS
    }

    /// Returns the sum divided by a count.
    pub fn mean(self, count: u64) -> f64 {
        self.to_f64() / count as f64
    }

    /// Returns the sum in units of 2^-60.
    pub(in crate::metric) fn units(self) -> i128 {
        self.0
    }
}

/// The number of bits in each of the two halves in which a number is converted to units of 2^-60.
///
/// There is no vector conversion to 64-bit integers. Instead, adding 1.5 * 2^52 leaves an integer
/// in the low bits of the mantissa. The high half is even in units of the low half, so rounding by
/// halves is the same as rounding in one step.
pub(in crate::metric) const HALF_BITS: u32 = FixedSum::FRACTION_BITS / 2;

/// Splits a number with a magnitude below 2^20 into units of 2^-30 and the remainder in units of
/// 2^-60.
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

/// [`unit_interval_units`] for vectorised code.
#[inline(always)]
pub(in crate::metric) fn unit_interval_units_by_parts(value: f64) -> u64 {
    let (high, low) = parts(value);
    (high << HALF_BITS).wrapping_add(low) as u64
}

/// The maximum number of values whose parts are summed in 64 bits.
const PARTS: usize = 1 << 12;

for_each_machine! {
    /// Returns the sums of the low and high parts of at most [`PARTS`] numbers; `None` if the
    /// magnitude of a number is not below 2^20.
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
            // The comparison is false for NaN.
            beyond[lane] |= if chunk[lane].abs() < 2f64.powi(20) { 0 } else { u64::MAX };
        }
    }
    // Wrapping, because numbers that are not below 2^20 have arbitrary parts.
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

/// Converts a number in `[0, 1]` to units of 2^-60.
pub(in crate::metric) fn unit_interval_units(value: f64) -> u64 {
    // Via i64, because a conversion to u64 takes more than one instruction; the cast saturates.
    round(value * UNITS) as i64 as u64
}

/// Rounds to the nearest integer, ties to even: `f64::round_ties_even` without the function call
/// that it is on many machines.
fn round(value: f64) -> f64 {
    /// From this number on every f64 is an integer, so adding it to a smaller number just rounds.
    const INTEGERS: f64 = (1u64 << 52) as f64;
    let magnitude = value.abs();
    if magnitude < INTEGERS { ((magnitude + INTEGERS) - INTEGERS).copysign(value) } else { value }
}

/// Converts units of 2^-60 to a number.
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
                &"the decimal string of a 128-bit integer",
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
