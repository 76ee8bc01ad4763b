use super::accuracy::Accuracy;
use super::balanced_accuracy::BalancedAccuracy;
use super::top_k::TopKAccuracy;
use crate::metric::agreement::same;
use crate::metric::calibration::{
    AdaptiveConvention, AdaptiveEce, ClasswiseConvention, ClasswiseEce, Reliability,
    ReliabilityBins,
};
use crate::metric::contract::Metric;
use crate::metric::input::Predictions;
use crate::metric::proper::{
    BrierScore, ClippedNegativeLogLikelihood, ClippedNll, NegativeLogLikelihood,
};
use crate::metric::ranking::{TopLabelStatistic, TopLabelStatistics, TopLabelValue};
use crate::metric::saved::{self, Saved};
use crate::number::is_zero;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The common metrics of a classifier in one pass: accuracy, proper scores and calibration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved<Components>", into = "Saved<Components>")]
pub struct ClassificationMetrics {
    parts: Components,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Components {
    accuracy: Accuracy,
    top5: TopKAccuracy,
    balanced: BalancedAccuracy,
    nll: NegativeLogLikelihood,
    brier: BrierScore,
    reliability: ReliabilityBins,
    adaptive: AdaptiveEce,
    classwise: ClasswiseEce,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clipped_nll: Option<ClippedNegativeLogLikelihood>,
    /// Number of probabilities that were outside of `[0, 1]` due to rounding.
    #[serde(default, skip_serializing_if = "is_zero")]
    clipped_probabilities: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statistics: Option<TopLabelStatistics>,
}

/// The k of [`ClassificationReport::top5_accuracy`].
const TOP: u32 = 5;

/// The metrics of a classifier on a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassificationReport {
    /// Number of rows.
    pub n: u64,
    /// Value of [`Accuracy`].
    pub accuracy: f64,
    /// Value of [`TopKAccuracy`] for the five largest scores.
    pub top5_accuracy: f64,
    /// Value of [`BalancedAccuracy`].
    pub balanced_accuracy: f64,
    /// Value of [`NegativeLogLikelihood`]; infinite if a label has probability 0.
    #[serde(with = "crate::number")]
    pub nll: f64,
    /// Number of rows whose label has probability 0, [`NegativeLogLikelihood::infinite`].
    /// Serialised only if not 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub infinite_nll_rows: u64,
    /// Value of [`ClippedNegativeLogLikelihood`], if it was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clipped_nll: Option<ClippedNll>,
    /// Number of input probabilities that were clipped, [`Predictions::clipped`]. Serialised only
    /// if not 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clipped_probabilities: u64,
    /// Value of [`BrierScore`].
    pub brier: f64,
    /// Expected calibration error, [`Reliability::ece`].
    pub ece: f64,
    /// Value of [`AdaptiveEce`].
    pub aece: f64,
    /// Value of [`ClasswiseEce`].
    pub cece: f64,
    /// Maximum calibration error, [`Reliability::mce`].
    pub mce: f64,
    /// The convention of `aece`.
    pub adaptive_convention: AdaptiveConvention,
    /// The convention of `cece`.
    pub classwise_convention: ClasswiseConvention,
    /// The requested statistics of confidences. Serialised only if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statistics: Vec<TopLabelValue>,
    /// The reliability diagram, with the same number of bins as the calibration errors.
    pub reliability: Reliability,
}

impl ClassificationMetrics {
    /// Creates metrics with `bins` bins (usually 15) and the default conventions that have seen no
    /// rows.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if `bins` is 0 or above 65536.
    pub fn new(bins: usize) -> Result<Self> {
        Self::with_conventions(
            bins,
            AdaptiveConvention::Definition,
            ClasswiseConvention::Definition,
        )
    }

    /// Creates metrics with `bins` bins and the given conventions that have seen no rows.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`new`](Self::new).
    pub fn with_conventions(
        bins: usize,
        adaptive: AdaptiveConvention,
        classwise: ClasswiseConvention,
    ) -> Result<Self> {
        let parts = Components {
            accuracy: Accuracy::new(),
            top5: TopKAccuracy::new(TOP)?,
            balanced: BalancedAccuracy::new(),
            nll: NegativeLogLikelihood::new(),
            brier: BrierScore::new(),
            reliability: ReliabilityBins::new(bins)?,
            adaptive: AdaptiveEce::new(bins, adaptive)?,
            classwise: ClasswiseEce::new(bins, classwise)?,
            clipped_nll: None,
            clipped_probabilities: 0,
            statistics: None,
        };
        Ok(Self { parts })
    }

