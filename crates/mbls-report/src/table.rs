//! The table of a suite as HTML.

use crate::column::{Column, columns_of};
use crate::escape;
use crate::findings::{Verdict, signed_points, verdict};
use crate::format;
use crate::report::{LossReport, SuiteReport};

/// Renders one row per loss and one column per metric. The second column compares the ECE with the
/// baseline's.
pub(crate) fn table(suite: &SuiteReport) -> String {
    let mut html = format!(
        "<table>\n<caption><span>{}</span></caption>\n<thead>\n<tr><th scope=\"col\">Loss</th>",
        caption(suite)
    );
    html.push_str("<th scope=\"col\">Calibration <span class=\"unit\">ECE minus the baseline's, in points</span></th>");
    let columns = columns_of(suite);
    for column in &columns {
        let legend = column.legend();
        let unit = if legend.is_empty() {
            String::new()
        } else {
            format!(" <span class=\"unit\">{legend}</span>")
        };
        html.push_str(&format!("<th scope=\"col\">{}{unit}</th>", column.title));
    }
    html.push_str("</tr>\n</thead>\n<tbody>\n");
    for (index, loss) in suite.losses.iter().enumerate() {
        html.push_str(&format!("<tr><th scope=\"row\">{}", escape::html(&loss.title)));
        if !loss.settings.is_empty() {
            html.push_str(&format!(
                " <span class=\"settings\">{}</span>",
                escape::html(&loss.settings)
            ));
        }
        html.push_str(&format!("</th><td>{}</td>", mark(suite, index)));
        for column in &columns {
            html.push_str(&cell(column, loss, column.is_best(suite, loss)));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table>\n");
    html
}

/// Renders whether the loss's ECE is higher or lower than the baseline's, and the verdict.
pub(crate) fn mark(suite: &SuiteReport, index: usize) -> String {
    let (Some(baseline), Some(loss)) = (suite.losses.first(), suite.losses.get(index)) else {
        return String::new();
    };
    if index == 0 {
        return "<span class=\"mark\">baseline</span>".to_string();
    }
    let difference = |difference: f64| {
        let arrow = match difference {
            _ if difference > 0.0 => "▲ ",
            _ if difference < 0.0 => "▼ ",
            _ => "",
        };
        format!("<span class=\"difference\">{arrow}{}</span>", signed_points(difference))
    };
    let (class, difference, word) = match verdict(baseline, loss) {
        Verdict::Hurt(by) => ("mark hurt", difference(by), "hurt"),
        Verdict::Helped(by) => ("mark helped", difference(by), "helped"),
        Verdict::NotDistinguishable(by) => ("mark", difference(by), "not distinguishable"),
        Verdict::NotJudged(by) => ("mark", difference(by), "no interval"),
        Verdict::NotCompared => ("mark", format::ABSENT.to_string(), "not compared"),
    };
    format!("<span class=\"{class}\">{difference} {word}</span>")
}

fn cell(column: &Column, loss: &LossReport, best: bool) -> String {
    let Some(summary) = column.of(loss) else {
        return format!("<td>{}</td>", format::ABSENT);
    };
    let mean = column.print(summary.mean);
    let (class, mut cell) =
        if best { (" class=\"best\"", format!("<strong>{mean}</strong>")) } else { ("", mean) };
    if let Some(std) = summary.std {
        cell.push_str(&format!(" <span class=\"std\">± {}</span>", column.print(std)));
    }
    if let Some(interval) = summary.interval {
        let (low, high) = (column.print(interval.low), column.print(interval.high));
        cell.push_str(&format!(" <span class=\"interval\">[{low}, {high}]</span>"));
    }
    format!("<td{class}>{cell}</td>")
}

fn caption(suite: &SuiteReport) -> String {
    let mut text = format!(
        "{}: {} on {} ({}).",
        escape::html(&suite.title),
        escape::html(&suite.model),
        format::counted(suite.n_test, "test sample"),
        seeds(suite)
    );
    if let Some(intervals) = intervals(suite) {
        text.push_str(&format!(" In brackets: {intervals}."));
    }
    text.push_str(bold(suite));
    text
}

/// Explains the bold numbers; empty for fewer than two losses.
pub(crate) fn bold(suite: &SuiteReport) -> &'static str {
    match suite.losses.len() {
        0 | 1 => "",
        _ if suite.best.is_empty() => {
            " No value is bold: in no column is the best loss significantly better than the second best."
        }
        _ => {
            " Bold: significantly the best of the column: the paired bootstrap interval of its difference from the second best, on the \
             same test samples, excludes 0."
        }
    }
}

/// Describes how the seeds were aggregated.
pub(crate) fn seeds(suite: &SuiteReport) -> String {
    match suite.seeds {
        1 => "one seed".to_string(),
        seeds => {
            format!("mean ± standard deviation over {}", format::counted(seeds as u64, "seed"))
        }
    }
}

/// Describes the intervals in brackets; `None` if there are none.
pub(crate) fn intervals(suite: &SuiteReport) -> Option<String> {
    let mut levels: Vec<f64> = Vec::new();
    for loss in &suite.losses {
        let intervals = suite.columns.iter().filter_map(|column| column.of(loss)?.interval);
        levels.extend(intervals.map(|interval| interval.level));
    }
    levels.sort_by(f64::total_cmp);
    let mut levels: Vec<String> = levels.into_iter().map(format::level).collect();
    levels.dedup();
    (!levels.is_empty()).then(|| format!("{} bootstrap interval", levels.join(" or ")))
}
