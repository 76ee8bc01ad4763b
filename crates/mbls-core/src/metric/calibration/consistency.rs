use super::binning::Binning;
use super::reliability::Reliability;
use super::top_label_samples::SortedTopLabels;
use crate::Result;
use crate::bootstrap::{Interval, interval_of, simulate};
use crate::metric::exact::Sample;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A calibration statistic compared with its distribution for a perfectly calibrated model with the
/// same confidences.
///
/// The calibration error of finitely many rows is positive even for a calibrated model: only a
/// value above the interval is evidence of miscalibration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consistency {
    /// The statistic of the rows.
    #[serde(with = "crate::number")]
    pub observed: f64,
    /// The mean of the statistic for a calibrated model.
    #[serde(with = "crate::number")]
    pub mean: f64,
    /// The interval of the statistic for a calibrated model.
    pub interval: Interval,
    /// `(1 + number of resamples with at least the observed value) / (1 + resamples)`: the p-value
    /// of the test that rejects calibration for large values.
    pub p_value: f64,
    /// Number of times that outcomes are sampled from the confidences.
    pub resamples: usize,
    /// Number of rows.
    pub n: u64,
}

/// A reliability diagram with the range of accuracies of a perfectly calibrated model with the same
/// confidences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsistencyBand {
    /// The diagram of the rows.
    pub reliability: Reliability,
    /// The interval of each bin's accuracy for a calibrated model; `None` for a bin without rows.
    pub accuracies: Vec<Option<Interval>>,
    /// Number of times that outcomes are sampled from the confidences.
    pub resamples: usize,
}

impl SortedTopLabels {
    /// Computes the distribution of a statistic under perfect calibration by consistency
    /// resampling.
    ///
    /// In every resample each row keeps its confidence `c` and is correct with probability `c`. The
    /// interval is between the quantiles `(1 - level) / 2` and `(1 + level) / 2` of the statistic.
    /// Resample `r` uses ChaCha8 with the seed `seed` and the stream `r`, so the result is
    /// bit-identical for any number of threads. Returns `None` if the result is undefined: for no
    /// resamples, a level outside of (0, 1) or a value that is not finite.
    ///
    /// ```
    /// use mbls_core::metric::{Metric, SortedTopLabels, TopLabelSamples, TopLabels};
    ///
    /// let mut samples = TopLabelSamples::new();
    /// // 400 rows of confidence 0.9, of which half are correct.
    /// samples.add(&TopLabels::new(&[0.9; 400], &[true, false].repeat(200))?)?;
    /// let rows = samples.value().expect("there are rows");
    /// let consistency = rows
    ///     .consistency(1000, 0.95, 0, SortedTopLabels::kolmogorov_smirnov_error)
    ///     .expect("errors are finite");
    /// assert!(consistency.observed > consistency.interval.high);
    /// assert!(consistency.p_value < 0.01);
    /// # Ok::<(), mbls_core::Error>(())
    /// ```
    ///
    /// # References
    ///
    /// Broecker and Smith, Increasing the Reliability of Reliability Diagrams, Weather and
    /// Forecasting 22, 2007, who also resample the confidences; here the observed confidences are
    /// fixed. Vaicenavicius et al., Evaluating model calibration in classification, AISTATS 2019
    /// (arXiv 1902.06977), section 4.2.
    pub fn consistency(
        &self,
        resamples: usize,
        level: f64,
        seed: u64,
        statistic: impl Fn(&SortedTopLabels) -> f64 + Sync,
    ) -> Option<Consistency> {
        let draw = |rng: &mut ChaCha8Rng, (): &mut ()| {
            let samples = self.samples().iter();
            let calibrated =
                samples.map(|sample| sample.with_correct(is_correct(rng, *sample))).collect();
            statistic(&Self::sort(calibrated))
        };
        let values = simulate(resamples, seed, || (), draw);
        let (interval, sorted) = interval_of(values, level)?;
        let observed = Some(statistic(self)).filter(|value| value.is_finite())?;
        let at_least = resamples - sorted.partition_point(|value| *value < observed);
        Some(Consistency {
            observed,
            mean: sorted.iter().sum::<f64>() / resamples as f64,
            interval,
            p_value: (1 + at_least) as f64 / (1 + resamples) as f64,
            resamples,
            n: self.n(),
        })
    }

    /// Returns the reliability diagram in `bins` bins with the interval of each bin's accuracy for
    /// a calibrated model, by resampling as in [`consistency`](Self::consistency). Returns `None`
    /// if the band is undefined: for no resamples or a level outside of (0, 1).
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) if `bins` is 0 or above 65536.
    pub fn consistency_band(
        &self,
        binning: Binning,
        bins: usize,
        resamples: usize,
        level: f64,
        seed: u64,
    ) -> Result<Option<ConsistencyBand>> {
        let reliability = self.reliability(binning, bins)?;
        // The rows are sorted, so each bin is a range of consecutive rows.
        let draw = |rng: &mut ChaCha8Rng, (): &mut ()| -> Vec<f64> {
            let mut samples = self.samples().iter();
            let correct = |count| {
                samples.by_ref().take(count).filter(|sample| is_correct(rng, **sample)).count()
            };
            let counts = reliability.bins.iter().map(|bin| bin.count as usize);
            counts
                .map(correct)
                .zip(&reliability.bins)
                .map(|(correct, bin)| correct as f64 / bin.count as f64)
                .collect()
        };
        let accuracies = simulate(resamples, seed, || (), draw);
        let mut band = Vec::with_capacity(bins);
        for (b, bin) in reliability.bins.iter().enumerate() {
            if bin.count == 0 {
                band.push(None);
                continue;
            }
            match interval_of(accuracies.iter().map(|of_bins| of_bins[b]).collect(), level) {
                Some((interval, _)) => band.push(Some(interval)),
                None => return Ok(None),
            }
        }
        Ok(Some(ConsistencyBand { reliability, accuracies: band, resamples }))
    }
}

/// Samples whether a row is correct under calibration: always for confidence 1, never for 0.
fn is_correct(rng: &mut ChaCha8Rng, sample: Sample) -> bool {
    rng.random::<f64>() < sample.confidence()
}
