use super::counts::{MAX_ROWS, add_counts};
use super::fixed_sum::{FixedSum, HALF_BITS, unit_interval_units};
use super::samples::Sample;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The counts and sums that a calibration metric keeps for one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::metric) struct Cell {
    /// Number of samples.
    pub(in crate::metric) count: u64,
    /// Number of samples whose event occurred.
    pub(in crate::metric) positive: u64,
    /// Sum of the predicted probabilities of the event.
    pub(in crate::metric) probability: FixedSum,
}

impl Cell {
    /// Adds a probability from 0 to 1; the caller has checked that the number of samples fits.
    pub(in crate::metric) fn add(&mut self, probability: f64, positive: bool) {
        self.add_units(unit_interval_units(probability), positive);
    }

    /// Adds a probability in units of 2^-60, as [`add`](Self::add) does.
    pub(in crate::metric) fn add_units(&mut self, units: u64, positive: bool) {
        self.count += 1;
        self.positive += u64::from(positive);
        self.probability.add_units(units);
    }

    /// Adds a sample, as [`add`](Self::add) does.
    pub(in crate::metric) fn add_sample(&mut self, sample: Sample) {
        self.add_units(sample.units(), sample.correct());
    }

    /// Adds the samples of another cell; the caller has checked that they fit.
    pub(in crate::metric) fn add_cell(&mut self, other: &Self) {
        self.count += other.count;
        self.positive += other.positive;
        self.probability.add_sum(other.probability);
    }

    pub(in crate::metric) fn merge(&mut self, other: &Self) -> Result<()> {
        let mut probability = self.probability;
        probability.merge(other.probability)?;
        *self = Self {
            count: add_counts(self.count, other.count)?,
            positive: add_counts(self.positive, other.positive)?,
            probability,
        };
        Ok(())
    }

    pub(in crate::metric) fn mean_probability(&self) -> Option<f64> {
        (self.count > 0).then(|| self.probability.mean(self.count))
    }

    pub(in crate::metric) fn frequency(&self) -> Option<f64> {
        (self.count > 0).then(|| self.positive as f64 / self.count as f64)
    }

    /// Returns `|positive - sum of probabilities|` in units of 2^-60: the count times the
    /// difference of frequency and mean probability.
    pub(in crate::metric) fn gap(&self) -> u128 {
        gap(self.positive, self.probability.units())
    }

    /// Returns an error if no samples can produce this cell.
    pub(in crate::metric) fn check(&self, metric: &'static str) -> Result<()> {
        let most = i128::from(self.count.min(MAX_ROWS)) << FixedSum::FRACTION_BITS;
        if self.count > MAX_ROWS
            || self.positive > self.count
            || !(0..=most).contains(&self.probability.units())
        {
            let (count, positive, sum) = (self.count, self.positive, self.probability.to_f64());
            let problem = format!(
                "a bin of {count} samples has {positive} positives and probabilities of sum {sum}"
            );
            return Err(Error::State { metric, problem });
        }
        Ok(())
    }
}

/// Counts the samples of one bin in a part of a batch, in two words. In one, the bits below the
/// number of samples hold the sum of the low halves of the samples' units of 2^-60. In the other,
/// the bits below the number of samples whose event occurred hold the sum of the high halves.
/// Adding a sample takes two additions.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::metric) struct Tally {
    low: u64,
    high: u64,
}

impl Tally {
    /// The maximum number of samples: the sums of halves, at most 2^30 each, stay below the counts.
    pub(in crate::metric) const MOST: usize = 1 << 16;

    const COUNT: u32 = 47;

    pub(in crate::metric) fn add_sample(&mut self, sample: Sample) {
        let units = sample.units();
        self.low += (units & ((1 << HALF_BITS) - 1)) | 1 << Self::COUNT;
        self.high += units >> HALF_BITS | u64::from(sample.correct()) << Self::COUNT;
    }

    /// Adds the samples to a cell, which has room for them.
    pub(in crate::metric) fn add_to(self, cell: &mut Cell) {
        let sum = |word: u64| word & ((1 << Self::COUNT) - 1);
        cell.count += self.low >> Self::COUNT;
        cell.positive += self.high >> Self::COUNT;
        cell.probability.add_units_in_halves(sum(self.low), sum(self.high));
    }
}

/// Returns `|positive - probability|` in units of 2^-60. The sum of probabilities is given in these
/// units.
pub(in crate::metric) fn gap(positive: u64, probability: i128) -> u128 {
    (i128::from(positive) << FixedSum::FRACTION_BITS).abs_diff(probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills a tally to its maximum, also with the largest confidence.
    #[test]
    fn a_full_tally_is_a_cell() {
        for (confidence, correct) in
            [(1.0, true), (1.0, false), (0.0, true), (1.0 - f64::EPSILON, true), (0.3, false)]
        {
            let sample = Sample::new(confidence, correct);
            let (mut tally, mut found, mut expected) =
                (Tally::default(), Cell::default(), Cell::default());
            for _ in 0..Tally::MOST {
                tally.add_sample(sample);
                expected.add_sample(sample);
            }
            tally.add_to(&mut found);
            assert_eq!(found, expected, "{confidence} {correct}");
            found.add_cell(&expected);
            assert_eq!((found.count, found.gap()), (2 * expected.count, 2 * expected.gap()));
        }
    }
}
