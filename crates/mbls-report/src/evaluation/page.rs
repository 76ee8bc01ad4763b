use super::groups::{Groups, MOST_BINS};
use super::{EvaluationPage, ModelPage, csv, tables};
use crate::diagram::keys;
use crate::escape;
use crate::format::count;
use crate::page::{beginning, facts};
use crate::plot::histogram::histogram;
use crate::plot::legend;
use crate::plot::quantity::Quantity;
use crate::plot::reliability::diagram;
use mbls_core::metric::Binning;

const STYLE: &str = include_str!("evaluation.css");
const SCRIPT: &str = include_str!("evaluation.js");

/// Renders the evaluation as one HTML page without external references, with a light and a dark
/// theme, for screens of any width and for print.
///
/// A script recomputes the bins, sorts tables and shows the numbers of a bin under the pointer; all
/// else works without it.
pub fn evaluation_html(page: &EvaluationPage) -> String {
    let mut html = beginning(&escape::html(&page.title), STYLE);
    let escaped = |pair: &(String, String)| (escape::html(&pair.0), escape::html(&pair.1));
    html.push_str(&facts(page.provenance.iter().map(escaped)));
    html.push_str(&download("metrics.csv", &csv::metrics(page), "Download all metrics as CSV", ""));
    html.push_str("</header>\n<main>\n");
    if page.models.len() > 1 {
        html.push_str(&format!(
            "<section aria-labelledby=\"overview\">\n<h2 id=\"overview\">Models</h2>\n{}</section>\n",
            scroll("overview", &tables::overview(page))
        ));
    }
    for (place, table) in page.tables.iter().enumerate() {
        html.push_str(&table.html(&format!("further-{place}")));
    }
    let groups: Vec<Option<Groups>> =
        page.models.iter().map(|model| model.rows.as_ref().map(Groups::new)).collect();
    let control = name(page.binning).filter(|_| groups.iter().any(Option::is_some));
    if let Some(binning) = control {
        html.push_str(&controls(page, binning));
    }
    for (index, model) in page.models.iter().enumerate() {
        html.push_str(&section(page, model, index, groups[index].as_ref(), control.is_some()));
    }
    html.push_str("</main>\n<div id=\"tip\" hidden=\"hidden\"></div>\n");
    html.push_str(&format!(
        "<script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        data(page, &groups, control)
    ));
    html
}

/// Returns the name of a binning that the controls offer.
fn name(binning: Binning) -> Option<&'static str> {
    match binning {
        Binning::EqualWidth => Some("equal-width"),
        Binning::EqualMass => Some("equal-mass"),
        _ => None,
    }
}

fn bins_of(page: &EvaluationPage) -> usize {
    page.models.first().map_or(0, |model| model.curve.reliability.bins.len())
}

/// Renders the numbers that the script needs. It contains no texts.
fn data(page: &EvaluationPage, groups: &[Option<Groups>], binning: Option<&str>) -> String {
    let group = |of: &Option<Groups>| match of {
        Some(of) if binning.is_some() => of.json(),
        _ => "null".to_owned(),
    };
    format!(
        "{{\"binning\":\"{}\",\"bins\":{},\"models\":[{}]}}",
        binning.unwrap_or("other"),
        bins_of(page),
        groups.iter().map(group).collect::<Vec<_>>().join(",")
    )
}

/// Renders the controls, which the script shows.
fn controls(page: &EvaluationPage, binning: &str) -> String {
    let option = |value: &str, text: &str| {
        let selected = if value == binning { " selected=\"selected\"" } else { "" };
        format!("<option value=\"{value}\"{selected}>{text}</option>")
    };
    format!(
        "<form id=\"controls\" hidden=\"hidden\">\n<label for=\"bins\">Bins</label> \
         <input id=\"bins\" type=\"number\" min=\"1\" max=\"{MOST_BINS}\" value=\"{}\"/>\n\
         <label for=\"binning\">of equal</label> <select id=\"binning\">{}{}</select>\n\
         <button type=\"button\" id=\"reset\">As computed</button>\n\
         <p class=\"unit\">Changes the diagrams and their bins, not the tables of metrics.</p>\n</form>\n",
        bins_of(page),
        option("equal-width", "width"),
        option("equal-mass", "mass")
    )
}

fn scroll(label: &str, table: &str) -> String {
    format!(
        "<div class=\"scroll\" role=\"region\" aria-labelledby=\"{label}\" tabindex=\"0\">\n{table}</div>\n"
    )
}

