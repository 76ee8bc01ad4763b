use crate::format;
use crate::report::{LossReport, SuiteReport, Summary};

/// What a column's numbers are printed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A fraction, printed times 100.
    Percent,
    /// A whole number, printed with a comma every three digits.
    Count,
    /// As it is.
    Plain,
}

/// Which values of a column are the better ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The larger ones.
    Higher,
    /// The smaller ones.
    Lower,
    /// None: the number describes, it does not rank.
    Neither,
}

/// One metric as the tables print it. A table leaves out the columns of which no loss of its suite
/// has an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The key in [`LossReport::metrics`](crate::LossReport::metrics).
    pub key: &'static str,
    /// The head of the column.
    pub title: &'static str,
    /// One sentence for the reader who does not know the metric.
    pub meaning: &'static str,
    /// The unit of the printed numbers.
    pub unit: Unit,
    /// Digits after the point.
    pub digits: usize,
    /// Which values are better.
    pub better: Direction,
    /// Whether the Markdown table has the column too.
    pub compact: bool,
}

/// The key of the expected calibration error, by which losses are judged.
pub(crate) const ECE: &str = "ece";

/// Returns the columns of which a loss has an entry.
pub(crate) fn columns_of(suite: &SuiteReport) -> Vec<&Column> {
    suite
        .columns
        .iter()
        .filter(|column| suite.losses.iter().any(|loss| column.of(loss).is_some()))
        .collect()
}

impl Column {
    /// A value in the column's unit and digits; "–" where it is not finite.
    pub(crate) fn print(&self, value: f64) -> String {
        format::number(self.scale(value), self.digits)
    }

    /// The unit and what is better, for the head of the column: `%, lower is better`.
    pub(crate) fn legend(&self) -> String {
        let unit = match self.unit {
            Unit::Percent => "%",
            Unit::Count | Unit::Plain => "",
        };
        let better = match self.better {
            Direction::Higher => "higher is better",
            Direction::Lower => "lower is better",
            Direction::Neither => "",
        };
        let parts: Vec<&str> = [unit, better].into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }

    /// The loss's entry in this column.
    pub(crate) fn of<'a>(&self, loss: &'a LossReport) -> Option<&'a Summary> {
        loss.metrics.get(self.key)
    }

    /// Whether the loss is the best of the column beyond noise.
    pub(crate) fn is_best(&self, suite: &SuiteReport, loss: &LossReport) -> bool {
        self.better != Direction::Neither && suite.best.get(self.key) == Some(&loss.id)
    }

    fn scale(&self, value: f64) -> f64 {
        match self.unit {
            Unit::Percent => value * 100.0,
            Unit::Count | Unit::Plain => value,
        }
    }
}
