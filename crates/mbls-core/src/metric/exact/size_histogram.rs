use super::counts::add_counts;
use crate::Result;
use serde::{Deserialize, Serialize};

/// A histogram of non-negative numbers by magnitude. It computes quantiles of any number of values
/// from a bounded state.
///
/// A bucket contains the numbers with one exponent and one value of the first seven bits of the
/// mantissa, so its middle is within 0.4 % of each of them. The first bucket contains all numbers
/// below 1/1024, the last bucket all numbers from 2^20 on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub(in crate::metric) struct SizeHistogram {
    /// Counts per bucket; empty before the first number.
    counts: Vec<u64>,
}

/// The number of low bits of an f64 that do not affect its bucket.
const SHIFT: u32 = 52 - 7;
/// The key of 2^-10, the first with a separate bucket.
const FIRST: u64 = (1023 - 10) << 7;
/// The key of 2^20, from which all numbers share a bucket.
const LAST: u64 = (1023 + 20) << 7;
/// The number of buckets.
const BUCKETS: usize = (LAST - FIRST) as usize + 2;

fn bucket(number: f64) -> usize {
    let key = number.max(0.0).to_bits() >> SHIFT;
    (key.clamp(FIRST - 1, LAST) - (FIRST - 1)) as usize
}

/// Returns the middle of a bucket; 0 for the first, the lower edge for the last.
fn middle(bucket: usize) -> f64 {
    let edge = |bucket: usize| f64::from_bits((FIRST - 1 + bucket as u64) << SHIFT);
    match bucket {
        0 => 0.0,
        _ if bucket == BUCKETS - 1 => edge(bucket),
        _ => 0.5 * (edge(bucket) + edge(bucket + 1)),
    }
}

impl SizeHistogram {
    /// Adds a number. Negative numbers and NaN count as 0.
    pub(in crate::metric) fn add(&mut self, number: f64) {
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        self.counts[bucket(number)] += 1;
    }

    /// Returns the number of values.
    pub(in crate::metric) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Checks that another histogram can be added.
    pub(in crate::metric) fn check_merge(&self, other: &Self) -> Result<()> {
        add_counts(self.total(), other.total()).map(drop)
    }

    /// Adds another histogram that [`check_merge`](Self::check_merge) has accepted.
    pub(in crate::metric) fn merge(&mut self, other: &Self) {
        if self.counts.is_empty() {
            self.counts.clone_from(&other.counts);
        } else {
            self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
        }
    }

    /// Returns the smallest value, to within 0.4 %, such that a fraction `share` of all numbers is
    /// at most as large; `None` without numbers. Numbers in the last bucket are returned as its
    /// lower edge.
    pub(in crate::metric) fn quantile(&self, share: f64) -> Option<f64> {
        let total = self.total();
        let rank = ((share * total as f64).ceil() as u64).clamp(1, total.max(1));
        let mut below = 0;
        let found = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        found.map(middle)
    }

    /// Returns the allocated memory in bytes.
    pub(in crate::metric) fn size(&self) -> usize {
        self.counts.capacity() * size_of::<u64>()
    }

    /// Returns whether `number` can be the largest value.
    pub(in crate::metric) fn has_largest(&self, number: f64) -> bool {
        self.counts.iter().rposition(|&count| count > 0) == Some(bucket(number))
    }
}

/// Reads non-empty buckets in ascending order. It accepts exactly the histograms that numbers can
/// produce.
impl TryFrom<Vec<(u16, u64)>> for SizeHistogram {
    type Error = String;

    fn try_from(saved: Vec<(u16, u64)>) -> Result<Self, String> {
        if saved.is_empty() {
            return Ok(Self::default());
        }
        let (mut counts, mut next, mut total) = (vec![0; BUCKETS], 0, 0u64);
        for (bucket, count) in saved {
            let place = usize::from(bucket);
            if place < next || place >= BUCKETS || count == 0 {
                return Err(format!(
                    "{count} numbers in bucket {bucket}: expected rising buckets below {BUCKETS}, none empty"
                ));
            }
            total = add_counts(total, count).map_err(|error| error.to_string())?;
            (counts[place], next) = (count, place + 1);
        }
        Ok(Self { counts })
    }
}

impl From<SizeHistogram> for Vec<(u16, u64)> {
    fn from(histogram: SizeHistogram) -> Self {
        (0..).zip(histogram.counts).filter(|&(_, count)| count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_bucket_is_near_all_its_numbers() {
        let mut number = 1.0 / 1024.0;
        while number < 1e6 {
            let found = middle(bucket(number));
            assert!((found / number - 1.0).abs() < 0.004, "{number}: {found}");
            number *= 1.0007;
        }
        assert_eq!(
            (middle(bucket(0.0)), middle(bucket(9e-4)), bucket(-1.0), bucket(f64::NAN)),
            (0.0, 0.0, 0, 0)
        );
        assert_eq!(
            (middle(bucket(2f64.powi(20))), bucket(f64::INFINITY)),
            (1_048_576.0, BUCKETS - 1)
        );
    }

    #[test]
    fn quantiles_are_those_of_the_numbers() {
        let mut histogram = SizeHistogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        (1..=1000).for_each(|number| histogram.add(f64::from(number) / 10.0));
        for (share, expected) in [(0.0, 0.1), (0.5, 50.0), (0.9, 90.0), (0.99, 99.0), (1.0, 100.0)]
        {
            let found = histogram.quantile(share).unwrap();
            assert!((found / expected - 1.0).abs() < 0.004, "{share}: {found}");
        }
        assert!(histogram.has_largest(100.0) && !histogram.has_largest(90.0));
    }
}
