use super::batch::{PixelRows, SegmentationBatch};
use crate::metric::agreement::same;
use crate::metric::calibration::{
    AdaptiveConvention, AdaptiveEce, ClasswiseConvention, ClasswiseEce, Reliability,
    ReliabilityBins,
};
use crate::metric::contract::Metric;
use crate::metric::exact::{FixedSum, add_counts};
use crate::metric::proper::NegativeLogLikelihood;
use crate::metric::saved::{self, Saved};
use crate::number::is_zero;
use crate::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The set of pixels over which the calibration errors of a segmentation are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SegmentationProtocol {
    /// All pixels that are not ignored, in one histogram.
    #[default]
    Pooled,
    /// The protocol of published results: pixels of label 0 are excluded, errors are computed per
    /// batch (in the reference conventions), and the value is their mean, weighted by the numbers
    /// of pixels.
    ///
    /// The value depends on how the data is divided into batches, and is larger than the pooled
    /// error if a batch has few pixels per bin. A batch without included pixels contributes
    /// nothing; published code fails in this case.
    Reference,
}

/// The pixelwise calibration of a segmentation. It uses all threads of the current rayon pool, and
/// results are bit-identical for any number of threads.
///
/// The state of [`SegmentationProtocol::Pooled`] has a size of bins times classes. Adaptive ECE,
/// whose definition needs every confidence, adds 8 bytes per pixel and is computed only if
/// requested by [`with_adaptive_ece`](Self::with_adaptive_ece). The state of
/// [`SegmentationProtocol::Reference`] is a few numbers; each update needs 8 bytes per pixel of its
/// batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct SegmentationCalibration {
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Pooled(PooledState),
    Reference(Means),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PooledState {
    nll: NegativeLogLikelihood,
    reliability: ReliabilityBins,
    classwise: ClasswiseEce,
    adaptive: Option<AdaptiveEce>,
}

/// Sums over batches of the errors times the number of pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Means {
    bins: usize,
    batches: u64,
    /// The mean of batch means weighted by pixel counts is the overall mean.
    nll: NegativeLogLikelihood,
    ece: FixedSum,
    aece: FixedSum,
    cece: FixedSum,
}

/// The value of [`SegmentationCalibration`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationCalibrationReport {
    /// The protocol of the errors.
    pub protocol: SegmentationProtocol,
    /// Number of pixels that are included.
    pub n: u64,
    /// Mean negative log-likelihood of the labels; infinite if a label has probability 0.
    #[serde(with = "crate::number")]
    pub nll: f64,
    /// Number of pixels whose label has probability 0. Serialised only if not 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub infinite_nll_rows: u64,
    /// Expected calibration error.
    pub ece: f64,
    /// Adaptive expected calibration error, if it was requested.
    pub aece: Option<f64>,
    /// Classwise expected calibration error.
    pub cece: f64,
    /// The reliability diagram of the pooled pixels.
    pub reliability: Option<Reliability>,
}

impl SegmentationCalibration {
    /// Creates a metric with `bins` bins (usually 15) that has seen no pixels. With the pooled
    /// protocol it does not compute adaptive ECE.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if `bins` is 0 or above 65536.
    pub fn new(bins: usize, protocol: SegmentationProtocol) -> Result<Self> {
        let parts = PooledState::new(
            bins,
            AdaptiveConvention::Definition,
            ClasswiseConvention::Definition,
        )?;
        let state = match protocol {
            SegmentationProtocol::Pooled => State::Pooled(PooledState { adaptive: None, ..parts }),
            SegmentationProtocol::Reference => State::Reference(Means::new(bins)),
        };
        Ok(Self { state })
    }

    /// Creates a pooled metric with adaptive ECE that has seen no pixels. It needs 8 bytes per
    /// pixel.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`new`](Self::new).
    pub fn with_adaptive_ece(bins: usize) -> Result<Self> {
        let parts = PooledState::new(
            bins,
            AdaptiveConvention::Definition,
            ClasswiseConvention::Definition,
        )?;
        Ok(Self { state: State::Pooled(parts) })
    }

    /// Returns whether pixels are pooled or errors are averaged over batches.
    pub fn protocol(&self) -> SegmentationProtocol {
        match self.state {
            State::Pooled(_) => SegmentationProtocol::Pooled,
            State::Reference(_) => SegmentationProtocol::Reference,
        }
    }

    /// Returns the number of bins, 1 to 65536.
    pub fn bins(&self) -> usize {
        match &self.state {
            State::Pooled(parts) => parts.reliability.bins(),
            State::Reference(means) => means.bins,
        }
    }

