use super::top_label_samples::SortedTopLabels;
use crate::metric::exact::{FixedSum, units_to_f64};

impl SortedTopLabels {
    /// Computes the Kolmogorov-Smirnov calibration error: `max_t |sum_{i: c_i <= t} (c_i - z_i)| /
    /// n`, where `z_i` is 1 if row `i` is correct.
    ///
    /// This is the largest distance between the cumulative confidence and the cumulative accuracy.
    /// It needs no bins, and is at least the absolute difference of mean confidence and accuracy.
    /// Rows with the same confidence are added together, so their order does not matter.
    ///
    /// # References
    ///
    /// Gupta et al., Calibration of Neural Networks using Splines, ICLR 2021 (arXiv 2006.12800),
    /// equation 6.
    pub fn kolmogorov_smirnov_error(&self) -> f64 {
        let (mut distance, mut largest) = (0i128, 0);
        for same in self.samples().chunk_by(|a, b| a.units() == b.units()) {
            for sample in same {
                let event = i128::from(sample.correct()) << FixedSum::FRACTION_BITS;
                distance += i128::from(sample.units()) - event;
            }
            largest = largest.max(distance.unsigned_abs());
        }
        units_to_f64(largest) / self.n() as f64
    }
}