fn download(file: &str, csv: &str, text: &str, class: &str) -> String {
    format!(
        "<p class=\"download {class}\"><a download=\"{file}\" href=\"{}\">{text}</a></p>\n",
        csv::link(csv)
    )
}

fn section(
    page: &EvaluationPage,
    model: &ModelPage,
    index: usize,
    groups: Option<&Groups>,
    controlled: bool,
) -> String {
    let id = format!("model-{index}");
    let title = escape::html(&model.curve.title);
    let mut html = format!(
        "<section class=\"model\" data-model=\"{index}\" aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n"
    );
    html.push_str(&facts(
        model.facts.iter().map(|fact| (escape::html(&fact.0), escape::html(&fact.1))),
    ));
    if !model.notes.is_empty() {
        let note = |note: &String| format!("<li>{}</li>\n", escape::html(note));
        let notes: String = model.notes.iter().map(note).collect();
        html.push_str(&format!("<ul class=\"notes\">\n{notes}</ul>\n"));
    }
    html.push_str("<div class=\"beside\">\n<div>\n");
    if !model.metrics.is_empty() {
        html.push_str(&scroll(&id, &tables::metrics(model)));
    }
    html.push_str(&format!(
        "<details class=\"numbers-of-bins\">\n<summary>Numbers of the bins</summary>\n{}{}</details>\n",
        scroll(&id, &tables::bins(model)),
        download("bins.csv", &csv::bins(model, name(page.binning).unwrap_or("other")), "Download the bins as CSV", "bins")
    ));
    html.push_str("</div>\n<div>\n");
    let of = format!("of {title}");
    html.push_str(&format!(
        "<figure class=\"reliability\">\n<figcaption><span class=\"binned\">{} {}</span><br><span class=\"numbers\">{}</span></figcaption>\n{}{}</figure>\n",
        model.curve.reliability.bins.len(),
        page.binning,
        model.curve.numbers(),
        diagram(&model.curve.panel(Quantity::TopLabel, true), &format!("{id}-diagram"), &of),
        histogram(&model.curve.reliability, &format!("{id}-histogram"), &of)
    ));
    let curves = std::slice::from_ref(&model.curve);
    html.push_str(&legend::html(&keys(curves, true, true), Quantity::TopLabel));
    html.push_str(&note(model, groups, controlled));
    html.push_str("</div>\n</div>\n");
    if !model.classes.is_empty() {
        html.push_str(&format!(
            "<h3>Classes</h3>\n{}<div class=\"classes\">\n",
            legend::html(&keys(&model.classes, true, false), Quantity::Class)
        ));
        for (class, curve) in model.classes.iter().enumerate() {
            let name = escape::html(&curve.title);
            html.push_str(&format!(
                "<figure><figcaption><strong>{name}</strong><br>{}</figcaption>\n{}</figure>\n",
                curve.numbers(),
                diagram(
                    &curve.panel(Quantity::Class, true),
                    &format!("{id}-class-{class}"),
                    &format!("of class {name}")
                )
            ));
        }
        html.push_str("</div>\n");
    }
    for (place, table) in model.tables.iter().enumerate() {
        html.push_str(&table.html(&format!("{id}-further-{place}")));
    }
    html.push_str("</section>\n");
    html
}

/// Says what of the diagram follows the controls, and how exactly.
fn note(model: &ModelPage, groups: Option<&Groups>, controlled: bool) -> String {
    let mut notes: Vec<String> = Vec::new();
    match groups.filter(|_| controlled) {
        Some(groups) => {
            if groups.n() != model.curve.reliability.n {
                notes.push(format!(
                    "With other bins the diagram shows {} of {} samples.",
                    count(groups.n()),
                    count(model.curve.reliability.n)
                ));
            }
            if !groups.exact {
                notes.push(format!(
                    "The page holds the samples as {} groups of neighbouring confidences: bins of equal width are those of all samples, \
                     bins of equal mass differ by up to a thousandth of the samples at each edge.",
                    count(groups.groups.len() as u64)
                ));
            }
            if model.curve.band.is_some() {
                notes.push(
                    "The range of calibrated models is shown for the bins as computed only."
                        .to_owned(),
                );
            }
        }
        None if controlled => {
            notes.push(
                "The samples are not in the page: this diagram does not follow the controls."
                    .to_owned(),
            );
        }
        None => {}
    }
    if notes.is_empty() {
        return String::new();
    }
    format!("<p class=\"unit\">{}</p>\n", notes.join(" "))
}
