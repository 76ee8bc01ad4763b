use super::counts::{MAX_ROWS, add_counts};
use crate::Result;
use crate::metric::saved::MetricState;
use serde::{Deserialize, Serialize};

/// A finite number per row, in 8 bytes each, for metrics that rank rows by numbers other than
/// probabilities.
///
/// [`Samples`](crate::metric::samples::Samples) is the equivalent for confidence and correctness.
/// Equality ignores the order in which numbers were added. Numbers are serialised as integers, so
/// no format rounds them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::metric) struct Numbers(Vec<u64>);

const SIGN: u64 = 1 << 63;

/// Maps numbers to integers with the same order; -0 is mapped like 0.
fn key(number: f64) -> u64 {
    let bits = (number + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn number(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN })
}

impl Numbers {
    /// Returns the allocated memory in bytes.
    pub(in crate::metric) fn size(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }

    pub(in crate::metric) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds finite numbers.
    pub(in crate::metric) fn extend(
        &mut self,
        numbers: impl ExactSizeIterator<Item = f64>,
    ) -> Result<()> {
        add_counts(self.0.len() as u64, numbers.len() as u64)?;
        self.0.extend(numbers.map(key));
        Ok(())
    }

    pub(in crate::metric) fn merge(&mut self, mut other: Self) -> Result<()> {
        add_counts(self.0.len() as u64, other.0.len() as u64)?;
        self.0.append(&mut other.0);
        Ok(())
    }

    /// Returns the numbers in ascending order, regardless of the order of adding.
    pub(in crate::metric) fn sorted(&self) -> Vec<f64> {
        self.sorted_keys().into_iter().map(number).collect()
    }

    fn sorted_keys(&self) -> Vec<u64> {
        let mut keys = self.0.clone();
        keys.sort_unstable();
        keys
    }

    /// Returns an error if an integer is not the encoding of a finite number.
    pub(in crate::metric) fn check<S: MetricState>(&self) -> Result<()> {
        if self.0.len() as u64 > MAX_ROWS {
            return Err(S::invalid(format!("{} numbers: expected at most 2^47", self.0.len())));
        }
        match self.0.iter().find(|k| !number(**k).is_finite() || key(number(**k)) != **k) {
            None => Ok(()),
            Some(key) => {
                Err(S::invalid(format!("{key} encodes {}: expected a finite number", number(*key))))
            }
        }
    }
}

/// Compares the numbers in any order.
impl PartialEq for Numbers {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.sorted_keys() == other.sorted_keys()
    }
}

impl Eq for Numbers {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_the_numbers() {
        let numbers =
            [-f64::MAX, -1.5, -1.0, -f64::MIN_POSITIVE, -5e-324, 0.0, 5e-324, 1.0, f64::MAX];
        assert!(numbers.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert!(numbers.iter().all(|&number| super::number(key(number)) == number));
        assert_eq!(key(-0.0), key(0.0));
    }
}
