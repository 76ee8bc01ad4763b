//! Small reports for the tests.

use mbls_core::bootstrap::Interval;
use mbls_core::metric::{Reliability, ReliabilityBin};
use mbls_report::{Column, Direction, LossReport, Report, SuiteReport, Summary, Unit};
use std::collections::BTreeMap;

/// Columns of every unit and direction, for all tables or for the HTML page only.
pub(crate) const COLUMNS: [Column; 12] = [
    column("miou", "mIoU", Unit::Percent, 2, Direction::Higher, true),
    column("miou_published", "mIoU without class 0", Unit::Percent, 2, Direction::Higher, false),
    column("accuracy", "Accuracy", Unit::Percent, 2, Direction::Higher, true),
    column("nll", "NLL", Unit::Plain, 4, Direction::Lower, true),
    column("brier", "Brier", Unit::Plain, 4, Direction::Lower, false),
    column("ece", "ECE", Unit::Percent, 2, Direction::Lower, true),
    column("ece_per_batch", "ECE per batch", Unit::Percent, 2, Direction::Lower, true),
    column("aece", "AECE", Unit::Percent, 2, Direction::Lower, true),
    column("cece", "CECE", Unit::Percent, 3, Direction::Lower, true),
    column("mce", "MCE", Unit::Percent, 1, Direction::Lower, true),
    column("temperature", "T", Unit::Plain, 2, Direction::Neither, true),
    column("ece_scaled", "ECE after scaling", Unit::Percent, 2, Direction::Lower, true),
];

const fn column(
    key: &'static str,
    title: &'static str,
    unit: Unit,
    digits: usize,
    better: Direction,
    compact: bool,
) -> Column {
    Column { key, title, meaning: "The meaning.", unit, digits, better, compact }
}

/// A mean without a standard deviation and an interval.
pub(crate) fn plain(mean: f64) -> Summary {
    Summary { mean, std: None, interval: None }
}

/// A mean with a standard deviation and a 95 % interval.
pub(crate) fn full(mean: f64, std: f64, low: f64, high: f64) -> Summary {
    Summary { mean, std: Some(std), interval: Some(Interval { low, high, level: 0.95 }) }
}

/// Two bins, the first without samples.
pub(crate) fn reliability() -> Reliability {
    let empty =
        ReliabilityBin { lower: 0.0, upper: 0.5, count: 0, mean_confidence: None, accuracy: None };
    let full = ReliabilityBin {
        lower: 0.5,
        upper: 1.0,
        count: 8,
        mean_confidence: Some(0.875),
        accuracy: Some(0.75),
    };
    Reliability { n: 8, bins: vec![empty, full] }
}

/// A loss with the given metrics.
pub(crate) fn loss(title: &str, metrics: &[(&str, Summary)]) -> LossReport {
    LossReport {
        id: title.to_lowercase(),
        title: title.to_string(),
        settings: String::new(),
        metrics: metrics.iter().map(|(key, summary)| (key.to_string(), *summary)).collect(),
        before: reliability(),
        after: reliability(),
    }
}

/// A suite of the given losses.
pub(crate) fn suite(losses: Vec<LossReport>) -> SuiteReport {
    SuiteReport {
        name: "toy".to_string(),
        title: "Toy".to_string(),
        description: "A suite of a test.".to_string(),
        notes: vec!["Read with care.".to_string()],
        model: "tiny".to_string(),
        n_test: 1234,
        seeds: 3,
        columns: COLUMNS.to_vec(),
        best: BTreeMap::new(),
        losses,
        further: vec![],
        galleries: vec![],
    }
}

/// The best losses by column: column keys and titles of losses.
pub(crate) fn best(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(key, title)| (key.to_string(), title.to_lowercase())).collect()
}

/// A report of the given suites.
pub(crate) fn report(suites: Vec<SuiteReport>) -> Report {
    let provenance =
        vec![("Commit".to_string(), "abc".to_string()), ("Device".to_string(), "cpu".to_string())];
    Report { title: "Benchmark".to_string(), provenance, suites }
}

/// A report that contains everything: all columns, two suites, all verdicts.
pub(crate) fn complete() -> Report {
    let metrics = |ece: Summary| {
        [
            ("accuracy", full(0.9876, 0.0012, 0.98, 0.99)),
            ("nll", full(0.05, 0.001, 0.04, 0.06)),
            ("brier", full(0.02, 0.001, 0.01, 0.03)),
            ("ece", ece),
            ("aece", full(0.01, 0.001, 0.008, 0.02)),
            ("cece", full(0.002, 0.0001, 0.001, 0.003)),
            ("mce", full(0.3, 0.1, 0.2, 0.5)),
            ("temperature", full(1.1, 0.05, 1.0, 1.2)),
            ("ece_scaled", full(0.008, 0.001, 0.006, 0.01)),
        ]
    };
    let toy = suite(vec![
        loss("CE", &metrics(full(0.02, 0.001, 0.015, 0.025))),
        loss("LS", &metrics(full(0.06, 0.001, 0.05, 0.07))),
        loss("MbLS", &metrics(full(0.01, 0.001, 0.005, 0.012))),
        loss("Focal", &metrics(full(0.022, 0.001, 0.012, 0.03))),
        loss("ECP", &metrics(plain(0.03))),
        loss("Margin", &[]),
    ]);
    report(vec![toy.clone(), toy])
}
