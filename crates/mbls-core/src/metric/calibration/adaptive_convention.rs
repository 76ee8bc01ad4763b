use serde::{Deserialize, Serialize};

/// The rows that adaptive ECE includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AdaptiveConvention {
    /// All rows: the row with the lowest confidence belongs to the first bin.
    #[default]
    #[serde(rename = "default")]
    Definition,
    /// The convention of published code: confidences and edges are rounded to f32, and the first
    /// bin excludes its lower edge. The rows with the lowest confidence are therefore missing from
    /// the sum but counted in its divisor. The result is 0 if all confidences are equal.
    Reference,
}