    /// Returns the number of pixels that are included.
    pub fn n(&self) -> u64 {
        match &self.state {
            State::Pooled(parts) => parts.nll.n(),
            State::Reference(means) => means.nll.n(),
        }
    }
}

impl PooledState {
    fn new(
        bins: usize,
        adaptive: AdaptiveConvention,
        classwise: ClasswiseConvention,
    ) -> Result<Self> {
        Ok(Self {
            nll: NegativeLogLikelihood::new(),
            reliability: ReliabilityBins::new(bins)?,
            classwise: ClasswiseEce::new(bins, classwise)?,
            adaptive: Some(AdaptiveEce::new(bins, adaptive)?),
        })
    }

    fn empty(&self) -> Self {
        Self {
            nll: self.nll.empty(),
            reliability: self.reliability.empty(),
            classwise: self.classwise.empty(),
            adaptive: self.adaptive.as_ref().map(Metric::empty),
        }
    }

    /// Returns the allocated memory in bytes.
    fn allocated(&self) -> usize {
        let adaptive = self.adaptive.as_ref().map_or(0, Metric::size);
        let all = self.nll.size() + self.reliability.size() + self.classwise.size() + adaptive;
        let own =
            size_of_val(&self.nll) + size_of_val(&self.reliability) + size_of_val(&self.classwise);
        all - own - self.adaptive.as_ref().map_or(0, size_of_val)
    }

    /// Adds the pixels whose label satisfies a condition to a copy of these parts, which are empty,
    /// on all threads of the current rayon pool.
    fn with(
        &self,
        batch: SegmentationBatch<'_>,
        keep: impl Fn(u32) -> bool + Sync,
    ) -> Result<Self> {
        let add = |mut parts: Self, block: usize| {
            parts.update(&batch.block(block, &keep)).map(|()| parts)
        };
        let merge = |mut a: Self, b: Self| a.merge(b).map(|()| a);
        let blocks = 0..batch.blocks();
        let all = blocks
            .clone()
            .into_par_iter()
            .try_fold(|| self.clone(), add)
            .try_reduce(|| self.clone(), merge);
        // Which of several errors a thread hits first is random, so search sequentially for the
        // first one.
        all.or_else(|_| blocks.into_iter().try_fold(self.clone(), add))
    }

    fn update(&mut self, rows: &PixelRows) -> Result<()> {
        let input = rows.predictions()?;
        self.nll.update(&input).map_err(|mut error| {
            if let Error::Value { row, .. } = &mut error {
                *row = rows.pixels[*row];
            }
            error
        })?;
        self.reliability.update(&input)?;
        self.classwise.update(&input)?;
        match &mut self.adaptive {
            Some(adaptive) => adaptive.update(&input),
            None => Ok(()),
        }
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        // Check all possible failures first, so no component is updated without the others.
        self.reliability.check_merge(&other.reliability)?;
        self.classwise.check_merge(&other.classwise)?;
        same("adaptive ECE", self.adaptive.is_some(), other.adaptive.is_some())?;
        self.nll.merge(other.nll)?;
        self.reliability.merge(other.reliability)?;
        self.classwise.merge(other.classwise)?;
        match (&mut self.adaptive, other.adaptive) {
            (Some(adaptive), Some(other)) => adaptive.merge(other),
            _ => Ok(()),
        }
    }

    fn report(&self) -> Option<SegmentationCalibrationReport> {
        let reliability = self.reliability.value()?;
        Some(SegmentationCalibrationReport {
            protocol: SegmentationProtocol::Pooled,
            n: reliability.n,
            nll: self.nll.value()?,
            infinite_nll_rows: self.nll.infinite(),
            ece: reliability.ece(),
            aece: self.adaptive.as_ref().and_then(Metric::value),
            cece: self.classwise.value()?,
            reliability: Some(reliability),
        })
    }

    fn check(&self) -> Result<()> {
        let mut rows = vec![self.nll.n(), self.reliability.n(), self.classwise.n()];
        let mut bins = vec![self.reliability.bins(), self.classwise.bins()];
        rows.extend(self.adaptive.as_ref().map(AdaptiveEce::n));
        bins.extend(self.adaptive.as_ref().map(AdaptiveEce::bins));
        let conventions =
            (self.classwise.convention(), self.adaptive.as_ref().map(AdaptiveEce::convention));
        if rows.iter().any(|n| *n != rows[0]) || bins.iter().any(|b| *b != bins[0]) {
            return Err(invalid(format!("its parts have {rows:?} rows and {bins:?} bins")));
        }
        match conventions {
            (ClasswiseConvention::Definition, None | Some(AdaptiveConvention::Definition)) => {
                Ok(())
            }
            _ => Err(invalid(format!("pooled errors with the conventions {conventions:?}"))),
        }
    }
}

