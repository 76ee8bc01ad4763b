use super::binning::EqualWidthBins;
use super::reliability::Reliability;
use crate::bootstrap::{Interval, PairedDifference, paired_difference, percentile_interval};
use crate::metric::exact::{Cell, Sample, samples_of};
use crate::metric::input::Predictions;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Settings of [`ece_with_interval`] and [`ece_difference`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EceInterval {
    /// Number of bins of equal width, 1 to 65536; 15 by default.
    pub bins: usize,
    /// Number of bootstrap resamples, at least 1; 1000 by default.
    pub resamples: usize,
    /// Coverage of the interval, between 0 and 1; 0.95 by default.
    pub level: f64,
    /// Seed of the resamples; 0 by default.
    pub seed: u64,
}

/// An expected calibration error with its bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EceEstimate {
    /// The ECE of all rows, between 0 and 1.
    pub ece: f64,
    /// The percentile bootstrap interval over rows.
    pub interval: Interval,
    /// Number of rows.
    pub n: usize,
}

impl Default for EceInterval {
    fn default() -> Self {
        Self { bins: 15, resamples: 1000, level: 0.95, seed: 0 }
    }
}

/// Computes the expected calibration error of the top labels and its percentile bootstrap interval.
///
/// The error is that of [`ReliabilityBins`](super::ReliabilityBins), `sum_b n_b / n |accuracy_b -
/// confidence_b|` over bins of equal width. The interval is that of
/// [`percentile_interval`]. Resampling adds noise to every bin, and the ECE counts noise as error:
/// for a well-calibrated model the whole interval can lie above the estimate.
/// [`Consistency`](super::Consistency) shows what a calibrated model would have.
///
/// ```
/// use mbls_core::metric::{EceInterval, Predictions, ece_with_interval};
///
/// let logits = [2.0f32, 0.0, 0.0, 1.0, 0.0, 3.0, 1.0, 0.0];
/// let predictions = Predictions::from_logits(&logits, 2, &[0, 0, 1, 0])?;
/// let estimate = ece_with_interval(&predictions, EceInterval::default())?;
/// println!(
///     "ECE {:.3} [{:.3}, {:.3}]",
///     estimate.ece, estimate.interval.low, estimate.interval.high
/// );
/// # assert!(estimate.interval.low <= estimate.interval.high && estimate.n == 4);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Setting`] for settings outside of their ranges; [`Error::Shape`] for no rows.
pub fn ece_with_interval(predictions: &Predictions, settings: EceInterval) -> Result<EceEstimate> {
    let rows = Binned::new(predictions, &settings)?;
    let n = rows.samples.len();
    let all: Vec<u32> = (0..n as u32).collect();
    let ece = rows.ece(&all);
    let EceInterval { resamples, level, seed, .. } = settings;
    let interval = percentile_interval(n, resamples, level, seed, |drawn| rows.ece(drawn));
    let interval = interval.ok_or_else(|| undefined(n))?;
    Ok(EceEstimate { ece, interval, n })
}

/// Computes the difference of two models' expected calibration errors on the same rows, `left -
/// right`, with its paired bootstrap interval.
///
/// Each resample draws rows once for both models, so noise that they share cancels. Two
/// intervals that overlap say nothing about the difference; this interval does:
/// [`excludes_zero`](Interval::excludes_zero).
///
/// ```
/// use mbls_core::metric::{EceInterval, Predictions, ece_difference};
///
/// let labels = [0, 0, 1, 0];
/// let sharp =
///     Predictions::from_logits(&[9.0, 0.0, 0.0, 9.0, 0.0, 9.0, 9.0, 0.0], 2, &labels)?;
/// let flat = Predictions::from_logits(&[1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0], 2, &labels)?;
/// let difference = ece_difference(&sharp, &flat, EceInterval::default())?;
/// assert!(difference.observed > 0.0);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # Errors
///
/// As [`ece_with_interval`]; [`Error::Shape`] where the models have different numbers of rows or
/// different labels, since their rows are not the same samples then.
pub fn ece_difference(
    left: &Predictions,
    right: &Predictions,
    settings: EceInterval,
) -> Result<PairedDifference> {
    same_rows(left, right)?;
    let (left, right) = (Binned::new(left, &settings)?, Binned::new(right, &settings)?);
    let n = left.samples.len();
    let EceInterval { resamples, level, seed, .. } = settings;
    paired_difference(n, resamples, level, seed, |drawn| left.ece(drawn), |drawn| right.ece(drawn))
        .ok_or_else(|| undefined(n))
}

/// Rows with the bin of each.
struct Binned {
    bins: EqualWidthBins,
    samples: Vec<Sample>,
    bin_of: Vec<u32>,
}

impl Binned {
    fn new(predictions: &Predictions, settings: &EceInterval) -> Result<Self> {
        let EceInterval { bins, resamples, level, .. } = *settings;
        let bins = EqualWidthBins::linspace(bins)?;
        if resamples == 0 {
            return Err(setting("resamples", resamples, "at least 1"));
        }
        if !(level > 0.0 && level < 1.0) {
            return Err(setting("level", level, "a number between 0 and 1"));
        }
        if predictions.rows() == 0 {
            return Err(undefined(0));
        }
        let samples = samples_of(predictions);
        let bin_of = samples.iter().map(|sample| bins.bin(sample.confidence()) as u32).collect();
        Ok(Self { bins, samples, bin_of })
    }

