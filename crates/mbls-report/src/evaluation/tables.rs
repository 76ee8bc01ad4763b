//! The tables of the page: metrics of a model, models beside each other, bins.

use super::{EvaluationPage, MetricRow, ModelPage};
use crate::column::{Direction, Unit};
use crate::escape;
use crate::format::{ABSENT, count, level, number, percent, whole};
use mbls_core::bootstrap::Interval;

impl MetricRow {
    fn print(&self, value: f64) -> String {
        match self.unit {
            Unit::Percent => percent(value, self.digits),
            Unit::Count => whole(value),
            Unit::Plain => number(value, self.digits),
        }
    }

    fn unit(&self) -> &'static str {
        if self.unit == Unit::Percent { " %" } else { "" }
    }

    /// Renders a cell that sorts by the value with all digits.
    fn cell(&self) -> String {
        match self.value.filter(|value| value.is_finite()) {
            Some(value) => {
                format!("<td data-value=\"{value}\">{}{}</td>", self.print(value), self.unit())
            }
            None => format!("<td>{ABSENT}</td>"),
        }
    }

    fn interval(&self, interval: Option<Interval>, usual: f64) -> String {
        let finite = |of: &Interval| of.low.is_finite() && of.high.is_finite();
        let Some(interval) = interval.filter(finite) else { return ABSENT.to_owned() };
        let (low, high) = (self.print(interval.low), self.print(interval.high));
        let odd = if interval.level == usual {
            String::new()
        } else {
            format!(" <span class=\"unit\">{}</span>", level(interval.level))
        };
        format!(
            "<span data-low=\"{}\" data-high=\"{}\">[{low}, {high}]</span>{odd}",
            interval.low, interval.high
        )
    }
}

/// Renders the metrics of a model.
pub(super) fn metrics(model: &ModelPage) -> String {
    let intervals = model.metrics.iter().flat_map(|row| [row.interval, row.calibrated]);
    let usual = intervals.flatten().map(|interval| interval.level).next().unwrap_or(0.95);
    let calibrated = model.metrics.iter().any(|row| row.calibrated.is_some());
    let mut html = format!(
        "<table class=\"sortable\">\n<thead>\n<tr><th scope=\"col\">Metric</th><th scope=\"col\">Value</th>\
         <th scope=\"col\">{} interval</th>",
        level(usual)
    );
    if calibrated {
        html.push_str("<th scope=\"col\">If calibrated</th>");
    }
    html.push_str("</tr>\n</thead>\n<tbody>\n");
    for row in &model.metrics {
        let better = match row.better {
            Direction::Higher => "higher is better",
            Direction::Lower => "lower is better",
            Direction::Neither => "",
        };
        let notes: Vec<String> = [escape::html(&row.convention), better.to_owned()]
            .into_iter()
            .filter(|note| !note.is_empty())
            .collect();
        html.push_str(&format!(
            "<tr><th scope=\"row\">{} <span class=\"unit\">{}</span></th>{}<td>{}</td>",
            escape::html(&row.title),
            notes.join("; "),
            row.cell(),
            row.interval(row.interval, usual)
        ));
        if calibrated {
            html.push_str(&format!("<td>{}</td>", row.interval(row.calibrated, usual)));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table>\n");
    html
}

/// Renders one row per model and one column per metric that any model has.
pub(super) fn overview(page: &EvaluationPage) -> String {
    let mut columns: Vec<&MetricRow> = Vec::new();
    for row in page.models.iter().flat_map(|model| &model.metrics) {
        if !columns.iter().any(|column| column.key == row.key) {
            columns.push(row);
        }
    }
    let heads: String = columns
        .iter()
        .map(|column| format!("<th scope=\"col\">{}</th>", escape::html(&column.title)))
        .collect();
    let mut html = format!(
        "<table class=\"sortable\">\n<thead>\n<tr><th scope=\"col\">Model</th><th scope=\"col\">n</th>{heads}</tr>\n</thead>\n<tbody>\n"
    );
    for (index, model) in page.models.iter().enumerate() {
        let n = model.curve.reliability.n;
        html.push_str(&format!(
            "<tr><th scope=\"row\"><a href=\"#model-{index}\">{}</a></th><td data-value=\"{n}\">{}</td>",
            escape::html(&model.curve.title),
            count(n)
        ));
        for column in &columns {
            let row = model.metrics.iter().find(|row| row.key == column.key);
            html.push_str(&row.map_or_else(|| format!("<td>{ABSENT}</td>"), MetricRow::cell));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table>\n");
    html
}

/// Renders the bins with samples. The script of the page renders the body anew.
pub(super) fn bins(model: &ModelPage) -> String {
    let mut html = String::from(
        "<table class=\"sortable\">\n<thead>\n<tr><th scope=\"col\">Bin, %</th><th scope=\"col\">Samples</th>\
         <th scope=\"col\">Confidence, %</th><th scope=\"col\">Accuracy, %</th></tr>\n</thead>\n<tbody class=\"bin-rows\">\n",
    );
    let print = |value: Option<f64>| value.map_or_else(|| ABSENT.to_owned(), |of| percent(of, 2));
    for bin in model.curve.reliability.bins.iter().filter(|bin| bin.count > 0) {
        html.push_str(&format!(
            "<tr><td data-value=\"{}\">{} to {}</td><td data-value=\"{}\">{}</td><td>{}</td><td>{}</td></tr>\n",
            bin.lower,
            percent(bin.lower, 2),
            percent(bin.upper, 2),
            bin.count,
            count(bin.count),
            print(bin.mean_confidence),
            print(bin.accuracy)
        ));
    }
    html.push_str("</tbody>\n</table>\n");
    html
}
