//! Models by the name that suites, results and the command line know.

use super::TaskKind;
use anyhow::{Result, bail};
use mbls_data::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A network by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModelName {
    /// One that classifies images.
    Classifier(mbls_vision::model::Architecture),
    /// One that classifies pixels.
    Segmentation(mbls_seg::model::Architecture),
    /// One that classifies texts.
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

    /// The classifier of images that it names.
    ///
    /// # Errors
    ///
    /// Where it names a network for something else.
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

    /// The classifier of pixels that it names.
    ///
    /// # Errors
    ///
    /// Where it names a network for something else.
    pub fn segmentation(self) -> Result<mbls_seg::model::Architecture> {
        match self {
            Self::Segmentation(architecture) => Ok(architecture),
            other => bail!(
                "the model {other} classifies {}: expected one that classifies pixels",
                other.classifies()
            ),
        }
    }

    /// The classifier of texts that it names.
    ///
    /// # Errors
    ///
    /// Where it names a network for something else.
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
