//! The events of a training, as [observers](crate::Observer) receive them, and the event log with
//! one JSON object per line.

use crate::{Error, Observer, Result};
use mbls_core::number;
use mbls_io::atomic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A run starts, or continues after `epoch` finished epochs and `step` steps of the next epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Identifies the training.
    pub identity: String,
    /// The number of epochs already done.
    pub epoch: usize,
    /// The number of steps already done in the next epoch.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub step: usize,
    /// The total number of epochs.
    pub epochs: usize,
    /// The number of steps per epoch.
    #[serde(default)]
    pub steps: usize,
}

/// A training step is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The step in the epoch, from 0.
    pub step: usize,
    /// The number of steps per epoch.
    pub steps: usize,
    /// The mean loss of the steps since the last report that had one. `None` after most steps,
    /// because losses are read in groups.
    pub loss: Option<f64>,
}

/// An epoch is done: its steps, its validation and its checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// The number, from 0.
    pub epoch: usize,
    /// The learning rate of the epoch.
    pub learning_rate: f64,
    /// Means over the training batches: the loss (`loss`), its terms (`loss_NAME`) and, if they are
    /// measured, the training metrics. The metrics of an interrupted epoch are null.
    #[serde(with = "number::option::by_name")]
    pub train: BTreeMap<String, Option<f64>>,
    /// The largest gradient norm before clipping.
    pub gradient_norm: f64,
    /// Steps that were skipped because no label of their batch counts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps_without_loss: usize,
    /// The metrics on the validation data; null if undefined.
    #[serde(with = "number::option::by_name")]
    pub validation: BTreeMap<String, Option<f64>>,
    /// The validation score by which epochs are compared. `None` if it is undefined, and in logs of
    /// earlier versions.
    #[serde(default, with = "number::option")]
    pub score: Option<f64>,
    /// Whether it is the best epoch so far.
    pub best: bool,
    /// The wall time of training, validation and checkpoints, summed over all processes that worked
    /// on the epoch.
    pub seconds: f64,
    /// The training part of `seconds`.
    pub train_seconds: f64,
}

/// The checkpoint `last.safetensors` was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The number of epochs done.
    pub epoch: usize,
    /// The number of steps done in the next epoch; 0 at the end of an epoch.
    pub step: usize,
}

/// The run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The error.
    pub reason: String,
}

/// The reason why a run ended before its last epoch: the followed metric had not improved for
/// `patience` epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStop {
    /// The followed metric: its name, or `score`.
    pub metric: String,
    /// The best value; null if none was defined.
    #[serde(with = "number::option")]
    pub best: Option<f64>,
    /// The number of epochs without an improvement.
    pub patience: usize,
}

impl fmt::Display for EarlyStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, best, patience } = self;
        let epochs = if *patience == 1 { "epoch" } else { "epochs" };
        match best {
            Some(best) => {
                write!(f, "{metric} was not better than {best:.6} for {patience} {epochs}")
            }
            None => write!(f, "{metric} was undefined for {patience} {epochs}"),
        }
    }
}

/// The run has finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// The epoch that is kept: the one with the highest score; of ties, the last.
    pub best_epoch: usize,
    /// The validation score of that epoch; null if undefined.
    #[serde(with = "number::option")]
    pub best_score: Option<f64>,
    /// The number of trained epochs; 0 in logs of earlier versions.
    #[serde(default)]
    pub epochs: usize,
    /// The reason for early stopping; absent if all epochs were trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early: Option<EarlyStop>,
}

/// A line of the event log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run started.
    Start(Start),
    /// An epoch is done.
    Epoch(EpochReport),
    /// The run failed.
    Stop(Stop),
    /// The run has finished.
    End(End),
}

/// An observer that writes the event log of a run.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    file: Option<File>,
}

impl EventLog {
    /// Creates a log in the file `path`, which is opened when the run starts.
    ///
    /// Whatever an interrupted run wrote after its last checkpoint will happen again, so the start
    /// drops it: events of later epochs, and a truncated line.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: None }
    }

    /// Opens the file for a run that has finished `epochs` epochs.
    fn open(&mut self, epochs: usize) -> Result<()> {
        let path = &self.path;
        let kept = read(path)?
            .into_iter()
            .filter(|event| match event {
                Event::Epoch(EpochReport { epoch, .. }) | Event::Start(Start { epoch, .. }) => {
                    *epoch < epochs
                }
                Event::Stop(_) => true,
                Event::End(_) => false,
            })
            .map(|event| line(&event))
            .collect::<Result<String>>()?;
        atomic::write(path, kept.as_bytes())?;
        self.file = Some(
            OpenOptions::new().append(true).open(path).map_err(mbls_io::Error::io("open", path))?,
        );
        Ok(())
    }

    /// Appends an event; does nothing before the run starts.
    fn write(&mut self, event: &Event) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        Ok(file
            .write_all(line(event)?.as_bytes())
            .map_err(mbls_io::Error::io("write", &self.path))?)
    }
}

