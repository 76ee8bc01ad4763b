use crate::format;
use crate::report::{LossReport, SuiteReport, Summary};

/// The unit in which a column's numbers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A fraction, printed multiplied by 100.
    Percent,
    /// A whole number, printed with thousands separators.
    Count,
    /// A number without a unit, printed unchanged.
    Plain,
}

/// Which values of a column are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Larger values.
    Higher,
    /// Smaller values.
    Lower,
    /// Neither: the column is descriptive and ranks nothing.
    Neither,
}

/// A metric as a column of the tables. A column for which no loss of the suite has a value is
/// omitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The key in [`LossReport::metrics`](crate::LossReport::metrics).
    pub key: &'static str,
    /// The column's heading.
    pub title: &'static str,
    /// One sentence that explains the metric to a reader who does not know it.
    pub meaning: &'static str,
    /// The unit of the printed numbers.
    pub unit: Unit,
    /// Digits after the decimal point.
    pub digits: usize,
    /// Which values are better.
    pub better: Direction,
    /// Whether the Markdown table includes the column.
    pub compact: bool,
}

/// The key of the expected calibration error, on which the verdicts about losses are based.
pub(crate) const ECE: &str = "ece";

/// Returns the columns for which at least one loss has a value.
pub(crate) fn columns_of(suite: &SuiteReport) -> Vec<&Column> {
    suite
        .columns
        .iter()
        .filter(|column| suite.losses.iter().any(|loss| column.of(loss).is_some()))
        .collect()
}

impl Column {
    /// Formats a value with the column's unit and digits; "–" if it is not finite.
    pub(crate) fn print(&self, value: f64) -> String {
        format::number(self.scale(value), self.digits)
    }

    /// Returns the unit and direction for the column's heading, such as `%, lower is better`.
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

    /// Returns the loss's value in this column.
    pub(crate) fn of<'a>(&self, loss: &'a LossReport) -> Option<&'a Summary> {
        loss.metrics.get(self.key)
    }

    /// Returns whether the loss is significantly the best of the column.
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
