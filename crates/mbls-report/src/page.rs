use crate::column::columns_of;
use crate::escape;
use crate::findings::{Tone, sentences};
use crate::format::{ABSENT, count, percent};
use crate::plot::histogram::histogram;
use crate::plot::legend::{self, Key};
use crate::plot::quantity::Quantity;
use crate::plot::reliability::{Panel, diagram};
use crate::plot::theme;
use crate::report::{LossReport, Report, SuiteReport};
use crate::table::{mark, table};
use mbls_core::metric::Reliability;

const STYLE: &str = include_str!("style.css");

/// Returns the beginning of a page, up to its heading. The title is already escaped; the style
/// sheet is added to that of all pages.
pub(crate) fn beginning(title: &str, style: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>\n{}{STYLE}{style}</style>\n</head>\n\
         <body>\n{}<header>\n<h1>{title}</h1>\n",
        theme::page_rules(),
        legend::page_patterns()
    )
}

/// Renders the report as one HTML page without external references, with a light and a dark theme,
/// for screens of any width and for print.
pub fn html(report: &Report) -> String {
    let mut html = beginning(&escape::html(&report.title), "");
    let provenance =
        report.provenance.iter().map(|(name, value)| (escape::html(name), escape::html(value)));
    html.push_str(&facts(provenance));
    if report.suites.len() > 1 {
        html.push_str("<nav aria-label=\"Suites\">\n<ul>\n");
        for (index, suite) in report.suites.iter().enumerate() {
            html.push_str(&format!(
                "<li><a href=\"#suite-{index}\">{}</a></li>\n",
                escape::html(&suite.title)
            ));
        }
        html.push_str("</ul>\n</nav>\n");
    }
    html.push_str("</header>\n<main>\n");
    for (index, suite) in report.suites.iter().enumerate() {
        html.push_str(&section(suite, index));
    }
    html.push_str("</main>\n");
    html.push_str(&guide(report));
    html.push_str("</body>\n</html>\n");
    html
}

/// Renders names and values, both already escaped.
pub(crate) fn facts(facts: impl Iterator<Item = (String, String)>) -> String {
    let facts: String = facts
        .map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"))
        .collect();
    if facts.is_empty() { facts } else { format!("<dl class=\"facts\">\n{facts}</dl>\n") }
}

fn section(suite: &SuiteReport, index: usize) -> String {
    let mut html = format!(
        "<section id=\"suite-{index}\" aria-labelledby=\"suite-{index}-h\">\n<h2 id=\"suite-{index}-h\">{}</h2>\n<p>{}</p>\n",
        escape::html(&suite.title),
        escape::html(&suite.description)
    );
    html.push_str(&facts(
        [
            ("Suite", escape::html(&suite.name)),
            ("Model", escape::html(&suite.model)),
            ("Test samples", count(suite.n_test)),
            ("Seeds", count(suite.seeds as u64)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_string(), value)),
    ));
    if !suite.notes.is_empty() {
        let notes: String =
            suite.notes.iter().map(|note| format!("<li>{}</li>\n", escape::html(note))).collect();
        html.push_str(&format!("<ul class=\"notes\">\n{notes}</ul>\n"));
    }
    html.push_str(&format!(
        "<div class=\"scroll\" role=\"region\" aria-labelledby=\"suite-{index}-h\" tabindex=\"0\">\n{}</div>\n",
        table(suite)
    ));
    html.push_str(&findings(suite));
    if !suite.losses.is_empty() {
        let keys = [Key::BINS.as_slice(), &Key::HISTOGRAM].concat();
        let legend = legend::html(&keys, Quantity::TopLabel);
        html.push_str(&format!("<h3>Reliability</h3>\n{legend}<div class=\"cards\">\n"));
        for loss in 0..suite.losses.len() {
            html.push_str(&card(suite, loss, &format!("suite-{index}-loss-{loss}")));
        }
        html.push_str("</div>\n");
    }
    for (place, table) in suite.further.iter().enumerate() {
        html.push_str(&table.html(&format!("suite-{index}-further-{place}")));
    }
    for (place, gallery) in suite.galleries.iter().enumerate() {
        html.push_str(&gallery.html(&format!("suite-{index}-gallery-{place}")));
    }
    html.push_str("</section>\n");
    html
}

