//! Names, formats and comparison of metrics.

use mbls_report::{Column, Direction, Unit};

/// The name, format and direction of a metric, used wherever it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Description {
    /// The key in `results.json`, event logs and recipes.
    pub(crate) key: &'static str,
    /// The column's heading.
    pub(crate) title: &'static str,
    /// One sentence that explains the metric to a reader who does not know it.
    pub(crate) meaning: &'static str,
    /// The unit of the printed numbers.
    pub(crate) unit: Unit,
    /// Digits after the decimal point.
    pub(crate) digits: usize,
    /// Which values are better.
    pub(crate) better: Direction,
    /// The places in which the metric is shown.
    pub(crate) shown: Shown,
    /// Formats a note for the report from the metric's value.
    pub(crate) note: Option<fn(f64) -> String>,
}

/// The places in which a metric is shown; each level includes the previous ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Only in `results.json`.
    Results,
    /// Also on the HTML page.
    Page,
    /// Also in the Markdown table.
    Table,
    /// Also in the line printed for a finished run.
    Headline,
}

impl Description {
    /// Returns a fraction printed in percent, lower is better, shown in all tables.
    pub(super) const fn percent(
        key: &'static str,
        title: &'static str,
        meaning: &'static str,
    ) -> Self {
        let (unit, better) = (Unit::Percent, Direction::Lower);
        Self { key, title, meaning, unit, digits: 2, better, shown: Shown::Table, note: None }
    }

    /// Returns a number printed without a unit, lower is better, shown in all tables.
    pub(super) const fn plain(
        key: &'static str,
        title: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { unit: Unit::Plain, digits: 4, ..Self::percent(key, title, meaning) }
    }

    pub(super) const fn better(self, better: Direction) -> Self {
        Self { better, ..self }
    }

    pub(super) const fn digits(self, digits: usize) -> Self {
        Self { digits, ..self }
    }

    pub(super) const fn shown(self, shown: Shown) -> Self {
        Self { shown, ..self }
    }

    pub(super) const fn note(self, note: fn(f64) -> String) -> Self {
        Self { note: Some(note), ..self }
    }

    /// Returns the column of the report; `None` if the metric is not shown there.
    pub(super) fn column(&self) -> Option<Column> {
        let Self { key, title, meaning, unit, digits, better, shown, .. } = *self;
        let compact = matches!(shown, Shown::Table | Shown::Headline);
        (shown != Shown::Results).then_some(Column {
            key,
            title,
            meaning,
            unit,
            digits,
            better,
            compact,
        })
    }

    /// Formats a value with its unit.
    pub(crate) fn print(&self, value: f64) -> String {
        let digits = self.digits;
        match self.unit {
            Unit::Percent => format!("{:.digits$} %", 100.0 * value),
            Unit::Count | Unit::Plain => format!("{value:.digits$}"),
        }
    }
}
