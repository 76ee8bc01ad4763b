use super::edges::Edges;
use super::norm::CalibrationNorm;
use crate::metric::agreement::same;
use crate::metric::contract::Metric;
use crate::metric::exact::{Cell, Sample, Tally, add_counts, samples_of};
use crate::metric::input::{Predictions, TopLabels};
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Confidence and accuracy in equal-width bins of the confidence, the data of a reliability
/// diagram.
///
/// Bins are `(lower, upper]` with the f32 edges of `torch.linspace(0, 1, bins + 1)`; a confidence
/// of 0 belongs to the first bin.
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
///
/// # Binary classifiers
///
/// Two quantities are called the ECE of a binary classifier. [`update`](Metric::update) bins the
/// confidence of the predicted class, as for several classes. [`add`](Self::add) with the
/// probabilities of the positive class compares these with its frequency, as scikit-learn's
/// `calibration_curve` does:
///
/// ```
/// use mbls_core::metric::{Metric, Predictions, ReliabilityBins, TopLabels};
///
/// let (probs, labels) = ([0.25, 0.25, 0.75], [0, 1, 1]);
/// let mut confidence = ReliabilityBins::new(10)?;
/// confidence.update(&Predictions::from_binary(&probs, &labels)?)?;
/// let is_positive = labels.map(|label| label == 1);
/// let mut positive = ReliabilityBins::new(10)?;
/// positive.add(&TopLabels::new(&probs, &is_positive)?)?;
/// // All three confidences are 0.75, two of them correct; the probabilities are 0.25 and 0.75.
/// let ece = |bins: ReliabilityBins| bins.value().map(|reliability| reliability.ece());
/// assert!((ece(confidence).expect("rows") - (0.75 - 2.0 / 3.0)).abs() < 1e-12);
/// assert!((ece(positive).expect("rows") - (2.0 * 0.25 + 0.25) / 3.0).abs() < 1e-12);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved<Cells>", into = "Saved<Cells>")]
pub struct ReliabilityBins {
    edges: Edges,
    cells: Vec<Cell>,
}

/// Compares the cells; the edges follow from them.
impl PartialEq for ReliabilityBins {
    fn eq(&self, other: &Self) -> bool {
        self.cells == other.cells
    }
}

impl ReliabilityBins {
    /// Creates a metric with `bins` bins that has seen no rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if `bins` is 0 or above 65536.
    pub fn new(bins: usize) -> Result<Self> {
        Ok(Self { edges: Edges::new(bins)?, cells: vec![Cell::default(); bins] })
    }

    /// Creates the metric from cells, one per bin.
    pub(in crate::metric) fn of_cells(edges: Edges, cells: Vec<Cell>) -> Self {
        Self { edges, cells }
    }

    /// Returns the number of bins, 1 to 65536.
    pub fn bins(&self) -> usize {
        self.cells.len()
    }

    /// Returns the lower edge of a bin, whose index must be valid.
    pub(crate) fn lower_edge(&self, bin: usize) -> f64 {
        self.edges.lower(bin)
    }

    /// Returns the number of rows.
    pub fn n(&self) -> u64 {
        self.cells.iter().map(|cell| cell.count).sum()
    }

    /// Adds rows given by confidence and correctness only.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`update`](Metric::update).
    pub fn add(&mut self, rows: &TopLabels) -> Result<()> {
        self.extend(
            rows.iter().map(|(confidence, correct)| (confidence, Sample::new(confidence, correct))),
        )
    }

    fn extend(&mut self, mut rows: impl ExactSizeIterator<Item = (f64, Sample)>) -> Result<()> {
        // The only possible failure, checked before any row is added.
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

/// The cells in their saved form.
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

/// A reliability diagram as numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Number of rows, at least 1.
    pub n: u64,
    /// The bins in ascending order of confidence.
    pub bins: Vec<ReliabilityBin>,
}

/// The statistics of the rows in one bin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// The lower edge, exclusive.
    pub lower: f64,
    /// The upper edge, inclusive.
    pub upper: f64,
    /// Number of rows.
    pub count: u64,
    /// Mean confidence of the rows; `None` without rows.
    pub mean_confidence: Option<f64>,
    /// Fraction of the rows that are correct; `None` without rows.
    pub accuracy: Option<f64>,
}

impl ReliabilityBin {
    /// Returns `|accuracy - mean confidence|`; `None` without rows.
    pub fn gap(&self) -> Option<f64> {
        Some((self.accuracy? - self.mean_confidence?).abs())
    }