fn findings(suite: &SuiteReport) -> String {
    let sentences = sentences(suite);
    if sentences.is_empty() {
        return String::new();
    }
    let mut html = String::from("<ul class=\"findings\">\n");
    for (tone, sentence) in sentences {
        let class = match tone {
            Tone::Hurt => " class=\"hurt\"",
            Tone::Helped => " class=\"helped\"",
            Tone::Neutral => "",
        };
        html.push_str(&format!("<li{class}>{}</li>\n", escape::html(&sentence)));
    }
    html.push_str("</ul>\n");
    html
}

fn card(suite: &SuiteReport, index: usize, id: &str) -> String {
    let Some(loss) = suite.losses.get(index) else {
        return String::new();
    };
    let mut html = format!("<article class=\"card\">\n<h4>{}", escape::html(&loss.title));
    if !loss.settings.is_empty() {
        html.push_str(&format!(
            " <span class=\"settings\">{}</span>",
            escape::html(&loss.settings)
        ));
    }
    html.push_str(&format!(" {}</h4>\n<div class=\"pair\">\n", mark(suite, index)));
    html.push_str(&figure(loss, &loss.before, "before", &format!("{id}-before")));
    html.push_str(&figure(loss, &loss.after, "after", &format!("{id}-after")));
    html.push_str("</div>\n</article>\n");
    html
}

fn figure(loss: &LossReport, reliability: &Reliability, moment: &str, id: &str) -> String {
    let (ece, mce) = match reliability.n {
        0 => (ABSENT.to_string(), ABSENT.to_string()),
        _ => (percent(reliability.ece(), 2), percent(reliability.mce(), 1)),
    };
    let title = format!("of {}, {moment} temperature scaling", escape::html(&loss.title));
    let heading =
        if moment == "before" { "Before temperature scaling" } else { "After temperature scaling" };
    format!(
        "<figure>\n<figcaption>{heading}<br>n {}, ECE {ece} %, MCE {mce} %</figcaption>\n{}{}</figure>\n",
        count(reliability.n),
        diagram(&Panel::of(reliability), &format!("{id}-diagram"), &title),
        histogram(reliability, &format!("{id}-histogram"), &title)
    )
}

/// Renders the explanation of the columns and the diagrams.
fn guide(report: &Report) -> String {
    let mut html = String::from("<footer>\n<h2>How to read this</h2>\n<dl class=\"guide\">\n");
    let mut explained = Vec::new();
    for column in report.suites.iter().flat_map(columns_of) {
        if explained.contains(&column.key) {
            continue;
        }
        explained.push(column.key);
        html.push_str(&format!(
            "<dt>{}</dt><dd>{}</dd>\n",
            column.title,
            escape::html(column.meaning)
        ));
    }
    html.push_str("</dl>\n");
    for paragraph in GUIDE {
        html.push_str(&format!("<p>{}</p>\n", escape::html(paragraph)));
    }
    html.push_str("</footer>\n");
    html
}

const GUIDE: [&str; 3] = [
    "A loss hurt or helped calibration if the interval of its ECE does not overlap the baseline's. Overlapping intervals \
     mean that the difference is not significant, not that there is none: the test is conservative.",
    "The bootstrap interval of an ECE may be above its mean, because resampling adds noise and the ECE sums absolute gaps.",
    "A reliability diagram shows the accuracy of the samples in each confidence bin. The marked gap runs \
     from the accuracy to the bin's mean confidence on the diagonal; the ECE is the mean gap, weighted by the counts above the \
     plot. A diagram may pool the samples of several seeds, so its ECE differs from the mean over seeds in the \
     table.",
];
