//! How a measure is called, printed and compared.

use mbls_report::{Column, Direction, Unit};

/// How a measure is called, printed and compared, wherever it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Description {
    /// Its name in `results.json`, event logs and recipes.
    pub(crate) key: &'static str,
    /// The head of its column.
    pub(crate) title: &'static str,
    /// One sentence for a reader who does not know it.
    pub(crate) meaning: &'static str,
    /// The unit of the printed numbers.
    pub(crate) unit: Unit,
    /// Digits after the point.
    pub(crate) digits: usize,
    /// Which values are better.
    pub(crate) better: Direction,
    /// Where it is shown.
    pub(crate) shown: Shown,
    /// What a reader has to know of a run that has it.
    pub(crate) note: Option<fn(f64) -> String>,
}

/// Where a measure is shown; each place has what the one before has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// In `results.json` alone.
    Results,
    /// On the HTML page too.
    Page,
    /// In the Markdown table too.
    Table,
    /// In the line that announces a finished run too.
    Headline,
}

impl Description {
    /// A fraction that is printed in percent, of which less is better, and that stands in all
    /// tables.
    pub(super) const fn percent(
        key: &'static str,
        title: &'static str,
        meaning: &'static str,
    ) -> Self {
        let (unit, better) = (Unit::Percent, Direction::Lower);
        Self { key, title, meaning, unit, digits: 2, better, shown: Shown::Table, note: None }
    }

    /// A number that is printed as it is, of which less is better, and that stands in all tables.
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

    /// Returns its column of the report; `None` where it has none.
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

    /// Returns a value with its unit.
    pub(crate) fn print(&self, value: f64) -> String {
        let digits = self.digits;
        match self.unit {
            Unit::Percent => format!("{:.digits$} %", 100.0 * value),
            Unit::Count | Unit::Plain => format!("{value:.digits$}"),
        }
    }
}