    fn ece(&self, rows: &[u32]) -> f64 {
        let mut cells = vec![Cell::default(); self.bins.intervals().len()];
        for &row in rows {
            cells[self.bin_of[row as usize] as usize].add_sample(self.samples[row as usize]);
        }
        Reliability::of_cells(self.bins.intervals(), &cells).ece()
    }
}

fn same_rows(left: &Predictions, right: &Predictions) -> Result<()> {
    let different = |expected: String, found: String| {
        Err(Error::Shape { what: "rows of the two models", expected, found })
    };
    if left.rows() != right.rows() {
        return different(format!("{} of the second", left.rows()), right.rows().to_string());
    }
    let unlike = (0..left.rows()).find(|&row| left.label(row) != right.label(row));
    let Some(row) = unlike else { return Ok(()) };
    different(
        format!("label {} at row {row} of the second", left.label(row)),
        right.label(row).to_string(),
    )
}

fn setting(name: &'static str, value: impl ToString, expected: &'static str) -> Error {
    Error::Setting { name, value: value.to_string(), expected }
}

fn undefined(rows: usize) -> Error {
    Error::Shape { what: "rows", expected: "1 to 2^32 - 1".into(), found: rows.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Metric, ReliabilityBins};

    /// Rows of two classes whose confidences fill several bins.
    fn rows(n: usize, sharpness: f32) -> (Vec<f32>, Vec<u32>) {
        let logits = (0..n).flat_map(|i| [sharpness * ((i * 7 % 23) as f32 - 11.0) / 11.0, 0.0]);
        (logits.collect(), (0..n).map(|i| u32::from(i * 13 % 29 < 14)).collect())
    }

    #[test]
    fn the_estimate_and_every_resample_are_those_of_reliability_bins() {
        let (logits, labels) = rows(200, 2.0);
        let predictions = Predictions::from_logits(&logits, 2, &labels).unwrap();
        let settings = EceInterval { bins: 10, resamples: 50, level: 0.9, seed: 3 };
        let found = ece_with_interval(&predictions, settings).unwrap();
        let ece = |predictions: &Predictions| {
            let mut bins = ReliabilityBins::new(10).unwrap();
            bins.update(predictions).unwrap();
            bins.value().unwrap().ece()
        };
        assert_eq!(found.ece, ece(&predictions));
        let slow =
            percentile_interval(200, 50, 0.9, 3, |drawn: &[u32]| ece(&predictions.select(drawn)));
        assert_eq!(Some(found.interval), slow);
    }

    #[test]
    fn an_edge_belongs_to_the_bin_of_reliability_bins() {
        // As f64, 0.7 is above the f32 edge 0.7, so it is in the next bin; numpy code has it below.
        let probs = [0.7, 0.3, 0.65, 0.35, 0.75, 0.25];
        let predictions = Predictions::from_probs(&probs, 2, &[0, 1, 0]).unwrap();
        let settings = EceInterval { bins: 10, ..EceInterval::default() };
        let mut bins = ReliabilityBins::new(10).unwrap();
        bins.update(&predictions).unwrap();
        let expected = bins.value().unwrap().ece();
        assert_eq!(ece_with_interval(&predictions, settings).unwrap().ece, expected);
    }

    #[test]
    fn a_model_does_not_differ_from_itself_and_a_sharper_one_does() {
        let (logits, labels) = rows(400, 0.2);
        let flat = Predictions::from_logits(&logits, 2, &labels).unwrap();
        let (logits, _) = rows(400, 9.0);
        let sharp = Predictions::from_logits(&logits, 2, &labels).unwrap();
        let none = ece_difference(&flat, &flat, EceInterval::default()).unwrap();
        assert_eq!((none.observed, none.interval.low, none.interval.high), (0.0, 0.0, 0.0));
        let some = ece_difference(&sharp, &flat, EceInterval::default()).unwrap();
        assert!(some.observed > 0.1 && some.interval.excludes_zero(), "{some:?}");
    }

    #[test]
    fn wrong_settings_and_other_rows_are_errors() {
        let (logits, labels) = rows(6, 1.0);
        let predictions = Predictions::from_logits(&logits, 2, &labels).unwrap();
        let text = |settings| ece_with_interval(&predictions, settings).unwrap_err().to_string();
        let fine = EceInterval::default();
        assert!(text(EceInterval { bins: 0, ..fine }).starts_with("bins = 0"));
        assert_eq!(
            text(EceInterval { resamples: 0, ..fine }),
            "resamples = 0: expected at least 1"
        );
        for level in [0.0, 1.0, f64::NAN] {
            assert!(text(EceInterval { level, ..fine }).contains("a number between 0 and 1"));
        }
        let other: Vec<u32> = labels.iter().map(|label| 1 - label).collect();
        let other = Predictions::from_logits(&logits, 2, &other).unwrap();
        let error = ece_difference(&predictions, &other, fine).unwrap_err().to_string();
        assert!(error.starts_with("rows of the two models: expected label"), "{error}");
        let fewer = Predictions::from_logits(&logits[..4], 2, &labels[..2]).unwrap();
        assert!(ece_difference(&predictions, &fewer, fine).is_err());
    }
}
