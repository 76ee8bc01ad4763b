//! The event log: one JSON object a line, for people, plots and trackers.

use crate::{Error, Result};
use mbls_core::number;
use mbls_nn::atomic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began, or went on after `epoch` finished epochs.
    Start {
        /// What is trained.
        identity: String,
        /// Number of epochs done before.
        epoch: usize,
        /// Number of epochs in all.
        epochs: usize,
    },
    /// An epoch was finished.
    Epoch {
        /// Its number, from 0.
        epoch: usize,
        /// The learning rate it ran with.
        learning_rate: f64,
        /// Means over the training batches: the loss, its terms, and the training metrics.
        #[serde(with = "number::option::by_name")]
        train: BTreeMap<String, Option<f64>>,
        /// The largest gradient norm before clipping.
        gradient_norm: f64,
        /// Steps that were left out, because no label of their batch counts.
        #[serde(default, skip_serializing_if = "is_zero")]
        steps_without_loss: usize,
        /// The metrics on the validation data; null where one is undefined.
        #[serde(with = "number::option::by_name")]
        validation: BTreeMap<String, Option<f64>>,
        /// Whether it is the best epoch so far.
        best: bool,
        /// Its wall time: training, validation and checkpoints.
        seconds: f64,
        /// The part of it that trained.
        train_seconds: f64,
    },
    /// The run failed.
    Stop {
        /// The error.
        reason: String,
    },
    /// The run was finished.
    End {
        /// The best epoch.
        best_epoch: usize,
        /// Its validation score; null where it is undefined.
        #[serde(with = "number::option")]
        best_score: Option<f64>,
    },
}

/// A run's event log.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    file: File,
}

impl EventLog {
    /// Opens the log at `path` for a run that has finished `epochs` epochs.
    ///
    /// What an interrupted run wrote after its last checkpoint is going to happen again, so it is dropped: events of later
    /// epochs, and a line that was cut off.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read or written.
    pub fn open(path: &Path, epochs: usize) -> Result<Self> {
        let kept = read(path)?
            .into_iter()
            .filter(|event| match event {
                Event::Epoch { epoch, .. } | Event::Start { epoch, .. } => *epoch < epochs,
                Event::Stop { .. } => true,
                Event::End { .. } => false,
            })
            .map(|event| line(&event))
            .collect::<Result<String>>()?;
        atomic::write(path, kept.as_bytes())?;
        let file = OpenOptions::new().append(true).open(path).map_err(Error::io("open", path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends an event.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the file cannot be written.
    pub fn write(&mut self, event: &Event) -> Result<()> {
        self.file.write_all(line(event)?.as_bytes()).map_err(Error::io("write", &self.path))
    }
}

/// The complete events of the log at `path`; none where there is no such file.
///
/// # Errors
///
/// [`Error::Io`] where the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Event>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::io("read", path)(source)),
    };
    Ok(bytes.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn line(event: &Event) -> Result<String> {
    let mut line = serde_json::to_string(event).map_err(|source| Error::Encode { what: "an event", source })?;
    line.push('\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_with_undefined_and_infinite_metrics_is_read_back() -> Result<()> {
        let named = |value: Option<f64>| BTreeMap::from([("nll".to_owned(), value)]);
        let epoch = Event::Epoch {
            epoch: 0,
            learning_rate: 0.1,
            train: named(Some(f64::INFINITY)),
            gradient_norm: 2.5,
            steps_without_loss: 3,
            validation: named(None),
            best: true,
            seconds: 1.0,
            train_seconds: 0.5,
        };
        for event in [epoch, Event::End { best_epoch: 0, best_score: None }] {
            let line = line(&event)?;
            let read: Event =
                serde_json::from_str(&line).map_err(|source| Error::Encode { what: "an event", source })?;
            assert_eq!(read, event, "{line}");
        }
        Ok(())
    }
}
