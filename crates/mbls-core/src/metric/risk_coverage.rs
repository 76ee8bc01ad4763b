use super::samples::{Sample, Samples};
use super::saved::{self, Saved};
use super::{Metric, Predictions};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Selective prediction: how the error falls as a model answers only where it is confident enough.
///
/// Kept are confidence and correctness of every row, in 8 bytes.
///
/// # References
///
/// El-Yaniv and Wiener, On the foundations of noise-free selective classification, JMLR 11, 2010; Geifman, Uziel and El-Yaniv,
/// Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers, ICLR 2019 (arXiv 1805.08206).
///
/// ```
/// use mbls_core::metric::{Metric, Predictions, RiskCoverage};
///
/// let mut metric = RiskCoverage::new();
/// metric.update(&Predictions::from_probs(&[0.875, 0.125, 0.75, 0.25], 2, &[0, 1])?)?;
/// let curve = metric.value().expect("two rows were added");
/// assert_eq!((curve.points[0].coverage(&curve), curve.points[0].risk()), (0.5, 0.0));
/// assert_eq!((curve.aurc(), curve.excess_aurc()), (0.25, 0.0));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct RiskCoverage {
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct State(Samples);

/// The risk-coverage curve of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskCoverageCurve {
    /// Number of rows.
    pub n: u64,
    /// Number of wrong rows.
    pub wrong: u64,
    /// A point per confidence that occurs, by falling confidence; the last one accepts all rows.
    pub points: Vec<RiskCoveragePoint>,
}

/// What is accepted where rows of at least some confidence are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskCoveragePoint {
    /// The least confidence that is accepted.
    pub threshold: f64,
    /// Number of accepted rows, at least 1.
    pub accepted: u64,
    /// Number of those that are wrong.
    pub wrong: u64,
}

impl RiskCoverage {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of rows.
    pub fn n(&self) -> u64 {
        self.state.0.len() as u64
    }
}

impl RiskCoveragePoint {
    /// The share of all rows that is accepted.
    pub fn coverage(&self, curve: &RiskCoverageCurve) -> f64 {
        self.accepted as f64 / curve.n as f64
    }

    /// The share of accepted rows that is wrong.
    pub fn risk(&self) -> f64 {
        self.wrong as f64 / self.accepted as f64
    }
}

impl RiskCoverageCurve {
    /// The point of the largest threshold that accepts at least a share of the rows; `None` for a share above 1.
    pub fn at_coverage(&self, coverage: f64) -> Option<&RiskCoveragePoint> {
        let at = self.points.partition_point(|point| point.coverage(self) < coverage);
        self.points.get(at)
    }

    /// The area under the curve: the mean over `i = 1..n` of the risk of the `i` most confident rows.
    ///
    /// Where rows are of the same confidence, it is the expectation over their orders: of `g` such rows with `w` wrong ones the
    /// first `j` hold `w j / g`.
    pub fn aurc(&self) -> f64 {
        let (mut total, mut before) = (0.0, (0, 0));
        for point in &self.points {
            let (accepted, wrong) = before;
            let rows = point.accepted - accepted;
            let slope = (point.wrong - wrong) as f64 / rows as f64;
            let risk = |j: u64| (wrong as f64 + slope * j as f64) / (accepted + j) as f64;
            total += (1..=rows).map(risk).sum::<f64>();
            before = (point.accepted, point.wrong);
        }
        total / self.n as f64
    }

    /// The area under the curve of the best order, all right rows before all wrong ones: no ranking has less.
    pub fn optimal_aurc(&self) -> f64 {
        let right = self.n - self.wrong;
        (1..=self.wrong).map(|j| j as f64 / (right + j) as f64).sum::<f64>() / self.n as f64
    }

    /// Excess AURC: what the ranking adds to the least area that is possible with so many errors.
    ///
    /// It is 0 for a perfect ranking. The paper approximates [`optimal_aurc`](Self::optimal_aurc) by `r + (1 - r) log(1 - r)`
    /// with the risk `r` of all rows, to which it converges as n grows; here it is exact.
    pub fn excess_aurc(&self) -> f64 {
        (self.aurc() - self.optimal_aurc()).max(0.0)
    }
}

impl Metric for RiskCoverage {
    type Input<'a> = &'a Predictions;
    type Value = RiskCoverageCurve;

    fn update(&mut self, input: &Predictions) -> Result<()> {
        self.state.0.extend((0..input.rows()).map(|row| Sample::new(input.confidence(row), input.correct(row))))
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.state.0.merge(other.state.0)
    }

    fn value(&self) -> Option<RiskCoverageCurve> {
        let samples = self.state.0.sorted();
        let (mut points, mut accepted, mut wrong) = (Vec::new(), 0, 0);
        for tied in samples.chunk_by(|a, b| a.units() == b.units()).rev() {
            accepted += tied.len() as u64;
            wrong += tied.iter().filter(|sample| !sample.correct()).count() as u64;
            points.push(RiskCoveragePoint { threshold: tied[0].confidence(), accepted, wrong });
        }
        (accepted > 0).then_some(RiskCoverageCurve { n: accepted, wrong, points })
    }
}

impl saved::State for State {
    const METRIC: &'static str = "risk-coverage";
}

impl TryFrom<Saved<State>> for RiskCoverage {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        state.0.check::<State>()?;
        Ok(Self { state })
    }
}

impl From<RiskCoverage> for Saved<State> {
    fn from(metric: RiskCoverage) -> Self {
        Self::new(metric.state)
    }
}