impl Means {
    fn new(bins: usize) -> Self {
        let zero = FixedSum::default();
        Self {
            bins,
            batches: 0,
            nll: NegativeLogLikelihood::new(),
            ece: zero,
            aece: zero,
            cece: zero,
        }
    }

    /// Returns the sums of a single batch.
    fn of(bins: usize, batch: SegmentationBatch<'_>) -> Result<Self> {
        let parts =
            PooledState::new(bins, AdaptiveConvention::Reference, ClasswiseConvention::Reference)?;
        let parts = parts.with(batch, |label| label != 0)?;
        let mut means = Self::new(bins);
        if let Some(report) = parts.report() {
            // Rounding may make an error exceed 1, which a saved state must not contain.
            let weighted = |error: f64| error.min(1.0) * report.n as f64;
            means.ece.add(weighted(report.ece))?;
            means.aece.add(weighted(report.aece.unwrap_or_default()))?;
            means.cece.add(weighted(report.cece))?;
            means.batches = 1;
            means.nll = parts.nll;
        }
        Ok(means)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        same("bins", self.bins, other.bins)?;
        let mut merged = self.clone();
        merged.batches = add_counts(self.batches, other.batches)?;
        merged.nll.merge(other.nll)?;
        merged.ece.merge(other.ece)?;
        merged.aece.merge(other.aece)?;
        merged.cece.merge(other.cece)?;
        *self = merged;
        Ok(())
    }

    fn report(&self) -> Option<SegmentationCalibrationReport> {
        let n = self.nll.n();
        Some(SegmentationCalibrationReport {
            protocol: SegmentationProtocol::Reference,
            n,
            nll: self.nll.value()?,
            infinite_nll_rows: self.nll.infinite(),
            ece: self.ece.mean(n),
            aece: Some(self.aece.mean(n)),
            cece: self.cece.mean(n),
            reliability: None,
        })
    }

    fn check(&self) -> Result<()> {
        ReliabilityBins::new(self.bins)?;
        let n = self.nll.n();
        if self.batches > n || (self.batches == 0) != (n == 0) {
            return Err(invalid(format!("{} batches of {n} pixels", self.batches)));
        }
        let most = i128::from(n) << FixedSum::FRACTION_BITS;
        match [self.ece, self.aece, self.cece].iter().find(|sum| !(0..=most).contains(&sum.units()))
        {
            None => Ok(()),
            Some(sum) => Err(invalid(format!("errors of sum {} for {n} pixels", sum.to_f64()))),
        }
    }
}

impl Metric for SegmentationCalibration {
    type Input<'a> = SegmentationBatch<'a>;
    type Value = SegmentationCalibrationReport;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        let state = match &self.state {
            State::Pooled(parts) => State::Pooled(parts.empty()),
            State::Reference(means) => State::Reference(Means::new(means.bins)),
        };
        Self { state }
    }

    fn update(&mut self, input: SegmentationBatch<'_>) -> Result<()> {
        match &mut self.state {
            State::Pooled(parts) => {
                let added = parts.empty().with(input, |_| true)?;
                parts.merge(added)
            }
            State::Reference(means) => means.merge(Means::of(means.bins, input)?),
        }
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        same("protocol", self.protocol(), other.protocol())?;
        match (&mut self.state, other.state) {
            (State::Pooled(parts), State::Pooled(other)) => parts.merge(other),
            (State::Reference(means), State::Reference(other)) => means.merge(other),
            // The two would have different protocols.
            (State::Pooled(_), State::Reference(_)) | (State::Reference(_), State::Pooled(_)) => {
                Ok(())
            }
        }
    }

    fn value(&self) -> Option<SegmentationCalibrationReport> {
        match &self.state {
            State::Pooled(parts) => parts.report(),
            State::Reference(means) => means.report(),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self)
            + match &self.state {
                State::Pooled(parts) => parts.allocated(),
                State::Reference(means) => means.nll.size() - size_of_val(&means.nll),
            }
    }
}

fn invalid(problem: String) -> Error {
    <State as saved::MetricState>::invalid(problem)
}

impl saved::MetricState for State {
    const METRIC: &'static str = "segmentation-calibration";
}

impl TryFrom<Saved<State>> for SegmentationCalibration {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        match &state {
            State::Pooled(parts) => parts.check()?,
            State::Reference(means) => means.check()?,
        }
        Ok(Self { state })
    }
}

impl From<SegmentationCalibration> for Saved<State> {
    fn from(calibration: SegmentationCalibration) -> Self {
        Self::new(calibration.state)
    }
}
