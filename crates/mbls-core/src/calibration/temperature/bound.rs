use serde::{Deserialize, Serialize};
use std::fmt;

/// The end of the range of temperatures at which a fit stopped, for want of an optimum inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemperatureBound {
    /// The least temperature: every row is predicted right, or nearly so, and the sharper the
    /// better.
    Lower,
    /// The greatest temperature: rows are predicted no better than at random, and the flatter the
    /// better.
    Upper,
}

impl fmt::Display for TemperatureBound {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Lower => "at its lower bound: all rows are predicted right, or nearly",
            Self::Upper => "at its upper bound: rows are predicted no better than at random",
        })
    }
}
