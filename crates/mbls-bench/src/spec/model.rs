//! Models by their name in suites, results and on the command line.

use super::TaskKind;
use anyhow::{Result, bail};
use mbls_data::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A model, identified by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModelName {
    /// A network that classifies images.
    Classifier(mbls_vision::model::Architecture),
    /// A network that classifies pixels.
    Segmentation(mbls_seg::model::Architecture),
    /// A network that classifies texts.
    Text(mbls_nlp::model::Architecture),
}

impl ModelName {
    /// Returns the names of all networks for a task.
    pub fn all(task: TaskKind) -> Vec<String> {
        match task {
            TaskKind::Images => {
                mbls_vision::model::Architecture::all().map(|network| network.to_string()).collect()
            }
            TaskKind::Segmentation => {
                mbls_seg::model::Architecture::all().map(|network| network.to_string()).collect()
            }
            TaskKind::Texts => {
                mbls_nlp::model::Architecture::all().map(|network| network.to_string()).collect()
            }
        }
    }

    /// Returns the image classifier with this name.
    ///
    /// # Errors
    ///
    /// If the name is of a network for another task.
    pub fn classifier(self) -> Result<mbls_vision::model::Architecture> {
        match self {
            Self::Classifier(architecture) => Ok(architecture),
            other => {
                bail!(
                    "the model {other} classifies {}: expected one that classifies images",
                    other.classifies()
                )
            }
        }
    }

    /// Returns the segmentation network with this name.
    ///
    /// # Errors
    ///
    /// If the name is of a network for another task.
    pub fn segmentation(self) -> Result<mbls_seg::model::Architecture> {
        match self {
            Self::Segmentation(architecture) => Ok(architecture),
            other => bail!(
                "the model {other} classifies {}: expected one that classifies pixels",
                other.classifies()
            ),
        }
    }

    /// Returns the text classifier with this name.
    ///
    /// # Errors
    ///
    /// If the name is of a network for another task.
    pub fn text(self) -> Result<mbls_nlp::model::Architecture> {
        match self {
            Self::Text(architecture) => Ok(architecture),
            other => bail!(
                "the model {other} classifies {}: expected one that classifies texts",
                other.classifies()
            ),
        }
    }

    fn classifies(self) -> &'static str {
        match self {
            Self::Classifier(_) => "images",
            Self::Segmentation(_) => "pixels",
            Self::Text(_) => "texts",
        }
    }
}

impl FromStr for ModelName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        if let Ok(architecture) = name.parse() {
            return Ok(Self::Classifier(architecture));
        }
        if let Ok(architecture) = name.parse() {
            return Ok(Self::Segmentation(architecture));
        }
        if let Ok(architecture) = name.parse() {
            return Ok(Self::Text(architecture));
        }
        let known = TaskKind::ALL.into_iter().flat_map(Self::all).collect::<Vec<_>>().join(", ");
        Err(Error::value("model", format!("one of {known}"), format!("{name:?}")))
    }
}

impl TryFrom<String> for ModelName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Classifier(architecture) => architecture.fmt(f),
            Self::Segmentation(architecture) => architecture.fmt(f),
            Self::Text(architecture) => architecture.fmt(f),
        }
    }
}
