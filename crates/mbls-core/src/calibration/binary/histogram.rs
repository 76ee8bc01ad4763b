use crate::bootstrap::quantile;
use crate::calibration::BinaryCalibrator;
use crate::calibration::binary::calibrator::sorted_probs;
use crate::metric::check_bins;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Histogram binning: maps a probability to the fraction of positives among the rows of its bin.
///
/// Bins are `(lower, upper]`; 0 belongs to the first. A bin without rows maps to its centre.
///
/// ```
/// use mbls_core::calibration::{
///     BinaryCalibrator, HistogramBinning, HistogramBins, HistogramEdges,
/// };
///
/// let bins = HistogramBins { bins: 2, edges: HistogramEdges::EqualWidth };
/// let map = HistogramBinning::fit(&[0.6, 0.7, 0.8, 0.9], &[true, false, true, true], bins)?;
/// assert_eq!((map.prob(0.95), map.prob(0.3)), (0.75, 0.25));
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Zadrozny and Elkan, Obtaining calibrated probability estimates from decision trees and naive
/// Bayesian classifiers, ICML 2001.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct HistogramBinning(Saved);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    edges: Vec<f64>,
    calibrated: Vec<f64>,
}

/// The bins of [`HistogramBinning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistogramBins {
    /// The number of bins, from 1 to 65536.
    pub bins: usize,
    /// The placement of the edges.
    pub edges: HistogramEdges,
}

/// The placement of the edges of [`HistogramBins`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HistogramEdges {
    /// At `k / bins`.
    EqualWidth,
    /// At the quantiles `k / bins` of the probabilities, with linear interpolation; the ends are 0
    /// and 1. Equal edges are merged, so there may be fewer bins.
    EqualMass,
}

const WHAT: &str = "histogram binning";

impl HistogramBinning {
    /// Returns the lower edge, the upper edge and the calibrated probability of each bin.
    pub fn bins(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        self.0
            .edges
            .windows(2)
            .zip(&self.0.calibrated)
            .map(|(edges, &prob)| (edges[0], edges[1], prob))
    }
}

fn bin(edges: &[f64], prob: f64) -> usize {
    edges[1..edges.len() - 1].partition_point(|&edge| edge < prob)
}

impl BinaryCalibrator for HistogramBinning {
    type Settings = HistogramBins;

    fn fit(
        probs: &[f64],
        positive: &[bool],
        HistogramBins { bins, edges: spacing }: HistogramBins,
    ) -> Result<Self> {
        check_bins(bins)?;
        let samples = sorted_probs(WHAT, probs, positive)?;
        let sorted: Vec<f64> = samples.iter().map(|(prob, _)| *prob).collect();
        let inner = (1..bins).map(|k| k as f64 / bins as f64).map(|share| match spacing {
            HistogramEdges::EqualWidth => share,
            HistogramEdges::EqualMass => quantile(&sorted, share),
        });
        let mut edges = vec![0.0];
        edges.extend(inner.filter(|edge| *edge > 0.0 && *edge < 1.0));
        edges.push(1.0);
        edges.dedup();
        let mut counts = vec![(0u64, 0u64); edges.len() - 1];
        for &(prob, positive) in &samples {
            let (positives, rows) = &mut counts[bin(&edges, prob)];
            *positives += u64::from(positive);
            *rows += 1;
        }
        let calibrated =
            counts.iter().zip(edges.windows(2)).map(|(&(positives, rows), edges)| match rows {
                0 => 0.5 * (edges[0] + edges[1]),
                _ => positives as f64 / rows as f64,
            });
        let calibrated = calibrated.collect();
        Saved { edges, calibrated }.try_into()
    }

    fn prob(&self, prob: f64) -> f64 {
        self.0.calibrated[bin(&self.0.edges, prob)]
    }
}

impl TryFrom<Saved> for HistogramBinning {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let Saved { edges, calibrated } = &saved;
        let bins = check_bins(calibrated.len())?;
        if edges.len() != bins + 1 {
            let (expected, found) =
                (format!("{} edges of {bins} bins", bins + 1), edges.len().to_string());
            return Err(Error::Shape { what: WHAT, expected, found });
        }
        let ascending = edges.windows(2).all(|pair| pair[0] < pair[1]);
        if edges[0] != 0.0 || edges[edges.len() - 1] != 1.0 || !ascending {
            let (value, expected) = (format!("{edges:?}"), "ascending numbers from 0 to 1");
            return Err(Error::Setting { name: "edges", value, expected });
        }
        if let Some(value) = calibrated.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            let expected = "numbers from 0 to 1";
            return Err(Error::Setting { name: "calibrated", value: value.to_string(), expected });
        }
        Ok(Self(saved))
    }
}

impl From<HistogramBinning> for Saved {
    fn from(binning: HistogramBinning) -> Self {
        binning.0
    }
}