    /// Returns these metrics, without rows, plus the negative log-likelihood of probabilities
    /// clipped from below at `epsilon`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ClippedNegativeLogLikelihood::new`].
    pub fn with_clipped_nll(self, epsilon: f64) -> Result<Self> {
        let mut empty = self.empty();
        empty.parts.clipped_nll = Some(ClippedNegativeLogLikelihood::new(epsilon)?);
        Ok(empty)
    }

    /// Returns these metrics, without rows, plus statistics of confidences: smooth ECE,
    /// Kolmogorov-Smirnov error, AURC and the other variants of [`TopLabelStatistic`]. They keep 8
    /// additional bytes per row.
    ///
    /// ```
    /// use mbls_core::metric::{ClassificationMetrics, Metric, TopLabelStatistic, measure_logits};
    ///
    /// let metrics =
    ///     ClassificationMetrics::new(15)?.with_statistics(vec![TopLabelStatistic::Aurc {}])?;
    /// let report =
    ///     measure_logits(&metrics, &[2.0, 0.0, 0.0, 1.0], 2, &[0, 0])?.value().expect("two rows");
    /// assert_eq!(report.statistics[0].value, Some(0.25));
    /// # Ok::<(), mbls_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TopLabelStatistics::new`].
    pub fn with_statistics(self, statistics: Vec<TopLabelStatistic>) -> Result<Self> {
        let mut empty = self.empty();
        empty.parts.statistics = Some(TopLabelStatistics::new(statistics)?);
        Ok(empty)
    }

    /// Returns the number of bins of all calibration errors, 1 to 65536.
    pub fn bins(&self) -> usize {
        self.parts.reliability.bins()
    }
}

impl Metric for ClassificationMetrics {
    type Input<'a> = &'a Predictions<'a>;
    type Value = ClassificationReport;

    saved::named_by!(Components);

    fn empty(&self) -> Self {
        let mine = &self.parts;
        let parts = Components {
            accuracy: mine.accuracy.empty(),
            top5: mine.top5.empty(),
            balanced: mine.balanced.empty(),
            nll: mine.nll.empty(),
            brier: mine.brier.empty(),
            reliability: mine.reliability.empty(),
            adaptive: mine.adaptive.empty(),
            classwise: mine.classwise.empty(),
            clipped_nll: mine.clipped_nll.as_ref().map(Metric::empty),
            clipped_probabilities: 0,
            statistics: mine.statistics.as_ref().map(Metric::empty),
        };
        Self { parts }
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        // All components have seen the same rows, and these two also know the number of classes.
        self.parts.balanced.check_update(input)?;
        self.parts.classwise.check_update(input)?;
        add_counts_of_values(self.parts.clipped_probabilities, input.clipped()).map(drop)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        // Check all possible failures first, so no component is updated without the others.
        self.check_update(input)?;
        let mine = &mut self.parts;
        mine.nll.update(input)?;
        mine.accuracy.update(input)?;
        mine.top5.update(input)?;
        mine.balanced.update(input)?;
        mine.brier.update(input)?;
        mine.reliability.update(input)?;
        mine.adaptive.update(input)?;
        if let Some(nll) = &mut mine.clipped_nll {
            nll.update(input)?;
        }
        if let Some(statistics) = &mut mine.statistics {
            statistics.update(input)?;
        }
        mine.classwise.update(input)?;
        mine.clipped_probabilities =
            add_counts_of_values(mine.clipped_probabilities, input.clipped())?;
        Ok(())
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        let (mine, other) = (&self.parts, &other.parts);
        mine.reliability.check_merge(&other.reliability)?;
        mine.adaptive.check_merge(&other.adaptive)?;
        mine.classwise.check_merge(&other.classwise)?;
        let epsilon = |parts: &Components| {
            parts.clipped_nll.as_ref().map(ClippedNegativeLogLikelihood::epsilon)
        };
        same("epsilon of the clipped negative log-likelihood", epsilon(mine), epsilon(other))?;
        match (&mine.statistics, &other.statistics) {
            (Some(mine), Some(other)) => mine.check_merge(other)?,
            (mine, other) => same("statistics of confidences", mine.is_some(), other.is_some())?,
        }
        add_counts_of_values(mine.clipped_probabilities, other.clipped_probabilities)?;
        // Sums in a saved state that no rows can produce may exceed the range of a sum.
        mine.nll.check_merge(&other.nll)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        let (mine, other) = (&mut self.parts, other.parts);
        mine.nll.merge(other.nll)?;
        mine.accuracy.merge(other.accuracy)?;
        mine.top5.merge(other.top5)?;
        mine.balanced.merge(other.balanced)?;
        mine.brier.merge(other.brier)?;
        mine.reliability.merge(other.reliability)?;
        mine.adaptive.merge(other.adaptive)?;
        if let (Some(mine), Some(other)) = (&mut mine.clipped_nll, other.clipped_nll) {
            mine.merge(other)?;
        }
        if let (Some(mine), Some(other)) = (&mut mine.statistics, other.statistics) {
            mine.merge(other)?;
        }
        mine.classwise.merge(other.classwise)?;
        mine.clipped_probabilities =
            add_counts_of_values(mine.clipped_probabilities, other.clipped_probabilities)?;
        Ok(())
    }

