use crate::column::{Column, ECE, Unit, columns_of};
use crate::escape;
use crate::findings::findings;
use crate::format;
use crate::report::{LossReport, SuiteReport};
use crate::table::{bold, intervals, seeds};

/// Renders the suite as a Markdown table for a README, followed by an explanation of its numbers
/// and the [`findings`] as a list.
///
/// A significantly best value of a column is bold. Only the ECE has its standard deviation and its
/// interval, to keep the table narrow.
pub fn markdown(suite: &SuiteReport) -> String {
    let columns: Vec<&Column> =
        columns_of(suite).into_iter().filter(|column| column.compact).collect();
    let mut text = String::from("| Loss |");
    for column in &columns {
        text.push_str(&format!(" {} |", head(column, suite)));
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(columns.len()));
    text.push('\n');
    for loss in &suite.losses {
        text.push_str(&format!("| {} |", escape::markdown(&loss.title)));
        for column in &columns {
            text.push_str(&format!(" {} |", cell(column, loss, column.is_best(suite, loss))));
        }
        text.push('\n');
    }
    text.push_str(&format!("\n{}\n", explanation(suite)));
    let findings = findings(suite);
    if !findings.is_empty() {
        text.push('\n');
    }
    for finding in findings {
        text.push_str(&format!("- {}\n", escape::markdown(&finding)));
    }
    let (on_page, here): (Vec<_>, Vec<_>) = suite.further.iter().partition(|table| table.page_only);
    for table in here {
        text.push('\n');
        text.push_str(&table.markdown());
    }
    let titles = on_page.iter().map(|table| escape::markdown(&table.title));
    let titles: Vec<String> = titles
        .chain(suite.galleries.iter().map(|gallery| escape::markdown(&gallery.title)))
        .collect();
    if !titles.is_empty() {
        text.push_str(&format!("\nAlso in the HTML report: {}.\n", titles.join("; ")));
    }
    text
}

fn head(column: &Column, suite: &SuiteReport) -> String {
    let unit = if column.unit == Unit::Percent { " %" } else { "" };
    let mut head = format!("{}{unit}", column.title);
    if column.key == ECE {
        let summaries = || suite.losses.iter().filter_map(|loss| column.of(loss));
        if summaries().any(|summary| summary.std.is_some()) {
            head.push_str(" ± std");
        }
        if summaries().any(|summary| summary.interval.is_some()) {
            head.push_str(" [interval]");
        }
    }
    head
}

fn cell(column: &Column, loss: &LossReport, best: bool) -> String {
    let Some(summary) = column.of(loss) else {
        return format::ABSENT.to_string();
    };
    let mean = column.print(summary.mean);
    let mut cell = if best { format!("**{mean}**") } else { mean };
    if column.key == ECE {
        if let Some(std) = summary.std {
            cell.push_str(&format!(" ± {}", column.print(std)));
        }
        if let Some(interval) = summary.interval {
            cell.push_str(&format!(
                " [{}, {}]",
                column.print(interval.low),
                column.print(interval.high)
            ));
        }
    }
    cell
}

fn explanation(suite: &SuiteReport) -> String {
    let mut text = format!(
        "{}, {} ({}). Columns with % are in percent; T is the temperature of temperature scaling.",
        escape::markdown(&suite.model),
        format::counted(suite.n_test, "test sample"),
        seeds(suite),
    );
    if let Some(intervals) = intervals(suite) {
        text.push_str(&format!(" In brackets: {intervals}."));
    }
    text.push_str(bold(suite));
    text
}
