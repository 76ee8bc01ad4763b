use crate::metric::agreement::same;
use crate::metric::contract::Metric;
use crate::metric::exact::{FixedSum, MAX_ROWS, add_counts};
use crate::metric::input::Predictions;
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The mean negative log-likelihood of probabilities clipped from below at epsilon: `mean_n -log
/// max(p_n[y_n], epsilon)`.
///
/// It is finite even if a label has probability 0. The value depends on epsilon if any probability
/// is below it, so only values with the same epsilon are comparable. scikit-learn's `log_loss` uses
/// the epsilon of the probabilities' type, [`f64::EPSILON`] or [`f32::EPSILON`], and also clips at
/// 1 - epsilon, which adds at most epsilon to the mean.
///
/// ```
/// use mbls_core::metric::{ClippedNegativeLogLikelihood, Metric, Predictions};
///
/// let mut nll = ClippedNegativeLogLikelihood::new(f64::EPSILON)?;
/// nll.update(&Predictions::from_probs(&[1.0, 0.0, 0.5, 0.5], 2, &[1, 0])?)?;
/// let clipped = nll.value().expect("two rows were added");
/// assert_eq!(
///     (clipped.rows_clipped, clipped.value),
///     (1, (2f64.ln() - f64::EPSILON.ln()) / 2.0)
/// );
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct ClippedNegativeLogLikelihood {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    epsilon: f64,
    n: u64,
    clipped: u64,
    sum: FixedSum,
}

/// A negative log-likelihood of clipped probabilities and the epsilon they were clipped at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClippedNll {
    /// `mean_n -log max(p_n[y_n], epsilon)`.
    pub value: f64,
    /// The lower bound of the probabilities.
    pub epsilon: f64,
    /// Number of rows whose label has a probability below epsilon.
    pub rows_clipped: u64,
}

impl ClippedNegativeLogLikelihood {
    /// Creates a metric that has seen no rows. Probabilities are clipped from below at `epsilon`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if epsilon is below the smallest normal f64 (smaller numbers have no
    /// exact logarithm) or not below 1.
    pub fn new(epsilon: f64) -> Result<Self> {
        if !(f64::MIN_POSITIVE..1.0).contains(&epsilon) {
            let (value, expected) = (epsilon.to_string(), "from 2.3e-308 to below 1");
            return Err(Error::Setting { name: "epsilon", value, expected });
        }
        Ok(Self { state: State { epsilon, n: 0, clipped: 0, sum: FixedSum::default() } })
    }

    /// Returns the lower bound of the probabilities.
    pub fn epsilon(&self) -> f64 {
        self.state.epsilon
    }

    /// Returns the number of rows.
    pub fn n(&self) -> u64 {
        self.state.n
    }
}

impl Metric for ClippedNegativeLogLikelihood {
    type Input<'a> = &'a Predictions<'a>;
    type Value = ClippedNll;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        Self { state: State { n: 0, clipped: 0, sum: FixedSum::default(), ..self.state } }
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        add_counts(self.n(), input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        let least = libm::log(self.state.epsilon);
        let mut batch = State { n: input.rows() as u64, ..Self::new(self.state.epsilon)?.state };
        for &log_prob in &input.all_rows().log_prob {
            batch.clipped += u64::from(log_prob < least);
            batch.sum.add(-log_prob.max(least))?;
        }
        self.merge(Self { state: batch })
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        let (mut merged, other) = (self.state, other.state);
        same("epsilon", merged.epsilon, other.epsilon)?;
        merged.n = add_counts(merged.n, other.n)?;
        merged.clipped = add_counts(merged.clipped, other.clipped)?;
        merged.sum.merge(other.sum)?;
        self.state = merged;
        Ok(())
    }

    fn value(&self) -> Option<ClippedNll> {
        let State { epsilon, n, clipped, sum } = self.state;
        (n > 0).then(|| ClippedNll { value: sum.mean(n), epsilon, rows_clipped: clipped })
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "clipped-negative-log-likelihood";
}

impl TryFrom<Saved<State>> for ClippedNegativeLogLikelihood {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        Self::new(state.epsilon)?;
        let invalid = |problem: String| Err(<State as saved::MetricState>::invalid(problem));
        if state.clipped > state.n || state.n > MAX_ROWS {
            return invalid(format!("{} of {} rows are clipped", state.clipped, state.n));
        }
        // The logarithm of the smallest epsilon is -708.4.
        let most = (709 * i128::from(state.n)) << FixedSum::FRACTION_BITS;
        if !(0..=most).contains(&state.sum.units()) {
            return invalid(format!("{} rows have the sum {}", state.n, state.sum.to_f64()));
        }
        Ok(Self { state })
    }
}

impl From<ClippedNegativeLogLikelihood> for Saved<State> {
    fn from(metric: ClippedNegativeLogLikelihood) -> Self {
        Self::new(metric.state)
    }
}
