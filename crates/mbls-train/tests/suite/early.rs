//! Early stopping.

use crate::support::{EPOCHS, bytes, config, data, parts, tensors, train};
use candle_core::Device;
use mbls_nn::PlateauMode;
use mbls_train::event::{self, Event};
use mbls_train::{EarlyStopping, Error, Observer, Result, RunDirectory, Trainer, TrainerConfig};
use std::path::Path;

/// Follows a metric that never improves after the first epoch.
fn stopping(patience: usize) -> TrainerConfig {
    let metric = Some("constant".to_owned());
    let early_stopping =
        Some(EarlyStopping { metric, mode: PlateauMode::Min, patience, min_delta: 0.0 });
    TrainerConfig { early_stopping, ..config("early") }
}

/// Returns the events of the log: the numbers of the epochs, and the last event.
fn log(folder: &Path) -> (Vec<usize>, Event) {
    let events = event::read(&folder.join("events.jsonl")).unwrap();
    let epochs = events.iter().filter_map(|event| {
        if let Event::Epoch(report) = event { Some(report.epoch) } else { None }
    });
    (epochs.collect(), events.last().unwrap().clone())
}

#[test]
fn a_run_ends_after_epochs_without_an_improvement_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, _) = train(folder.path(), stopping(2), None).unwrap();
    let early = outcome.early.clone().unwrap();
    assert_eq!(
        (outcome.epochs, early.to_string().as_str()),
        (3, "constant was not better than 0.500000 for 2 epochs")
    );
    let (epochs, last) = log(folder.path());
    assert_eq!(epochs, [0, 1, 2]);
    let Event::End(end) = last else { panic!("{last:?}") };
    assert_eq!((end.epochs, end.early), (3, Some(early)));
    // A restarted run is already finished.
    let before = bytes(folder.path());
    let (again, _) = train(folder.path(), stopping(2), None).unwrap();
    assert_eq!((again.epochs, again.early, again.resumed_after), (3, outcome.early, 3));
    assert_eq!((bytes(folder.path()), log(folder.path()).0), (before, vec![0, 1, 2]));
}

#[test]
fn a_run_that_gets_better_and_one_of_more_patience_train_all_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let [patient, plain] = ["patient", "plain"].map(|name| folder.path().join(name));
    let (outcome, _) = train(&patient, stopping(EPOCHS), None).unwrap();
    assert_eq!((outcome.epochs, outcome.early), (EPOCHS, None));
    train(&plain, config("early"), None).unwrap();
    let last = |folder: &Path| tensors(&folder.join("last.safetensors"));
    assert_eq!(last(&patient), last(&plain));
}

/// Fails after an epoch.
struct StopAfter(usize);

impl Observer for StopAfter {
    fn epoch(&mut self, report: &event::EpochReport) -> Result<()> {
        if report.epoch == self.0 {
            Err(Error::Observer { source: "stopped".into() })
        } else {
            Ok(())
        }
    }
}

#[test]
fn patience_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, stopped] = ["whole", "stopped"].map(|name| folder.path().join(name));
    train(&whole, stopping(3), None).unwrap();
    let (store, mut task, optimizer) = parts(None).unwrap();
    let [training, validation] = data();
    let run = RunDirectory::create(&stopped).unwrap();
    let trainer = Trainer::new(&store, optimizer, &Device::Cpu, stopping(3), run).unwrap();
    trainer.with_observer(StopAfter(1)).fit(&mut task, &training, &validation).unwrap_err();
    let (outcome, _) = train(&stopped, stopping(3), None).unwrap();
    assert_eq!((outcome.resumed_after, outcome.epochs), (2, 4));
    assert!(bytes(&stopped) == bytes(&whole), "other bytes");
    // A run without early stopping is another run.
    let error = train(&stopped, config("early"), None).unwrap_err().to_string();
    assert!(
        error.contains("patience: expected none, found that of a run with early stopping"),
        "{error}"
    );
}

#[test]
fn a_metric_that_is_not_measured_cannot_be_followed() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = stopping(2);
    config.early_stopping.as_mut().unwrap().metric = Some("loss".to_owned());
    let error = train(folder.path(), config, None).unwrap_err().to_string();
    assert_eq!(
        error,
        "early_stopping.metric = loss: expected one of accuracy, constant, undefined"
    );
}
