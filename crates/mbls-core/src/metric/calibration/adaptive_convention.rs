use serde::{Deserialize, Serialize};

/// Which rows adaptive ECE counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AdaptiveConvention {
    /// Every row: the lowest confidence belongs to the first bin.
    #[default]
    #[serde(rename = "default")]
    Definition,
    /// As published code computes it: confidences and edges are rounded to f32, and the first bin
    /// excludes its lower edge, so that the rows of the lowest confidence drop out of the sum,
    /// though not out of its divisor. 0 where all confidences are equal.
    Reference,
}
