//! Tables beside the one of the losses: plain numbers with names.

use crate::column::Unit;
use crate::{escape, format};

/// A table of numbers of one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct FurtherTable {
    /// The heading.
    pub title: String,
    /// What its numbers are.
    pub note: String,
    /// What the numbers are printed in: percent with two digits, counts, or numbers with four digits.
    pub unit: Unit,
    /// The names of the columns that describe a row, then of those of numbers.
    pub columns: Vec<String>,
    /// The rows: descriptions, then numbers, `None` printed as "–".
    pub rows: Vec<(Vec<String>, Vec<Option<f64>>)>,
}

impl FurtherTable {
    fn cells(&self, row: &(Vec<String>, Vec<Option<f64>>)) -> Vec<String> {
        let print = |value: f64| match self.unit {
            Unit::Percent => format::percent(value, 2),
            Unit::Count => format::whole(value),
            Unit::Plain => format::number(value, 4),
        };
        row.1.iter().map(|value| value.map_or_else(|| format::ABSENT.to_owned(), print)).collect()
    }

    /// Descriptive columns.
    fn described(&self) -> usize {
        self.rows.first().map_or(0, |(names, _)| names.len())
    }

    /// The table in Markdown: its title in bold, its rows, its note.
    pub fn markdown(&self) -> String {
        let described = self.described();
        let heads: String = self.columns.iter().map(|name| format!(" {} |", escape::markdown(name))).collect();
        let rule = "---|".repeat(described) + &"---:|".repeat(self.columns.len().saturating_sub(described));
        let mut text = format!("**{}**\n\n|{heads}\n|{rule}\n", escape::markdown(&self.title));
        for row in &self.rows {
            let names = row.0.iter().map(|name| escape::markdown(name));
            let cells: String = names.chain(self.cells(row)).map(|cell| format!(" {cell} |")).collect();
            text.push_str(&format!("|{cells}\n"));
        }
        if !self.note.is_empty() {
            text.push_str(&format!("\n{}\n", escape::markdown(&self.note)));
        }
        text
    }

    pub(crate) fn html(&self, id: &str) -> String {
        let heads: String =
            self.columns.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape::html(name))).collect();
        let mut html = format!(
            "<h3 id=\"{id}\">{}</h3>\n<div class=\"scroll\" role=\"region\" aria-labelledby=\"{id}\" tabindex=\"0\">\n<table>\n\
             <caption><span>{}</span></caption>\n<thead>\n<tr>{heads}</tr>\n</thead>\n<tbody>\n",
            escape::html(&self.title),
            escape::html(&self.note)
        );
        for row in &self.rows {
            let names: String =
                row.0.iter().map(|name| format!("<th scope=\"row\">{}</th>", escape::html(name))).collect();
            let cells: String = self.cells(row).iter().map(|cell| format!("<td>{cell}</td>")).collect();
            html.push_str(&format!("<tr>{names}{cells}</tr>\n"));
        }
        html.push_str("</tbody>\n</table>\n</div>\n");
        html
    }
}