impl Observer for EventLog {
    fn start(&mut self, start: &Start) -> Result<()> {
        self.open(start.epoch)?;
        // A finished run does not start again.
        if start.epoch < start.epochs { self.write(&Event::Start(start.clone())) } else { Ok(()) }
    }

    fn epoch(&mut self, report: &EpochReport) -> Result<()> {
        self.write(&Event::Epoch(report.clone()))
    }

    fn end(&mut self, end: &End) -> Result<()> {
        self.write(&Event::End(end.clone()))
    }

    fn stop(&mut self, stop: &Stop) {
        // The error that ends the run matters more than a log that cannot be written.
        let _ = self.write(&Event::Stop(stop.clone()));
    }
}

/// Returns the complete events of the log at `path`; none if there is no such file.
///
/// # Errors
///
/// [`Error::File`] if the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Event>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(mbls_io::Error::io("read", path)(source).into()),
    };
    Ok(bytes
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn line(event: &Event) -> Result<String> {
    let mut line = serde_json::to_string(event)
        .map_err(|source| Error::Encode { what: "an event", source })?;
    line.push('\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_with_undefined_and_infinite_metrics_is_read_back() -> Result<()> {
        let named = |value: Option<f64>| BTreeMap::from([("nll".to_owned(), value)]);
        let report = EpochReport {
            epoch: 0,
            learning_rate: 0.1,
            train: named(Some(f64::INFINITY)),
            gradient_norm: 2.5,
            steps_without_loss: 3,
            validation: named(None),
            score: Some(0.25),
            best: true,
            seconds: 1.0,
            train_seconds: 0.5,
        };
        let start = Start { identity: "a".to_owned(), epoch: 1, step: 0, epochs: 3, steps: 7 };
        for event in [
            Event::Start(start.clone()),
            Event::Start(Start { step: 5, ..start }),
            Event::Epoch(report),
            Event::End(End { best_epoch: 0, best_score: None, epochs: 3, early: None }),
            Event::End(End {
                best_epoch: 0,
                best_score: Some(0.5),
                epochs: 2,
                early: Some(EarlyStop {
                    metric: "nll".to_owned(),
                    best: Some(f64::INFINITY),
                    patience: 1,
                }),
            }),
        ] {
            let line = line(&event)?;
            let read: Event = serde_json::from_str(&line)
                .map_err(|source| Error::Encode { what: "an event", source })?;
            assert_eq!(read, event, "{line}");
        }
        Ok(())
    }

    #[test]
    fn an_early_stop_says_why() {
        let stop = EarlyStop { metric: "nll".to_owned(), best: Some(0.25), patience: 5 };
        assert_eq!(stop.to_string(), "nll was not better than 0.250000 for 5 epochs");
        assert_eq!(EarlyStop { best: None, ..stop }.to_string(), "nll was undefined for 5 epochs");
    }

    /// Lines of logs written by versions without step numbers.
    #[test]
    fn earlier_logs_are_read() {
        let text = r#"{"event":"start","identity":"a","epoch":0,"epochs":2}"#;
        let start = Start { identity: "a".to_owned(), epoch: 0, step: 0, epochs: 2, steps: 0 };
        assert_eq!(serde_json::from_str::<Event>(text).unwrap(), Event::Start(start));
        let text = r#"{"event":"end","best_epoch":1,"best_score":0.5}"#;
        let end = End { best_epoch: 1, best_score: Some(0.5), epochs: 0, early: None };
        assert_eq!(serde_json::from_str::<Event>(text).unwrap(), Event::End(end));
        let text = concat!(
            r#"{"event":"epoch","epoch":0,"learning_rate":0.1,"train":{"loss":0.5},"gradient_norm":1.0,"#,
            r#""validation":{"nll":null},"best":true,"seconds":1.0,"train_seconds":0.5}"#
        );
        assert!(
            matches!(serde_json::from_str::<Event>(text).unwrap(), Event::Epoch(report) if report.best && report.score.is_none())
        );
    }
}
