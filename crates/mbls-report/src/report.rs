use crate::{Column, FurtherTable, Gallery};
use mbls_core::bootstrap::Interval;
use mbls_core::metric::Reliability;
use std::collections::BTreeMap;

/// The contents of a report. Texts are plain: the renderers escape them.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The heading.
    pub title: String,
    /// The origin of the numbers as names and values, such as the commit and the device.
    pub provenance: Vec<(String, String)>,
    /// The comparisons, in the order of the page.
    pub suites: Vec<SuiteReport>,
}

/// Losses compared on one data set with one model.
#[derive(Clone, Debug, PartialEq)]
pub struct SuiteReport {
    /// The name on the command line.
    pub name: String,
    /// The heading.
    pub title: String,
    /// A description of the suite.
    pub description: String,
    /// Notes on the interpretation: how settings were chosen, which conclusions the results do not
    /// support.
    pub notes: Vec<String>,
    /// The network's name, as printed in the table's caption.
    pub model: String,
    /// Number of test samples of one seed.
    pub n_test: u64,
    /// Number of seeds, which is the number of runs per loss.
    pub seeds: usize,
    /// The columns of the tables, in order. Verdicts are based on the column with the key `ece`.
    pub columns: Vec<Column>,
    /// The significantly best loss of each column: column keys to loss ids. Its mean is bold. A
    /// column is absent if its best loss is not significantly better than the next; the caller
    /// decides this.
    pub best: BTreeMap<String, String>,
    /// The losses; the first one is the baseline that the others are compared with.
    pub losses: Vec<LossReport>,
    /// Additional tables.
    pub further: Vec<FurtherTable>,
    /// Images that follow the tables, on the HTML page only.
    pub galleries: Vec<Gallery>,
}

/// The results of one loss.
#[derive(Clone, Debug, PartialEq)]
pub struct LossReport {
    /// The short name in result files.
    pub id: String,
    /// The name in tables.
    pub title: String,
    /// The settings, such as `alpha = 0.1`; may be empty.
    pub settings: String,
    /// The metrics by the keys of [`SuiteReport::columns`], as fractions. A missing value prints as
    /// "–", and a column without any value is omitted. Entries whose key has no column are omitted.
    pub metrics: BTreeMap<String, Summary>,
    /// The reliability diagram of the trained model before temperature scaling, usually over the
    /// samples of all seeds.
    pub before: Reliability,
    /// The reliability diagram after temperature scaling.
    pub after: Reliability,
}

/// One metric over the seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The mean over the seeds.
    pub mean: f64,
    /// The standard deviation over the seeds, `None` for one seed.
    pub std: Option<f64>,
    /// The bootstrap interval, where one was computed.
    pub interval: Option<Interval>,
}
