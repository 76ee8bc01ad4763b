//! The losses that a suite compares.

use mbls_core::loss::LossSpec;
use serde::Deserialize;

/// A loss of a suite.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossEntry {
    /// The id on the command line and in results.
    pub id: String,
    /// The title in tables.
    pub title: String,
    /// The loss and its settings.
    pub spec: LossSpec,
}

impl LossEntry {
    /// Returns the title with the settings, to distinguish settings of the same loss.
    pub fn heading(&self) -> String {
        match self.settings() {
            settings if settings.is_empty() => self.title.clone(),
            settings => format!("{} ({settings})", self.title),
        }
    }

    /// Returns the settings in words, for tables.
    pub fn settings(&self) -> String {
        self.spec.settings()
    }
}
