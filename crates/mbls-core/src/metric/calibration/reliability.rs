use super::edges::Edges;
use super::norm::CalibrationNorm;
use crate::metric::agreement::same;
use crate::metric::contract::Metric;
use crate::metric::exact::{Cell, Sample, Tally, add_counts, samples_of};
use crate::metric::input::{Predictions, TopLabels};
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Confidence and accuracy in equally wide bins of the confidence, as a reliability diagram shows
/// them.
///
/// Bins are `(lower, upper]` with the f32 edges of `torch.linspace(0, 1, bins + 1)`; a confidence
/// of 0 belongs to the first.
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

    /// Those of given cells, as many as there are bins.
    pub(in crate::metric) fn of_cells(edges: Edges, cells: Vec<Cell>) -> Self {
        Self { edges, cells }
    }

    /// Returns the number of bins, 1 to 65536.
    pub fn bins(&self) -> usize {
        self.cells.len()
    }

    /// The lower edge of a bin, which has to be one of them.
    pub(crate) fn lower_edge(&self, bin: usize) -> f64 {
        self.edges.lower(bin)
    }

    /// The number of rows.
    pub fn n(&self) -> u64 {
        self.cells.iter().map(|cell| cell.count).sum()
    }

    /// Adds rows of which only confidence and correctness are known.
    ///
    /// # Errors
    ///
    /// As [`update`](Metric::update).
    pub fn add(&mut self, rows: &TopLabels) -> Result<()> {
        self.extend(
            rows.iter().map(|(confidence, correct)| (confidence, Sample::new(confidence, correct))),
        )
    }

    fn extend(&mut self, mut rows: impl ExactSizeIterator<Item = (f64, Sample)>) -> Result<()> {
        // All that adding can fail at, before any row is added.
        add_counts(self.n(), rows.len() as u64)?;
        while rows.len() > 0 {
            let mut tallies = vec![Tally::default(); self.cells.len()];
            for (confidence, sample) in rows.by_ref().take(Tally::MOST) {
                tallies[self.edges.bin(confidence)].add_sample(sample);
            }
            tallies.into_iter().zip(&mut self.cells).for_each(|(tally, cell)| tally.add_to(cell));
        }
        Ok(())
    }
}

impl Metric for ReliabilityBins {
    type Input<'a> = &'a Predictions<'a>;
    type Value = Reliability;

    saved::named_by!(Cells);

    fn empty(&self) -> Self {
        Self { edges: self.edges.clone(), cells: vec![Cell::default(); self.cells.len()] }
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        add_counts(self.n(), input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        self.extend(input.all_rows().confidence.iter().copied().zip(samples_of(input)))
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        same("bins", self.bins(), other.bins())?;
        add_counts(self.n(), other.n()).map(drop)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        self.cells.iter_mut().zip(&other.cells).try_for_each(|(cell, other)| cell.merge(other))
    }

    fn value(&self) -> Option<Reliability> {
        (self.n() > 0).then(|| Reliability::of_cells(self.edges.intervals(), &self.cells))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.edges.size() + self.cells.capacity() * size_of::<Cell>()
    }
}

/// The cells as they are saved.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Cells(Vec<Cell>);

impl saved::MetricState for Cells {
    const METRIC: &'static str = "reliability";
}

impl TryFrom<Saved<Cells>> for ReliabilityBins {
    type Error = Error;

    fn try_from(saved: Saved<Cells>) -> Result<Self> {
        let Cells(cells) = saved.into_state();
        cells.iter().try_for_each(|cell| cell.check(<Cells as saved::MetricState>::METRIC))?;
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
    /// Number of rows, at least 1.
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

    /// An unbiased estimate of the variance of the accuracy, `accuracy (1 - accuracy) / (count -
    /// 1)`; `None` for fewer than two rows.
    pub(in crate::metric) fn accuracy_variance(&self) -> Option<f64> {
        let accuracy = self.accuracy.filter(|_| self.count > 1)?;
        Some(accuracy * (1.0 - accuracy) / (self.count - 1) as f64)
    }
}

impl Reliability {
    /// The diagram of cells that lie between given edges and hold rows.
    pub(in crate::metric) fn of_cells(
        intervals: impl IntoIterator<Item = (f64, f64)>,
        cells: &[Cell],
    ) -> Self {
        let bins = intervals.into_iter().zip(cells).map(|((lower, upper), cell)| ReliabilityBin {
            lower,
            upper,
            count: cell.count,
            mean_confidence: cell.mean_probability(),
            accuracy: cell.frequency(),
        });
        Self { n: cells.iter().map(|cell| cell.count).sum(), bins: bins.collect() }
    }

