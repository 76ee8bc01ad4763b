//! The losses that a suite compares.

use mbls_core::loss::LossSpec;
use serde::Deserialize;

/// One loss of a suite.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossEntry {
    /// What the command line and the results call it.
    pub id: String,
    /// What tables call it.
    pub title: String,
    /// The loss and its settings.
    pub spec: LossSpec,
}

impl LossEntry {
    /// Returns the title with its settings, which tells it from other settings of the same loss.
    pub fn heading(&self) -> String {
        match self.settings() {
            settings if settings.is_empty() => self.title.clone(),
            settings => format!("{} ({settings})", self.title),
        }
    }

    /// The settings in words, for tables.
    pub fn settings(&self) -> String {
        self.spec.settings()
    }
}
