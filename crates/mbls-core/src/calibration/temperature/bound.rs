use serde::{Deserialize, Serialize};
use std::fmt;

/// The end of the range of temperatures at which a fit stopped because there is no optimum inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemperatureBound {
    /// The smallest temperature: all or nearly all rows are predicted correctly, and a sharper
    /// softmax is always better.
    Lower,
    /// The largest temperature: rows are predicted no better than at random, and a flatter softmax
    /// is always better.
    Upper,
}

impl fmt::Display for TemperatureBound {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Lower => "at its lower bound: all or nearly all rows are predicted correctly",
            Self::Upper => "at its upper bound: rows are predicted no better than at random",
        })
    }
}