    /// Returns an unbiased estimate of the variance of the accuracy, `accuracy (1 - accuracy) /
    /// (count - 1)`; `None` for fewer than two rows.
    pub(in crate::metric) fn accuracy_variance(&self) -> Option<f64> {
        let accuracy = self.accuracy.filter(|_| self.count > 1)?;
        Some(accuracy * (1.0 - accuracy) / (self.count - 1) as f64)
    }
}

impl Reliability {
    /// Creates the diagram of the non-empty cells, with the given edges.
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

    /// Computes the expected calibration error: `sum_b count_b / n |accuracy_b - confidence_b|`,
    /// the error in [`CalibrationNorm::L1`].
    ///
    /// # References
    ///
    /// Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015;
    /// Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (arXiv 1706.04599).
    pub fn ece(&self) -> f64 {
        self.error(CalibrationNorm::L1)
    }

    /// Computes the maximum calibration error: `max_b |accuracy_b - confidence_b|` over the
    /// non-empty bins, the error in [`CalibrationNorm::Max`].
    ///
    /// # References
    ///
    /// Naeini et al., AAAI 2015.
    pub fn mce(&self) -> f64 {
        self.error(CalibrationNorm::Max)
    }

    /// Computes the calibration error in a norm of the gaps `g_b = |accuracy_b - confidence_b|` of
    /// the non-empty bins.
    pub fn error(&self, norm: CalibrationNorm) -> f64 {
        match norm {
            CalibrationNorm::L1 => self.mean(ReliabilityBin::gap),
            CalibrationNorm::L2 => self.mean(|bin| Some(bin.gap()?.powi(2))).sqrt(),
            CalibrationNorm::Max => self.gaps().fold(0.0, f64::max),
            CalibrationNorm::Average => self.gaps().sum::<f64>() / self.gaps().count() as f64,
        }
    }

    /// Computes the part of [`ece`](Self::ece) due to bins that are more confident than accurate:
    /// `sum_b count_b / n max(confidence_b - accuracy_b, 0)`.
    ///
    /// The sum of this and [`underconfidence`](Self::underconfidence) is the ECE.
    ///
    /// # References
    ///
    /// Thulasidasan et al., On Mixup Training, NeurIPS 2019 (arXiv 1905.11001), section 2, where
    /// the gap is also weighted by the confidence. It is not weighted here, so that the two parts
    /// sum to the ECE.
    pub fn overconfidence(&self) -> f64 {
        self.mean(|bin| Some((bin.mean_confidence? - bin.accuracy?).max(0.0)))
    }

    /// Computes the part of [`ece`](Self::ece) due to bins that are less confident than accurate:
    /// `sum_b count_b / n max(accuracy_b - confidence_b, 0)`.
    pub fn underconfidence(&self) -> f64 {
        self.mean(|bin| Some((bin.accuracy? - bin.mean_confidence?).max(0.0)))
    }

    /// Computes the squared L2 calibration error without the bias of the plug-in estimate: `sum_b
    /// count_b / n (g_b^2 - accuracy_b (1 - accuracy_b) / (count_b - 1))`.
    ///
    /// In a bin with few rows the gap is mostly noise, which the plug-in estimate counts as an
    /// error; here its expectation is subtracted. The result may be negative. A bin with one row
    /// has no estimate of its noise and contributes 0. The estimate is unbiased for the binned
    /// model, which predicts the same value everywhere in a bin.
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

    /// Returns the mean confidence of all rows: `sum_b count_b / n confidence_b`.
    pub fn mean_confidence(&self) -> f64 {
        self.mean(|bin| bin.mean_confidence)
    }

    /// Returns the accuracy of all rows: `sum_b count_b / n accuracy_b`.
    pub fn accuracy(&self) -> f64 {
        self.mean(|bin| bin.accuracy)
    }

    /// Returns the mean over all rows of a statistic of their bin. Bins in which it is undefined
    /// contribute 0.
    pub(in crate::metric) fn mean(&self, of: impl Fn(&ReliabilityBin) -> Option<f64>) -> f64 {
        self.bins.iter().filter_map(|bin| Some(bin.count as f64 * of(bin)?)).sum::<f64>()
            / self.n as f64
    }

    pub(in crate::metric) fn gaps(&self) -> impl Iterator<Item = f64> {
        self.bins.iter().filter_map(ReliabilityBin::gap)
    }
}
