use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;

/// An exact sum of positive numbers too large for a [`FixedSum`](crate::metric::FixedSum), up to
/// the largest f64.
///
/// Numbers are added as integers, so the sum does not depend on the order. There is one integer per
/// range of magnitudes; in practice few are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::metric) struct LargeSum(BTreeMap<u16, Units>);

/// A count of units of `2^(WIDTH k + LOWEST)` under the key `k`. It is serialised as a decimal
/// string, which formats without 128-bit integers can represent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Units(u128);

/// The number of bits between consecutive units: together with the bits of a mantissa and of a
/// count of rows they fit into 128 bits.
const WIDTH: u32 = 16;
/// The number of bits of a mantissa after the first.
const MANTISSA_BITS: u32 = 52;
/// The exponent of the lowest bit of [`LargeSum::LEAST`].
const LOWEST: i32 = -33;
/// The key of the largest f64, whose lowest bit is 2^971.
const LAST: u16 = 62;

impl LargeSum {
    /// The smallest number that may be added: a fixed-point sum has room for the maximum number of
    /// rows with numbers below it.
    pub(in crate::metric) const LEAST: f64 = (1u64 << 19) as f64;

    /// Returns the allocated memory in bytes, except for the overhead of the map.
    pub(in crate::metric) fn size(&self) -> usize {
        self.0.len() * size_of::<(u16, Units)>()
    }

    pub(in crate::metric) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a finite number that is at least [`LEAST`](Self::LEAST) to a sum of fewer than 2^47
    /// numbers.
    pub(in crate::metric) fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let lowest = (1023 + MANTISSA_BITS).saturating_add_signed(LOWEST);
        let power = ((bits >> MANTISSA_BITS) as u32).saturating_sub(lowest);
        let mantissa = u128::from(bits & ((1 << MANTISSA_BITS) - 1) | 1 << MANTISSA_BITS);
        self.0.entry((power / WIDTH) as u16).or_default().0 += mantissa << (power % WIDTH);
    }

    /// Adds another sum. Together they contain at most 2^47 numbers.
    pub(in crate::metric) fn merge(&mut self, other: Self) {
        for (key, units) in other.0 {
            self.0.entry(key).or_default().0 += units.0;
        }
    }

    /// Returns the sum divided by a count, limited to the largest f64.
    pub(in crate::metric) fn mean(&self, count: u64) -> f64 {
        // In ascending order, dividing first, because the sum itself may exceed the range of f64.
        let part = |(key, units): (&u16, &Units)| {
            units.0 as f64 / count as f64 * 2f64.powi(i32::from(*key) * WIDTH as i32 + LOWEST)
        };
        self.0.iter().map(part).sum::<f64>().min(f64::MAX)
    }

    /// Returns whether this can be the sum of at most `count` numbers.
    pub(in crate::metric) fn is_of(&self, count: u64) -> bool {
        let most = u128::from(count) << (MANTISSA_BITS + WIDTH);
        self.0
            .iter()
            .all(|(key, units)| *key <= LAST && (1 << MANTISSA_BITS..=most).contains(&units.0))
    }
}

impl Serialize for Units {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let expected = "the decimal string of an unsigned 128-bit integer";
        text.parse()
            .map(Self)
            .map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&text), &expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_in_any_order() {
        let numbers =
            [LargeSum::LEAST, 524_288.1, 2f64.powi(52) + 1.0, 1e20, 1e300, f64::MAX, f64::MAX];
        let (mut forward, mut backward) = (LargeSum::default(), LargeSum::default());
        numbers.iter().for_each(|&number| forward.add(number));
        numbers.iter().rev().for_each(|&number| backward.add(number));
        assert_eq!(forward, backward);
        assert!(forward.is_of(7) && !forward.is_of(0));
        let text = serde_json::to_string(&forward).unwrap();
        assert_eq!(serde_json::from_str::<LargeSum>(&text).unwrap(), forward);
        for number in numbers {
            let mut one = LargeSum::default();
            one.add(number);
            assert_eq!(one.mean(1), number);
            one.merge(one.clone());
            assert_eq!(one.mean(2), number, "the mean of two of them");
        }
    }
}
