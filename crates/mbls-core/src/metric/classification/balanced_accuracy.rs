use crate::metric::agreement::{same, same_classes};
use crate::metric::contract::Metric;
use crate::metric::exact::{MAX_ROWS, add_counts};
use crate::metric::input::Predictions;
use crate::metric::saved::{self, Saved};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Balanced accuracy: `mean_k correct_k / n_k` over the classes that occur among the labels.
///
/// `n_k` is the number of rows with label `k` and `correct_k` the number of them that are predicted
/// correctly, so each term is the recall of a class. Classes without rows have no recall and are
/// excluded from the mean. Published code calls this metric `macc`.
///
/// # References
///
/// Brodersen et al., The balanced accuracy and its posterior distribution, ICPR 2010.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct BalancedAccuracy {
    state: State,
}

/// One entry per class; empty before the first row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct State(Vec<Class>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Class {
    n: u64,
    correct: u64,
}

impl Class {
    fn recall(&self) -> Option<f64> {
        (self.n > 0).then(|| self.correct as f64 / self.n as f64)
    }
}

impl BalancedAccuracy {
    /// Creates a metric that has seen no rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of rows.
    pub fn n(&self) -> u64 {
        self.state.0.iter().map(|class| class.n).sum()
    }

    /// Returns the number of classes; `None` before the first row.
    pub fn classes(&self) -> Option<usize> {
        (!self.state.0.is_empty()).then_some(self.state.0.len())
    }

    /// Iterates over the recall of each class; `None` if no row has the class as its label.
    pub fn recalls(&self) -> impl Iterator<Item = Option<f64>> {
        self.state.0.iter().map(Class::recall)
    }
}

impl Metric for BalancedAccuracy {
    type Input<'a> = &'a Predictions<'a>;
    type Value = f64;

    saved::named_by!(State);

    fn empty(&self) -> Self {
        Self::new()
    }

    fn check_update(&self, input: &Predictions) -> Result<()> {
        same_classes("predictions", self.classes(), input.classes())?;
        add_counts(self.n(), input.rows() as u64).map(drop)
    }

    fn update(&mut self, input: &Predictions) -> Result<()> {
        same_classes("predictions", self.classes(), input.classes())?;
        if input.rows() == 0 {
            return Ok(());
        }
        let mut batch = vec![Class::default(); input.classes()];
        for row in 0..input.rows() {
            let class = &mut batch[input.label(row) as usize];
            class.n += 1;
            class.correct += u64::from(input.correct(row));
        }
        self.merge(Self { state: State(batch) })
    }

    fn check_merge(&self, other: &Self) -> Result<()> {
        if let (Some(left), Some(right)) = (self.classes(), other.classes()) {
            same("classes", left, right)?;
        }
        add_counts(self.n(), other.n()).map(drop)
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.check_merge(&other)?;
        let (mine, other) = (&mut self.state.0, other.state.0);
        mine.resize(mine.len().max(other.len()), Class::default());
        for (class, other) in mine.iter_mut().zip(other) {
            class.n += other.n;
            class.correct += other.correct;
        }
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        let recalls: Vec<f64> = self.recalls().flatten().collect();
        (!recalls.is_empty()).then(|| recalls.iter().sum::<f64>() / recalls.len() as f64)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.state.0.capacity() * size_of::<Class>()
    }
}

impl saved::MetricState for State {
    const METRIC: &'static str = "balanced-accuracy";
}

impl TryFrom<Saved<State>> for BalancedAccuracy {
    type Error = Error;

    fn try_from(saved: Saved<State>) -> Result<Self> {
        let state = saved.into_state();
        let invalid = |problem: String| Err(<State as saved::MetricState>::invalid(problem));
        if let Some(class) = state.0.iter().find(|class| class.correct > class.n) {
            return invalid(format!("{} correct of {} rows of a class", class.correct, class.n));
        }
        let rows: u128 = state.0.iter().map(|class| u128::from(class.n)).sum();
        if rows > MAX_ROWS.into() || (rows == 0) != state.0.is_empty() || state.0.len() == 1 {
            return invalid(format!("{rows} rows of {} classes", state.0.len()));
        }
        Ok(Self { state })
    }
}

impl From<BalancedAccuracy> for Saved<State> {
    fn from(accuracy: BalancedAccuracy) -> Self {
        Self::new(accuracy.state)
    }
}