    fn value(&self) -> Option<ClassificationReport> {
        let mine = &self.parts;
        let reliability = mine.reliability.value()?;
        Some(ClassificationReport {
            n: reliability.n,
            accuracy: mine.accuracy.value()?,
            top5_accuracy: mine.top5.value()?,
            balanced_accuracy: mine.balanced.value()?,
            nll: mine.nll.value()?,
            infinite_nll_rows: mine.nll.infinite(),
            clipped_nll: mine.clipped_nll.as_ref().and_then(Metric::value),
            clipped_probabilities: mine.clipped_probabilities,
            brier: mine.brier.value()?,
            ece: reliability.ece(),
            aece: mine.adaptive.value()?,
            cece: mine.classwise.value()?,
            mce: reliability.mce(),
            adaptive_convention: mine.adaptive.convention(),
            classwise_convention: mine.classwise.convention(),
            statistics: mine.statistics.as_ref().and_then(Metric::value).unwrap_or_default(),
            reliability,
        })
    }

    fn size(&self) -> usize {
        let mine = &self.parts;
        let allocated = [
            mine.balanced.size() - size_of_val(&mine.balanced),
            mine.nll.size() - size_of_val(&mine.nll),
            mine.reliability.size() - size_of_val(&mine.reliability),
            mine.adaptive.size() - size_of_val(&mine.adaptive),
            mine.classwise.size() - size_of_val(&mine.classwise),
            mine.statistics
                .as_ref()
                .map_or(0, |statistics| statistics.size() - size_of_val(statistics)),
        ];
        size_of_val(self) + allocated.iter().sum::<usize>()
    }
}

/// Adds two counts of probabilities, which can be larger than counts of rows.
fn add_counts_of_values(a: u64, b: u64) -> Result<u64> {
    a.checked_add(b).ok_or_else(|| Error::Accumulator {
        what: "count of clipped probabilities",
        value: format!("{a} + {b}"),
        expected: "below 2^64",
    })
}

impl saved::MetricState for Components {
    const METRIC: &'static str = "classification-metrics";
}

impl TryFrom<Saved<Components>> for ClassificationMetrics {
    type Error = Error;

    fn try_from(saved: Saved<Components>) -> Result<Self> {
        let parts = saved.into_state();
        let invalid = |problem: String| Err(<Components as saved::MetricState>::invalid(problem));
        let rows = [
            parts.top5.n(),
            parts.balanced.n(),
            parts.nll.n(),
            parts.brier.n(),
            parts.reliability.n(),
            parts.adaptive.n(),
            parts.classwise.n(),
        ];
        if rows.iter().any(|n| *n != parts.accuracy.n()) {
            return invalid(format!("its parts have {} and {rows:?} rows", parts.accuracy.n()));
        }
        if let Some(clipped) = &parts.clipped_nll
            && clipped.n() != parts.accuracy.n()
        {
            return invalid(format!(
                "its parts have {} and {} rows",
                parts.accuracy.n(),
                clipped.n()
            ));
        }
        if let Some(statistics) = &parts.statistics
            && statistics.n() != parts.accuracy.n()
        {
            return invalid(format!(
                "its parts have {} and {} rows",
                parts.accuracy.n(),
                statistics.n()
            ));
        }
        if parts.top5.k() != TOP {
            return invalid(format!(
                "the k of its top-k accuracy is {}, not {TOP}",
                parts.top5.k()
            ));
        }
        if parts.balanced.classes() != parts.classwise.classes() {
            let classes = [parts.balanced.classes(), parts.classwise.classes()];
            return invalid(format!("its parts have {classes:?} classes"));
        }
        let bins = [parts.reliability.bins(), parts.adaptive.bins(), parts.classwise.bins()];
        if bins.iter().any(|b| *b != bins[0]) {
            return invalid(format!("its parts have {bins:?} bins"));
        }
        Ok(Self { parts })
    }
}

impl From<ClassificationMetrics> for Saved<Components> {
    fn from(metrics: ClassificationMetrics) -> Self {
        Self::new(metrics.parts)
    }
}
