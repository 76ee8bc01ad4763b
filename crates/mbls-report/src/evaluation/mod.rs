//! The page for the evaluation of prediction files.

mod csv;
mod groups;
mod page;
mod tables;

use crate::{Curve, Direction, FurtherTable, Unit};
use mbls_core::bootstrap::Interval;
use mbls_core::metric::{Binning, SortedTopLabels};

pub use page::evaluation_html;

/// The contents of a page that evaluates prediction files. Texts are plain: the renderer escapes
/// them.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationPage {
    /// The heading.
    pub title: String,
    /// The origin of the numbers as names and values, such as the command and the version.
    pub provenance: Vec<(String, String)>,
    /// The binning of all diagrams as given. The controls of the page offer bins of equal width and
    /// of equal mass; with another binning the page has no controls.
    pub binning: Binning,
    /// The models, in the order of the page.
    pub models: Vec<ModelPage>,
    /// Tables that compare the models.
    pub tables: Vec<FurtherTable>,
}

/// The evaluation of one file of predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelPage {
    /// Facts about the file as names and values, such as the number of classes.
    pub facts: Vec<(String, String)>,
    /// Remarks: what was assumed about the file, what is suspect.
    pub notes: Vec<String>,
    /// The metrics, in the order of the table.
    pub metrics: Vec<MetricRow>,
    /// The name of the model and its reliability diagram.
    pub curve: Curve,
    /// The rows, from which the page recomputes the bins; without them this diagram does not follow
    /// the controls.
    pub rows: Option<SortedTopLabels>,
    /// Reliability diagrams of classes.
    pub classes: Vec<Curve>,
    /// Further tables, such as groups of rows.
    pub tables: Vec<FurtherTable>,
}

/// A metric of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricRow {
    /// The key in JSON and CSV, such as `ece`.
    pub key: String,
    /// The name in tables.
    pub title: String,
    /// The unit in which it is printed. CSV has the value unchanged.
    pub unit: Unit,
    /// Digits after the decimal point.
    pub digits: usize,
    /// Which values are better.
    pub better: Direction,
    /// The value; `None` if it is undefined.
    pub value: Option<f64>,
    /// Its interval.
    pub interval: Option<Interval>,
    /// The interval in which the value of a perfectly calibrated model would be.
    pub calibrated: Option<Interval>,
    /// How the metric was computed, such as `15 bins of equal width, L1`.
    pub convention: String,
}
