use super::counts::{MAX_ROWS, add_counts};
use super::fixed_sum::{FixedSum, HALF_BITS, unit_interval_units};
use super::samples::Sample;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a calibration metric keeps of the samples of one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::metric) struct Cell {
    /// Samples.
    pub(in crate::metric) count: u64,
    /// Samples whose event came true.
    pub(in crate::metric) positive: u64,
    /// Sum of the probabilities that were given to the event.
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

    /// Adds the samples of another; the caller has checked that they fit.
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

    /// `|positive - sum of probabilities|` in units of 2^-60: the count times the distance of
    /// frequency and mean probability.
    pub(in crate::metric) fn gap(&self) -> u128 {
        gap(self.positive, self.probability.units())
    }

    /// An error where no samples can have led to this cell.
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

/// The samples of one bin of a part of a batch, in two words: the low halves of their units of
/// 2^-60 below the number of samples, and the high halves below the number of those whose event
/// came true. Adding one takes two additions.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::metric) struct Tally {
    low: u64,
    high: u64,
}

impl Tally {
    /// The most samples one can hold: the sums of halves, at most 2^30 each, stay below the counts.
    pub(in crate::metric) const MOST: usize = 1 << 16;

    const COUNT: u32 = 47;

    pub(in crate::metric) fn add_sample(&mut self, sample: Sample) {
        let units = sample.units();
        self.low += (units & ((1 << HALF_BITS) - 1)) | 1 << Self::COUNT;
        self.high += units >> HALF_BITS | u64::from(sample.correct()) << Self::COUNT;
    }

    /// Adds the samples to a cell, into which they fit.
    pub(in crate::metric) fn add_to(self, cell: &mut Cell) {
        let sum = |word: u64| word & ((1 << Self::COUNT) - 1);
        cell.count += self.low >> Self::COUNT;
        cell.positive += self.high >> Self::COUNT;
        cell.probability.add_units_in_halves(sum(self.low), sum(self.high));
    }
}

/// `|positive - probability|` in units of 2^-60, the sum of probabilities given in them.
pub(in crate::metric) fn gap(positive: u64, probability: i128) -> u128 {
    (i128::from(positive) << FixedSum::FRACTION_BITS).abs_diff(probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many samples as a tally holds, of the largest confidence too.
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
