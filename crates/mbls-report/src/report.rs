use crate::{Column, FurtherTable, Gallery};
use mbls_core::bootstrap::Interval;
use mbls_core::metric::Reliability;
use std::collections::BTreeMap;

/// All that one report shows. Texts are plain: the renderers escape them.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The heading.
    pub title: String,
    /// Where the numbers come from, as name and value: the commit, the device.
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
    /// What the suite shows.
    pub description: String,
    /// What a reader has to know: how settings were chosen, what not to conclude.
    pub notes: Vec<String>,
    /// The network's name, as the table's caption shows it.
    pub model: String,
    /// Number of test samples of one seed.
    pub n_test: u64,
    /// Number of seeds, that is of trainings per loss.
    pub seeds: usize,
    /// The columns of the tables, in their order. Losses are judged by the one with the key `ece`.
    pub columns: Vec<Column>,
    /// The loss that is the best of a column, by their keys and ids: its mean is bold. Absent
    /// where the best is not better than the next beyond noise, which is for whoever makes the
    /// report to decide.
    pub best: BTreeMap<String, String>,
    /// The losses; the first one is the baseline that the others are compared with.
    pub losses: Vec<LossReport>,
    /// Tables that follow.
    pub further: Vec<FurtherTable>,
    /// Images that follow, on the page alone.
    pub galleries: Vec<Gallery>,
}

/// What one loss reached.
#[derive(Clone, Debug, PartialEq)]
pub struct LossReport {
    /// The short name in result files.
    pub id: String,
    /// The name in tables.
    pub title: String,
    /// Its settings, such as `alpha = 0.1`; may be empty.
    pub settings: String,
    /// The metrics by the keys of [`SuiteReport::columns`], as fractions. A column without an
    /// entry prints "–", or is left out where no loss has one; an entry whose key no column
    /// has is left out of the tables.
    pub metrics: BTreeMap<String, Summary>,
    /// The reliability diagram of the model as it was trained, usually over the samples of all
    /// seeds.
    pub before: Reliability,
    /// The same after temperature scaling.
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
