use crate::Result;
use crate::metric::input::{Predictions, top_labels};
use crate::metric::row_mean::{RowMean, RowSums};
use crate::metric::saved::MetricState;
use serde::{Deserialize, Serialize};

/// The fraction of rows whose label is the predicted class: `correct / n`.
pub type Accuracy = RowMean<CorrectRows>;

/// The number of rows of an [`Accuracy`], and how many of them are predicted correctly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrectRows {
    n: u64,
    correct: u64,
}

impl MetricState for CorrectRows {
    const METRIC: &'static str = "accuracy";
}

impl RowSums for CorrectRows {
    fn of(rows: &Predictions) -> Result<Self> {
        let correct = top_labels(rows).filter(|(_, correct)| *correct).count();
        Ok(Self { n: rows.rows() as u64, correct: correct as u64 })
    }

    fn n(&self) -> u64 {
        self.n
    }

    fn add(&mut self, other: Self) -> Result<()> {
        self.n += other.n;
        self.correct += other.correct;
        Ok(())
    }

    fn mean(&self) -> f64 {
        self.correct as f64 / self.n as f64
    }

    fn check(&self) -> Result<()> {
        if self.correct > self.n {
            return Err(Self::invalid(format!("{} correct of {} rows", self.correct, self.n)));
        }
        Ok(())
    }
}
