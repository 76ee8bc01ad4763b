//! Models by the name that suites, results and the command line know.

use mbls_vision::model::Architecture;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A model of mbls-vision by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ModelName(Architecture);

impl ModelName {
    /// The name in results and directories.
    pub(crate) fn as_str(self) -> &'static str {
        self.0.name()
    }

    /// What it names.
    pub(crate) fn architecture(self) -> Architecture {
        self.0
    }
}

impl FromStr for ModelName {
    type Err = mbls_vision::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        name.parse().map(Self)
    }
}

impl TryFrom<String> for ModelName {
    type Error = mbls_vision::Error;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
