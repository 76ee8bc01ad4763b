use crate::metric::contract::Metric;
use crate::metric::exact::{FixedSum, MAX_ROWS, add_counts};
use crate::metric::input::UnlabelledRows;
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Statistics of the confidence of predictions, correct or not. They need no labels. Use
/// `IgnoringLabels(ProbabilityStatistics::new())` to compute them from
/// [`Predictions`](crate::metric::Predictions) together with metrics that need labels.
///
/// The statistics are means over rows of
///
/// - the confidence,
/// - the entropy `-sum_k p_k log p_k`,
/// - the KL divergence `KL(uniform || predicted)`, `mean_k (log(1 / C) - log(p_k + 1e-10))`,
/// - the L1 distance per class `mean_k |1 / C - p_k|`.
///
/// Logarithms are natural. The constant 1e-10 is that of published code: it keeps the divergence
/// finite if a probability is 0.
///
/// ```
/// use mbls_core::metric::{Metric, ProbabilityStatistics, UnlabelledRows};
///
/// let mut statistics = ProbabilityStatistics::new();
/// statistics.update(&UnlabelledRows::from_probs(&[0.75, 0.25], 2)?)?;
/// let report = statistics.value().expect("a row was added");
/// assert_eq!((report.confidence, report.l1_from_uniform), (0.75, 0.25));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct ProbabilityStatistics {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    n: u64,
    confidence: FixedSum,
    entropy: FixedSum,
    kl: FixedSum,
    l1: FixedSum,
}

/// The mean confidence and spread of the predictions on a data set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbabilityReport {
    /// Number of rows.
    pub n: u64,
    /// Mean confidence.
    pub confidence: f64,
    /// Mean entropy, in nats.
    pub entropy: f64,
    /// Mean KL divergence `KL(uniform || predicted)`, in nats.
    pub kl_from_uniform: f64,
    /// Mean absolute difference between a probability and `1 / C`.
    pub l1_from_uniform: f64,
}

/// The constant that published code adds to probabilities before taking the logarithm.
pub(in crate::metric) const REFERENCE_EPSILON: f64 = 1e-10;

/// `-sum_k p_k log p_k` in nats, where `0 log 0` is 0.
pub(in crate::metric) fn entropy(probs: &[f64]) -> f64 {
    // Subtracting from 0 avoids a result of -0 for a single probability of 1.
    0.0 - probs.iter().filter(|p| **p > 0.0).map(|&p| p * libm::log(p)).sum::<f64>()
}

impl ProbabilityStatistics {
    /// Creates a metric that has seen no rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of rows.
    pub fn n(&self) -> u64 {
        self.state.n
    }
}

impl Metric for ProbabilityStatistics {
    type Input<'a> = &'a UnlabelledRows<'a>;
    type Value = ProbabilityReport;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        Self::new()
    }

    fn check_update(&self, input: &UnlabelledRows) -> Result<()> {
        add_counts(self.n(), input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: &UnlabelledRows) -> Result<()> {
        let mut batch = State { n: input.rows() as u64, ..State::default() };
        let uniform = 1.0 / input.classes() as f64;
        let mean = |of: &dyn Fn(f64) -> f64, probs: &[f64]| {
            probs.iter().map(|&p| of(p)).sum::<f64>() * uniform
        };
        for row in 0..input.rows() {
            let probs = input.probs(row);
            batch.confidence.add(input.confidence(row))?;
            batch.entropy.add(entropy(probs))?;
            batch
                .kl
                .add(mean(&|p| libm::log(uniform) - libm::log(p + REFERENCE_EPSILON), probs))?;
            batch.l1.add(mean(&|p| (uniform - p).abs(), probs))?;
        }
        self.merge(Self { state: batch })
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        let (mut merged, other) = (self.state, other.state);
        merged.n = add_counts(merged.n, other.n)?;
        merged.confidence.merge(other.confidence)?;
        merged.entropy.merge(other.entropy)?;
        merged.kl.merge(other.kl)?;
        merged.l1.merge(other.l1)?;
        self.state = merged;
        Ok(())
    }

    fn value(&self) -> Option<ProbabilityReport> {
        let State { n, confidence, entropy, kl, l1 } = self.state;
        (n > 0).then(|| ProbabilityReport {
            n,
            confidence: confidence.mean(n),
            entropy: entropy.mean(n),
            kl_from_uniform: kl.mean(n),
            l1_from_uniform: l1.mean(n),
        })
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "probability-statistics";
}

impl TryFrom<Saved<State>> for ProbabilityStatistics {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        let invalid = |problem: String| Err(<State as saved::MetricState>::invalid(problem));
        if state.n > MAX_ROWS {
            return invalid(format!("{} rows", state.n));
        }
        // Entropy is at most the logarithm of the number of classes, and the logarithm of 1e-10 is
        // above -24.
        let bounds = [
            ("confidences", state.confidence, 0, 1),
            ("entropies", state.entropy, 0, 24),
            ("divergences", state.kl, -24, 24),
            ("distances", state.l1, 0, 1),
        ];
        let of = |bound: i128| (bound * i128::from(state.n)) << FixedSum::FRACTION_BITS;
        match bounds
            .iter()
            .find(|(_, sum, least, most)| !(of(*least)..=of(*most)).contains(&sum.units()))
        {
            None => Ok(Self { state }),
            Some((what, sum, ..)) => {
                invalid(format!("{} rows have {what} of sum {}", state.n, sum.to_f64()))
            }
        }
    }
}

impl From<ProbabilityStatistics> for Saved<State> {
    fn from(statistics: ProbabilityStatistics) -> Self {
        Self::new(statistics.state)
    }
}
