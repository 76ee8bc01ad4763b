//! Writes a report of synthetic numbers, to inspect the page: `cargo run -p mbls-report --example
//! sample -- report.html`.

use mbls_core::bootstrap::Interval;
use mbls_core::metric::{Reliability, ReliabilityBin};
use mbls_report::{Column, Direction, LossReport, Report, SuiteReport, Summary, Unit};
use std::collections::BTreeMap;

/// A loss of the sample: title, settings and overconfidence (mean confidence minus accuracy).
type Loss = (&'static str, &'static str, f64);

/// Returns bins whose samples concentrate at high confidence. The accuracy is the confidence minus
/// `overconfidence`, plus a small oscillation.
fn reliability(n: u64, easy: bool, overconfidence: f64) -> Reliability {
    const BINS: usize = 15;
    let width = 1.0 / BINS as f64;
    let steepness = if easy { 9.0 } else { 2.0 };
    let weight = |bin: usize| ((bin as f64 * width - 1.0) * steepness).exp();
    let total: f64 = (2..BINS).map(weight).sum();
    let counts =
        (0..BINS).map(|bin| if bin < 2 { 0 } else { (n as f64 * weight(bin) / total) as u64 });
    let bins: Vec<ReliabilityBin> = counts
        .enumerate()
        .map(|(bin, count)| {
            let confidence = (bin as f64 + 0.55) * width;
            let wave = 0.03 * (2.3 * bin as f64).sin();
            let accuracy =
                (confidence - overconfidence * (1.0 + bin as f64 * width) + wave).clamp(0.0, 1.0);
            let filled = count > 0;
            ReliabilityBin {
                lower: bin as f64 * width,
                upper: (bin + 1) as f64 * width,
                count,
                mean_confidence: filled.then_some(confidence),
                accuracy: filled.then_some(accuracy),
            }
        })
        .collect();
    Reliability { n: bins.iter().map(|bin| bin.count).sum(), bins }
}

fn loss(index: usize, easy: bool, (title, settings, overconfidence): Loss) -> LossReport {
    let (before, after) =
        (reliability(1941, easy, overconfidence), reliability(1941, easy, overconfidence / 6.0));
    let nudge = index as f64 / 1000.0;
    let accuracy = if easy { 0.99 - nudge } else { 0.81 - nudge };
    let error = 1.0 - accuracy;
    let summary = |mean: f64, spread: f64| Summary {
        mean,
        std: Some(spread),
        interval: Some(Interval {
            low: mean - 2.0 * spread,
            high: mean + 2.0 * spread,
            level: 0.95,
        }),
    };
    let metrics = [
        ("accuracy", summary(accuracy, 0.003)),
        ("nll", summary(error * 3.1 + overconfidence.abs(), 0.01)),
        ("brier", summary(error * 1.4 + overconfidence.abs() / 5.0, 0.004)),
        ("ece", summary(before.ece(), 0.006)),
        ("aece", summary(before.ece() * 0.97, 0.006)),
        ("cece", summary(before.ece() / 6.0, 0.0007)),
        ("mce", summary(before.mce(), 0.05)),
        ("temperature", summary(1.0 + overconfidence * 6.0, 0.03)),
        ("ece_scaled", summary(after.ece(), 0.003)),
    ];
    // The last loss lacks a metric, as results of an older version can.
    let metrics = metrics.into_iter().filter(|(key, _)| index < 5 || *key != "mce");
    LossReport {
        id: format!("loss-{index}"),
        title: title.into(),
        settings: settings.into(),
        metrics: metrics.map(|(key, summary)| (key.to_string(), summary)).collect(),
        before,
        after,
    }
}

fn columns() -> Vec<Column> {
    let column = |key, title, meaning, unit, digits, better| Column {
        key,
        title,
        meaning,
        unit,
        digits,
        better,
        compact: key != "brier",
    };
    vec![
        column(
            "accuracy",
            "Accuracy",
            "Share of samples classified correctly.",
            Unit::Percent,
            2,
            Direction::Higher,
        ),
        column("nll", "NLL", "Negative log-likelihood.", Unit::Plain, 4, Direction::Lower),
        column("brier", "Brier", "Brier score.", Unit::Plain, 4, Direction::Lower),
        column("ece", "ECE", "Expected calibration error.", Unit::Percent, 2, Direction::Lower),
        column("aece", "AECE", "Adaptive calibration error.", Unit::Percent, 2, Direction::Lower),
        column("cece", "CECE", "Classwise calibration error.", Unit::Percent, 3, Direction::Lower),
        column("mce", "MCE", "Maximum calibration error.", Unit::Percent, 1, Direction::Lower),
        column("temperature", "T", "Temperature.", Unit::Plain, 2, Direction::Neither),
        column(
            "ece_scaled",
            "ECE after scaling",
            "ECE after temperature scaling.",
            Unit::Percent,
            2,
            Direction::Lower,
        ),
    ]
}

fn suite(name: &str, title: &str, description: &str, easy: bool, losses: [Loss; 6]) -> SuiteReport {
    SuiteReport {
        name: name.into(),
        title: title.into(),
        description: description.into(),
        notes: vec![
            "These numbers are synthetic: the sample only shows the layout of a report.".into(),
        ],
        model: "small-cnn".into(),
        n_test: 647,
        seeds: 3,
        columns: columns(),
        best: BTreeMap::new(),
        losses: losses
            .into_iter()
            .enumerate()
            .map(|(index, entry)| loss(index, easy, entry))
            .collect(),
        further: vec![],
        galleries: vec![],
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: sample REPORT.html")?;
    let easy: [Loss; 6] = [
        ("Cross-entropy", "", 0.004),
        ("Entropy penalty", "alpha = 0.1", -0.015),
        ("Label smoothing", "alpha = 0.05", -0.035),
        ("Focal loss", "gamma = 3", -0.045),
        ("Margin 0", "margin = 0, alpha = 0.1", -0.055),
        ("MbLS", "margin = 8, alpha = 0.1", 0.005),
    ];
    let noisy: [Loss; 6] = [
        ("Cross-entropy", "", 0.055),
        ("Entropy penalty", "alpha = 0.1", 0.052),
        ("Label smoothing", "alpha = 0.05", 0.048),
        ("Focal loss", "gamma = 3", 0.03),
        ("Margin 0", "margin = 0, alpha = 0.1", -0.08),
        ("MbLS", "margin = 8, alpha = 0.1", 0.01),
    ];
    let report = Report {
        title: "Calibration benchmark".into(),
        provenance: vec![
            ("Commit".into(), "0123456789abcdef0123456789abcdef01234567".into()),
            ("Device".into(), "cpu, 2 threads".into()),
        ],
        suites: vec![
            suite(
                "digits",
                "Handwritten digits",
                "Easy: cross-entropy is already calibrated, so a smoothing loss has nothing to improve.",
                true,
                easy,
            ),
            suite(
                "digits-noisy",
                "Noisy handwritten digits",
                "Hard: cross-entropy is overconfident by several points.",
                false,
                noisy,
            ),
        ],
    };
    std::fs::write(&path, mbls_report::html(&report))?;
    for suite in &report.suites {
        println!("{}\n\n{}", suite.title, mbls_report::markdown(suite));
    }
    Ok(())
}
