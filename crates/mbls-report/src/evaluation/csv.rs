//! The numbers of the page as CSV (RFC 4180), in links that need no script.

use super::{EvaluationPage, ModelPage};
use mbls_core::bootstrap::Interval;

/// The first line of the table of bins. The script of the page writes the same columns.
const BINS_HEAD: &str = "model,binning,lower,upper,count,mean_confidence,accuracy\r\n";

/// Returns the metrics of all models, with all digits.
pub(super) fn metrics(page: &EvaluationPage) -> String {
    let mut csv = String::from(
        "model,metric,value,low,high,level,calibrated_low,calibrated_high,convention\r\n",
    );
    for model in &page.models {
        for row in &model.metrics {
            let [low, high, level] = ends(row.interval);
            let [calibrated_low, calibrated_high, _] = ends(row.calibrated);
            csv.push_str(&line(&[
                text(&model.curve.title),
                text(&row.key),
                number(row.value),
                low,
                high,
                level,
                calibrated_low,
                calibrated_high,
                text(&row.convention),
            ]));
        }
    }
    csv
}

/// Returns the bins of a model, with all digits.
pub(super) fn bins(model: &ModelPage, binning: &str) -> String {
    let mut csv = String::from(BINS_HEAD);
    for bin in &model.curve.reliability.bins {
        csv.push_str(&line(&[
            text(&model.curve.title),
            text(binning),
            number(Some(bin.lower)),
            number(Some(bin.upper)),
            bin.count.to_string(),
            number(bin.mean_confidence),
            number(bin.accuracy),
        ]));
    }
    csv
}

/// Returns a link target that contains the text.
pub(super) fn link(csv: &str) -> String {
    let mut link = String::from("data:text/csv;charset=utf-8,");
    for byte in csv.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                link.push(char::from(byte));
            }
            _ => link.push_str(&format!("%{byte:02X}")),
        }
    }
    link
}

fn ends(interval: Option<Interval>) -> [String; 3] {
    let value = |of: fn(Interval) -> f64| number(interval.map(of));
    [value(|of| of.low), value(|of| of.high), value(|of| of.level)]
}

/// Formats a number with all digits; empty if it is absent or not finite.
fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(String::new, |value| value.to_string())
}

fn text(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn line(cells: &[String]) -> String {
    cells.join(",") + "\r\n"
}
