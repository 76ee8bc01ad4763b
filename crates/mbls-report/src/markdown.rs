use crate::column::{Column, ECE, Unit, columns_of};
use crate::escape;
use crate::findings::findings;
use crate::format;
use crate::report::{LossReport, SuiteReport};
use crate::table::{intervals, seeds};

/// The suite as a Markdown table for a README, with a line that explains its numbers and the [`findings`] as a list.
///
/// The best value of a column is bold; only the ECE has its standard deviation and its interval, for want of room.
pub fn markdown(suite: &SuiteReport) -> String {
    let columns: Vec<&Column> = columns_of(suite).into_iter().filter(|column| column.compact).collect();
    let mut text = String::from("| Loss |");
    for column in &columns {
        text.push_str(&format!(" {} |", head(column, suite)));
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(columns.len()));
    text.push('\n');
    let best: Vec<Option<String>> = columns.iter().map(|column| column.best(suite)).collect();
    for loss in &suite.losses {
        text.push_str(&format!("| {} |", escape::markdown(&loss.title)));
        for (column, best) in columns.iter().zip(&best) {
            text.push_str(&format!(" {} |", cell(column, loss, best.as_deref())));
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
    for table in &suite.further {
        text.push('\n');
        text.push_str(&table.markdown());
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

fn cell(column: &Column, loss: &LossReport, best: Option<&str>) -> String {
    let Some(summary) = column.of(loss) else {
        return format::ABSENT.to_string();
    };
    let mean = column.print(summary.mean);
    let mut cell = if best == Some(&mean) { format!("**{mean}**") } else { mean };
    if column.key == ECE {
        if let Some(std) = summary.std {
            cell.push_str(&format!(" ± {}", column.print(std)));
        }
        if let Some(interval) = summary.interval {
            cell.push_str(&format!(" [{}, {}]", column.print(interval.low), column.print(interval.high)));
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
    if suite.losses.len() > 1 {
        text.push_str(" Bold: best of the column.");
    }
    text
}
