//! Additional tables below the table of losses: numbers with labels.

use crate::column::Unit;
use crate::{escape, format};

/// A table whose rows have labels and numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct FurtherTable {
    /// The heading.
    pub title: String,
    /// Explains the numbers.
    pub note: String,
    /// The headings of the label columns, which come first.
    pub names: Vec<String>,
    /// The number columns, which follow the labels.
    pub numbers: Vec<NumberColumn>,
    /// The rows: labels, then numbers. `None` is printed as "–".
    pub rows: Vec<(Vec<String>, Vec<Option<f64>>)>,
    /// Whether the table is only on the HTML page and not among the Markdown tables.
    pub page_only: bool,
}

/// A column of numbers and its format.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberColumn {
    /// The heading.
    pub title: String,
    /// The unit of the printed numbers.
    pub unit: Unit,
    /// Digits after the decimal point; 0 for counts.
    pub digits: usize,
}

impl NumberColumn {
    /// A column of fractions, printed in percent with two digits.
    pub fn percent(title: impl Into<String>) -> Self {
        Self { title: title.into(), unit: Unit::Percent, digits: 2 }
    }

    /// A column of counts.
    pub fn count(title: impl Into<String>) -> Self {
        Self { title: title.into(), unit: Unit::Count, digits: 0 }
    }

    /// A column of numbers printed unchanged, with the given digits.
    pub fn plain(title: impl Into<String>, digits: usize) -> Self {
        Self { title: title.into(), unit: Unit::Plain, digits }
    }

    fn print(&self, value: f64) -> String {
        match self.unit {
            Unit::Percent => format::percent(value, self.digits),
            Unit::Count => format::whole(value),
            Unit::Plain => format::number(value, self.digits),
        }
    }
}

impl FurtherTable {
    fn cells(&self, row: &(Vec<String>, Vec<Option<f64>>)) -> Vec<String> {
        let print = |(column, value): (&NumberColumn, &Option<f64>)| {
            value.map_or_else(|| format::ABSENT.to_owned(), |value| column.print(value))
        };
        self.numbers.iter().zip(&row.1).map(print).collect()
    }

    /// Returns the headings of all columns.
    fn heads(&self) -> impl Iterator<Item = &str> {
        self.names
            .iter()
            .map(String::as_str)
            .chain(self.numbers.iter().map(|column| column.title.as_str()))
    }

    /// Renders the table as Markdown: its title in bold, its rows, its note.
    pub fn markdown(&self) -> String {
        let heads: String =
            self.heads().map(|name| format!(" {} |", escape::markdown(name))).collect();
        let rule = "---|".repeat(self.names.len()) + &"---:|".repeat(self.numbers.len());
        let mut text = format!("**{}**\n\n|{heads}\n|{rule}\n", escape::markdown(&self.title));
        for row in &self.rows {
            let names = row.0.iter().map(|name| escape::markdown(name));
            let cells: String =
                names.chain(self.cells(row)).map(|cell| format!(" {cell} |")).collect();
            text.push_str(&format!("|{cells}\n"));
        }
        if !self.note.is_empty() {
            text.push_str(&format!("\n{}\n", escape::markdown(&self.note)));
        }
        text
    }

    pub(crate) fn html(&self, id: &str) -> String {
        let heads: String = self
            .heads()
            .map(|name| format!("<th scope=\"col\">{}</th>", escape::html(name)))
            .collect();
        let mut html = format!(
            "<h3 id=\"{id}\">{}</h3>\n<div class=\"scroll\" role=\"region\" aria-labelledby=\"{id}\" tabindex=\"0\">\n<table>\n\
             <caption><span>{}</span></caption>\n<thead>\n<tr>{heads}</tr>\n</thead>\n<tbody>\n",
            escape::html(&self.title),
            escape::html(&self.note)
        );
        for row in &self.rows {
            let names: String = row
                .0
                .iter()
                .map(|name| format!("<th scope=\"row\">{}</th>", escape::html(name)))
                .collect();
            let cells: String =
                self.cells(row).iter().map(|cell| format!("<td>{cell}</td>")).collect();
            html.push_str(&format!("<tr>{names}{cells}</tr>\n"));
        }
        html.push_str("</tbody>\n</table>\n</div>\n");
        html
    }
}