    /// The expected calibration error: `sum_b count_b / n |accuracy_b - confidence_b|`, the error
    /// of [`CalibrationNorm::L1`].
    ///
    /// # References
    ///
    /// Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015;
    /// Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (arXiv 1706.04599).
    pub fn ece(&self) -> f64 {
        self.error(CalibrationNorm::L1)
    }

    /// The maximum calibration error: `max_b |accuracy_b - confidence_b|` over the bins that hold
    /// rows, the error of [`CalibrationNorm::Max`].
    ///
    /// # References
    ///
    /// Naeini et al., AAAI 2015.
    pub fn mce(&self) -> f64 {
        self.error(CalibrationNorm::Max)
    }

    /// The calibration error in a norm of the gaps `g_b = |accuracy_b - confidence_b|` of the bins
    /// that hold rows.
    pub fn error(&self, norm: CalibrationNorm) -> f64 {
        match norm {
            CalibrationNorm::L1 => self.mean(ReliabilityBin::gap),
            CalibrationNorm::L2 => self.mean(|bin| Some(bin.gap()?.powi(2))).sqrt(),
            CalibrationNorm::Max => self.gaps().fold(0.0, f64::max),
            CalibrationNorm::Average => self.gaps().sum::<f64>() / self.gaps().count() as f64,
        }
    }

    /// The part of [`ece`](Self::ece) of the bins that are more confident than accurate:
    /// `sum_b count_b / n max(confidence_b - accuracy_b, 0)`.
    ///
    /// With [`underconfidence`](Self::underconfidence) it sums to the ECE.
    ///
    /// # References
    ///
    /// Thulasidasan et al., On Mixup Training, NeurIPS 2019 (arXiv 1905.11001), section 2, where
    /// the gap is weighted by the confidence too; here it is not, so that the parts sum to the
    /// whole.
    pub fn overconfidence(&self) -> f64 {
        self.mean(|bin| Some((bin.mean_confidence? - bin.accuracy?).max(0.0)))
    }

    /// The part of [`ece`](Self::ece) of the bins that are less confident than accurate:
    /// `sum_b count_b / n max(accuracy_b - confidence_b, 0)`.
    pub fn underconfidence(&self) -> f64 {
        self.mean(|bin| Some((bin.accuracy? - bin.mean_confidence?).max(0.0)))
    }

    /// The squared L2 calibration error without the bias of the plug-in estimate:
    /// `sum_b count_b / n (g_b^2 - accuracy_b (1 - accuracy_b) / (count_b - 1))`.
    ///
    /// What a bin of few rows shows of a gap is mostly noise, which the plug-in estimate counts as
    /// an error; its expectation is taken off. The result may be negative. A bin of one row
    /// says nothing of its noise and adds 0. The estimate is unbiased for the binned model,
    /// which says the same within a bin.
    ///
    /// # References
    ///
    /// Kumar et al., Verified Uncertainty Calibration, NeurIPS 2019 (arXiv 1909.10155), section
    /// 4.1; Broecker, Estimating reliability and resolution of probability forecasts through
    /// decomposition of the empirical score, Climate Dynamics 39, 2012.
    pub fn debiased_squared_error(&self) -> f64 {
        let debiased = |bin: &ReliabilityBin| Some(bin.gap()?.powi(2) - bin.accuracy_variance()?);
        self.mean(debiased)
    }

    /// The mean confidence of all rows: `sum_b count_b / n confidence_b`.
    pub fn mean_confidence(&self) -> f64 {
        self.mean(|bin| bin.mean_confidence)
    }

    /// The accuracy of all rows: `sum_b count_b / n accuracy_b`.
    pub fn accuracy(&self) -> f64 {
        self.mean(|bin| bin.accuracy)
    }

    /// The mean over all rows of what each takes from its bin; 0 where a bin has nothing to give.
    pub(in crate::metric) fn mean(&self, of: impl Fn(&ReliabilityBin) -> Option<f64>) -> f64 {
        self.bins.iter().filter_map(|bin| Some(bin.count as f64 * of(bin)?)).sum::<f64>()
            / self.n as f64
    }

    pub(in crate::metric) fn gaps(&self) -> impl Iterator<Item = f64> {
        self.bins.iter().filter_map(ReliabilityBin::gap)
    }
}
