//! States of metrics in files.

use super::key::Settings;
use super::state::State;
use anyhow::{Context, Result, ensure};
use mbls_io::{atomic, file};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The state of a data set, and what the report says beside the metrics.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedState {
    schema: String,
    pub(crate) scores: String,
    pub(crate) ignored: u64,
    pub(crate) classes: Option<usize>,
    pub(crate) settings: Settings,
    pub(crate) state: State,
}

const SCHEMA: &str = "mbls-state/1";

/// 16 bytes of every row are in a state, as text.
const LARGEST: u64 = 1 << 34;

impl SavedState {
    pub(crate) fn new(measured: &super::Measured) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            scores: measured.scores.clone(),
            ignored: measured.ignored,
            classes: measured.classes,
            settings: measured.settings,
            state: measured.state.clone(),
        }
    }

    /// Adds the rows of another state.
    pub(crate) fn merge(&mut self, other: Self) -> Result<()> {
        ensure!(
            self.settings == other.settings,
            "other settings: {:?} and {:?}",
            self.settings,
            other.settings
        );
        ensure!(
            self.classes == other.classes,
            "{} and {} classes",
            self.classes.unwrap_or_default(),
            other.classes.unwrap_or_default()
        );
        self.state.merge(other.state)?;
        self.ignored = self.ignored.saturating_add(other.ignored);
        if self.scores != other.scores {
            self.scores = format!("{}, {}", self.scores, other.scores);
        }
        Ok(())
    }
}

pub(crate) fn write_state(path: &Path, state: &SavedState) -> Result<()> {
    let mut text = serde_json::to_vec(state).context("the state of the metrics")?;
    text.push(b'\n');
    atomic::write(path, &text)?;
    Ok(())
}

pub(crate) fn read_state(path: &Path) -> Result<SavedState> {
    let text = file::read_bounded(path, LARGEST)?;
    let read = || -> Result<SavedState> {
        let state: SavedState = serde_json::from_slice(&text)
            .context("expected a state that mbls eval --save-state wrote")?;
        ensure!(state.schema == SCHEMA, "schema {:?}: expected {SCHEMA:?}", state.schema);
        state.state.check(&state.settings)?;
        Ok(state)
    };
    read().with_context(|| path.display().to_string())
}
