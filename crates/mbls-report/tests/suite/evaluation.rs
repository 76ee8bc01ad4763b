//! The page of an evaluation.

use crate::well_formed::check;
use mbls_core::bootstrap::Interval;
use mbls_core::metric::{Binning, Metric, SortedTopLabels, TopLabelSamples, TopLabels};
use mbls_report::{Curve, Direction, EvaluationPage, MetricRow, ModelPage, Unit, evaluation_html};

/// Rows of confidences up to 1; a fraction of about `skill` of their confidence is correct.
pub(crate) fn rows(n: usize, skill: f64) -> SortedTopLabels {
    let confidence = |i: usize| 1.0 - ((i * 7919 % 10_007) as f64 / 10_007.0).powi(3) * 0.9;
    let confidences: Vec<f64> = (0..n).map(confidence).collect();
    let correct: Vec<bool> = (0..n)
        .map(|i| ((i * 104_729 % 1009) as f64 / 1009.0) < confidence(i) * (0.35 + 0.75 * skill))
        .collect();
    let mut samples = TopLabelSamples::new();
    samples.add(&TopLabels::new(&confidences, &correct).unwrap()).unwrap();
    samples.value().unwrap()
}

pub(crate) fn curve(title: &str, n: usize, skill: f64, bins: usize) -> Curve {
    let rows = rows(n, skill);
    let band = rows.consistency_band(Binning::EqualWidth, bins, 200, 0.95, 0).unwrap();
    let smooth = (0..=40)
        .map(|i| f64::from(i) / 40.0)
        .map(|x| (x, x.powf(1.4) * (0.3 + 0.7 * skill)))
        .collect();
    Curve {
        band,
        smooth,
        ..Curve::new(title, rows.reliability(Binning::EqualWidth, bins).unwrap())
    }
}

fn metric(key: &str, title: &str, unit: Unit, value: f64) -> MetricRow {
    let interval = |low, high| Some(Interval { low, high, level: 0.95 });
    MetricRow {
        key: key.to_string(),
        title: title.to_string(),
        unit,
        digits: if unit == Unit::Percent { 2 } else { 4 },
        better: if key == "accuracy" { Direction::Higher } else { Direction::Lower },
        value: Some(value),
        interval: interval(value * 0.9, value * 1.125),
        calibrated: (key == "ece").then_some(Interval { low: 0.001, high: 0.0125, level: 0.95 }),
        convention: "15 bins of equal width, L1".to_string(),
    }
}

pub(crate) fn model(title: &str, n: usize, skill: f64, binning: Binning, bins: usize) -> ModelPage {
    let rows = rows(n, skill);
    let reliability = rows.reliability(binning, bins).unwrap();
    let ece = reliability.ece();
    ModelPage {
        facts: vec![("Classes".to_string(), "10".to_string())],
        notes: vec!["Rows are logits: their sums are not 1.".to_string()],
        metrics: vec![
            metric("accuracy", "Accuracy", Unit::Percent, 0.9123),
            metric("ece", "ECE", Unit::Percent, ece),
            metric("nll", "Log-loss", Unit::Plain, 0.25 + skill),
        ],
        curve: Curve::new(title, reliability),
        rows: Some(rows),
        classes: vec![],
        tables: vec![],
    }
}

pub(crate) fn page(binning: Binning, bins: usize) -> EvaluationPage {
    EvaluationPage {
        title: "Evaluation of two models".to_string(),
        provenance: vec![("Command".to_string(), "mbls eval a.npz b.npz".to_string())],
        binning,
        models: vec![
            model("resnet.npz", 900, 0.5, binning, bins),
            model("vit.npz", 30_000, 0.9, binning, bins),
        ],
        tables: vec![],
    }
}

fn decode(link: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = link.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn csvs(html: &str) -> Vec<String> {
    let links = html.split("href=\"data:text/csv;charset=utf-8,").skip(1);
    links.map(|link| decode(link.split('"').next().unwrap())).collect()
}

#[test]
fn numbers_are_those_of_the_input() {
    let page = page(Binning::EqualWidth, 15);
    let html = evaluation_html(&page);
    assert_eq!(html, evaluation_html(&page));
    check(&html);
    let csvs = csvs(&html);
    assert_eq!(csvs.len(), 3);
    for (index, model) in page.models.iter().enumerate() {
        for row in &model.metrics {
            let (value, interval) = (row.value.unwrap(), row.interval.unwrap());
            assert!(html.contains(&format!("<td data-value=\"{value}\">")), "{}", row.key);
            let cell = format!("data-low=\"{}\" data-high=\"{}\"", interval.low, interval.high);
            assert!(html.contains(&cell), "{cell}");
            let line = format!(
                "{},{},{value},{},{},0.95,",
                model.curve.title, row.key, interval.low, interval.high
            );
            assert!(csvs[0].contains(&line), "{line} in {}", csvs[0]);
        }
        let lines: Vec<&str> = csvs[1 + index].lines().skip(1).collect();
        assert_eq!(lines.len(), 15);
        for (line, bin) in lines.iter().zip(&model.curve.reliability.bins) {
            let print = |of: Option<f64>| of.map_or_else(String::new, |of| of.to_string());
            let numbers = format!(
                "{},{},{},{},{}",
                bin.lower,
                bin.upper,
                bin.count,
                print(bin.mean_confidence),
                print(bin.accuracy)
            );
            assert_eq!(line.splitn(3, ',').nth(2), Some(numbers.as_str()));
        }
    }
    assert!(
        html.contains("91.23 %")
            && html.contains("[0.10, 1.25]")
            && html.contains("groups of neighbouring")
    );
}

#[test]
fn hostile_and_empty() {
    const EVIL: &str = "</style></script><script>alert('&\"')</script>, \0";
    let mut page = page(Binning::EqualMass, 5);
    page.title = EVIL.to_string();
    page.provenance = vec![(EVIL.to_string(), EVIL.to_string())];
    for model in &mut page.models {
        model.curve.title = EVIL.to_string();
        model.facts = vec![(EVIL.to_string(), EVIL.to_string())];
        model.notes = vec![EVIL.to_string()];
        model.classes = vec![curve(EVIL, 40, 0.5, 3)];
        let mut bad = metric(EVIL, EVIL, Unit::Plain, f64::NAN);
        bad.convention = EVIL.to_string();
        model.metrics.push(bad);
    }
    let html = evaluation_html(&page);
    check(&html);
    assert_eq!(html.matches("<script").count(), 2);
    assert!(!html.contains(">NaN") && !html.contains("\"NaN\""));
    assert!(csvs(&html)[0].contains("\"</style></script><script>alert('&\"\"')</script>, \0\","));

    page.models.iter_mut().for_each(|model| model.rows = None);
    let still = evaluation_html(&page);
    check(&still);
    assert!(!still.contains("id=\"controls\""));
    page.models.clear();
    check(&evaluation_html(&page));
}
