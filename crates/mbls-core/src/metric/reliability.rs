use super::cell::Cell;
use super::edges::Edges;
use super::fixed_sum::unit_interval_units;
use super::saved::{self, Saved};
use super::{Metric, Predictions, add_counts, same};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Confidence and accuracy in equally wide bins of the confidence, as a reliability diagram shows them.
///
/// Bins are `(lower, upper]` with the f32 edges of `torch.linspace(0, 1, bins + 1)`; a confidence of 0 belongs to the first.
///
/// ```
/// use mbls_core::metric::{Metric, Predictions, ReliabilityBins};
///
/// let mut bins = ReliabilityBins::new(10)?;
/// bins.update(&Predictions::from_probs(&[0.75, 0.25, 0.25, 0.75], 2, &[0, 0])?)?;
/// let reliability = bins.value().expect("two rows were added");
/// assert_eq!((reliability.bins[7].count, reliability.bins[7].accuracy), (2, Some(0.5)));
/// assert_eq!((reliability.ece(), reliability.mce()), (0.25, 0.25));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved<Cells>", into = "Saved<Cells>")]
pub struct ReliabilityBins {
    edges: Edges,
    cells: Vec<Cell>,
}

/// Equality of the state.
impl PartialEq for ReliabilityBins {
    fn eq(&self, other: &Self) -> bool {
        self.cells == other.cells
    }
}

impl ReliabilityBins {
    /// No rows yet, in `bins` bins.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for no bins and for more than 65536.
    pub fn new(bins: usize) -> Result<Self> {
        Ok(Self { edges: Edges::new(bins)?, cells: vec![Cell::default(); bins] })
    }

    /// The number of bins.
    pub fn bins(&self) -> usize {
        self.cells.len()
    }

    /// The number of rows.
    pub fn n(&self) -> u64 {
        self.cells.iter().map(|cell| cell.count).sum()
    }

    /// An error where another's settings differ.
    pub(super) fn check_merge(&self, other: &Self) -> Result<()> {
        same("bins", self.bins(), other.bins())
    }
}

impl Metric for ReliabilityBins {
    type Input<'a> = &'a Predictions;
    type Value = Reliability;

    fn update(&mut self, input: &Predictions) -> Result<()> {
        add_counts(self.n(), input.rows() as u64)?;
        for row in 0..input.rows() {
            let confidence = input.confidence(row);
            self.cells[self.edges.bin(confidence)].add_units(unit_interval_units(confidence), input.correct(row));
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        self.cells.iter_mut().zip(&other.cells).try_for_each(|(cell, other)| cell.merge(other))
    }

    fn value(&self) -> Option<Reliability> {
        let n = self.n();
        let bins = self.edges.intervals().zip(&self.cells).map(|((lower, upper), cell)| ReliabilityBin {
            lower,
            upper,
            count: cell.count,
            mean_confidence: cell.mean_probability(),
            accuracy: cell.frequency(),
        });
        (n > 0).then(|| Reliability { n, bins: bins.collect() })
    }
}

/// The cells as they are saved.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Cells(Vec<Cell>);

impl saved::State for Cells {
    const METRIC: &'static str = "reliability";
}

impl TryFrom<Saved<Cells>> for ReliabilityBins {
    type Error = Error;

    fn try_from(saved: Saved<Cells>) -> Result<Self> {
        let Cells(cells) = saved.into_state();
        cells.iter().try_for_each(|cell| cell.check(<Cells as saved::State>::METRIC))?;
        cells.iter().try_fold(0, |n, cell| add_counts(n, cell.count))?;
        Ok(Self { edges: Edges::new(cells.len())?, cells })
    }
}

impl From<ReliabilityBins> for Saved<Cells> {
    fn from(bins: ReliabilityBins) -> Self {
        Self::new(Cells(bins.cells))
    }
}

/// A reliability diagram in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Number of rows.
    pub n: u64,
    /// The bins, by rising confidence.
    pub bins: Vec<ReliabilityBin>,
}

/// The rows of one bin of confidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// The lower edge, outside of the bin.
    pub lower: f64,
    /// The upper edge, inside.
    pub upper: f64,
    /// Number of rows.
    pub count: u64,
    /// The mean of their confidences, `None` for no rows.
    pub mean_confidence: Option<f64>,
    /// The share of them that is correct, `None` for no rows.
    pub accuracy: Option<f64>,
}

impl ReliabilityBin {
    /// `|accuracy - mean confidence|`, `None` for no rows.
    pub fn gap(&self) -> Option<f64> {
        Some((self.accuracy? - self.mean_confidence?).abs())
    }
}

impl Reliability {
    /// The expected calibration error: `sum_b count_b / n |accuracy_b - confidence_b|`.
    ///
    /// # References
    ///
    /// Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015; Guo et al., On Calibration
    /// of Modern Neural Networks, ICML 2017 (arXiv 1706.04599).
    pub fn ece(&self) -> f64 {
        self.bins.iter().filter_map(|bin| Some(bin.count as f64 * bin.gap()?)).sum::<f64>() / self.n as f64
    }

    /// The maximum calibration error: `max_b |accuracy_b - confidence_b|` over the bins that hold rows.
    ///
    /// # References
    ///
    /// Naeini et al., AAAI 2015.
    pub fn mce(&self) -> f64 {
        self.bins.iter().filter_map(ReliabilityBin::gap).fold(0.0, f64::max)
    }
}
