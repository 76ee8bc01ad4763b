use crate::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An exact sum of numbers rounded to multiples of 2^-60.
///
/// Each number is rounded once, to the nearest multiple of 2^-60 (ties to even), and added as an integer of 128 bits: the sum
/// does not depend on the order. It holds magnitudes below 2^67. Serialised as the decimal string of that integer, which
/// formats without integers of 128 bits keep.
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
    /// [`Error::Accumulator`], with the sum unchanged, for a number that is not finite, one from 2^66 on, and a sum from 2^67
    /// on.
    pub fn add(&mut self, value: f64) -> Result<()> {
        let units = round(value * UNITS);
        // Both comparisons are false for NaN. A conversion to 64 bits is one instruction, to 128 a function.
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

    /// Adds numbers as [`add`](Self::add) does, faster.
    ///
    /// # Errors
    ///
    /// The position of a number that cannot be added; the sum then holds some of those before it.
    pub(super) fn add_all(&mut self, values: impl Iterator<Item = f64>) -> std::result::Result<(), usize> {
        // So many parts of 32 bits fit into 64 bits.
        const PARTS: usize = 1 << 30;
        let (mut low, mut high, mut last) = (0u64, 0i64, 0);
        for (position, value) in values.enumerate() {
            last = position;
            let units = round(value * UNITS);
            // False for NaN.
            if units.abs() < 2f64.powi(62) {
                let units = units as i64;
                low += u64::from(units as u32);
                high += units >> 32;
            } else {
                self.add(value).map_err(|_| position)?;
            }
            if position % PARTS == PARTS - 1 {
                self.add_parts(low, high).ok_or(position)?;
                (low, high) = (0, 0);
            }
        }
        self.add_parts(low, high).ok_or(last)
    }

    /// Adds `2^32 high + low` units; `None`, with the sum unchanged, where that is too much.
    fn add_parts(&mut self, low: u64, high: i64) -> Option<()> {
        self.0 = self.0.checked_add((i128::from(high) << 32) + i128::from(low))?;
        Some(())
    }

    /// Adds a number of units of 2^-60, to a sum that is far from its bound.
    pub(super) fn add_units(&mut self, units: u64) {
        self.0 += i128::from(units);
    }

    /// Adds `2^32 high + low` units of 2^-60, to a sum that is far from its bound.
    pub(super) fn add_units_in_parts(&mut self, low: u64, high: u64) {
        self.0 += (i128::from(high) << 32) + i128::from(low);
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
    pub(super) fn units(self) -> i128 {
        self.0
    }
}

/// A number as a count of units of 2^-60, for numbers in `[0, 1]`.
pub(super) fn unit_interval_units(value: f64) -> u64 {
    // i64, since a conversion to u64 takes more than one instruction; the cast saturates.
    round(value * UNITS) as i64 as u64
}

/// The nearest integer, of two the even one: `f64::round_ties_even` without the function call it is on many machines.
fn round(value: f64) -> f64 {
    /// From here on every f64 is an integer, and rounding is all that adding it to a smaller number does.
    const INTEGERS: f64 = (1u64 << 52) as f64;
    let magnitude = value.abs();
    if magnitude < INTEGERS { ((magnitude + INTEGERS) - INTEGERS).copysign(value) } else { value }
}

/// A count of units of 2^-60 as a number.
pub(super) fn units_to_f64(units: u128) -> f64 {
    units as f64 / UNITS
}

pub(super) fn out_of_range(value: &f64) -> Error {
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
