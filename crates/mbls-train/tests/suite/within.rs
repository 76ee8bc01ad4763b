//! Checkpoints within an epoch: a training that is interrupted there resumes with the next step.

use crate::support::{EPOCHS, bytes, config, data, loader, parts};
use candle_core::Device;
use mbls_core::loss::{AugmentedPenalty, ClassAdaptive};
use mbls_data::Order;
use mbls_nn::{Dropout, EmaConfig};
use mbls_train::event::{self, EpochReport, Event, Start, StepReport};
use mbls_train::{
    Error, EventLog, Observer, Outcome, Result, RunDirectory, Trainer, TrainerConfig,
};
use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

/// Fails at a step, and records where the training started.
struct StopAt<'a> {
    step: Option<(usize, usize)>,
    starts: &'a RefCell<Vec<(usize, usize)>>,
}

impl Observer for StopAt<'_> {
    fn start(&mut self, start: &Start) -> Result<()> {
        self.starts.borrow_mut().push((start.epoch, start.step));
        Ok(())
    }

    fn step(&mut self, report: &StepReport) -> Result<()> {
        if self.step == Some((report.epoch, report.step)) {
            Err(Error::Observer { source: "stopped".into() })
        } else {
            Ok(())
        }
    }
}

/// Trains with everything that a step can depend on: an average of the weights, dropout, a loss
/// that learns, batches without a loss.
fn train(
    folder: &Path,
    config: TrainerConfig,
    stop: Option<(usize, usize)>,
    starts: &RefCell<Vec<(usize, usize)>>,
) -> Result<Outcome> {
    let (store, mut task, optimizer) = parts(None)?;
    task.dropout = Some(Dropout::new(0.3, 5)?);
    task.loss = Box::new(ClassAdaptive::new(0.2, AugmentedPenalty::Phr)?);
    task.without_loss = Some(&[1]);
    let [training, validation] = data();
    let run = RunDirectory::create(folder)?;
    let log = EventLog::new(run.events());
    let trainer = Trainer::new(&store, optimizer, &Device::Cpu, config, run)?;
    trainer.with_observer(log).with_observer(StopAt { step: stop, starts }).fit(
        &mut task,
        &training,
        &validation,
    )
}

fn every(time: Option<Duration>) -> TrainerConfig {
    let ema = Some(EmaConfig { decay: 0.9, warmup: true, average_buffers: true });
    TrainerConfig { checkpoint_every: time, ema, ..config("within") }
}

/// Returns the epochs of the log, without their times.
fn epochs(folder: &Path) -> Vec<EpochReport> {
    let events = event::read(&folder.join("events.jsonl")).unwrap();
    let report = |event| if let Event::Epoch(report) = event { Some(report) } else { None };
    let without_times = |report| EpochReport { seconds: 0.0, train_seconds: 0.0, ..report };
    events.into_iter().filter_map(report).map(without_times).collect()
}

#[test]
fn a_run_stopped_within_epochs_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, stopped] = ["whole", "stopped"].map(|name| folder.path().join(name));
    let starts = RefCell::default();
    train(&whole, every(None), None, &starts).unwrap();
    starts.borrow_mut().clear();
    // A checkpoint after every step; the first and the last step of an epoch are among the repeated
    // ones.
    for stop in [(0, 3), (0, 5), (2, 0), (2, 7), (4, 6)] {
        let error = train(&stopped, every(Some(Duration::ZERO)), Some(stop), &starts).unwrap_err();
        assert!(matches!(error, Error::Observer { .. }), "{error}");
    }
    let outcome = train(&stopped, every(Some(Duration::ZERO)), None, &starts).unwrap();
    assert_eq!(starts.into_inner(), [(0, 0), (0, 3), (0, 5), (2, 0), (2, 7), (4, 6)]);
    assert_eq!(outcome.resumed_after, 4);
    assert!(bytes(&stopped) == bytes(&whole), "other bytes");
    let (found, expected) = (epochs(&stopped), epochs(&whole));
    assert_eq!((found.len(), &found), (EPOCHS, &expected));
    assert!(expected.iter().all(|report| report.steps_without_loss > 0), "{expected:?}");
}

#[test]
fn without_them_an_epoch_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, stopped] = ["whole", "stopped"].map(|name| folder.path().join(name));
    let starts = RefCell::default();
    train(&whole, every(None), None, &starts).unwrap();
    // Ten minutes have not passed either.
    for time in [None, TrainerConfig::default().checkpoint_every] {
        starts.borrow_mut().clear();
        train(&stopped, every(time), Some((2, 5)), &starts).unwrap_err();
        train(&stopped, every(time), None, &starts).unwrap();
        assert_eq!(*starts.borrow(), [(0, 0), (2, 0)]);
        assert!(bytes(&stopped) == bytes(&whole), "other bytes");
        std::fs::remove_dir_all(&stopped).unwrap();
    }
}

#[test]
fn a_checkpoint_within_a_longer_epoch_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let starts = RefCell::default();
    train(folder.path(), every(Some(Duration::ZERO)), Some((0, 6)), &starts).unwrap_err();
    let (store, mut task, optimizer) = parts(None).unwrap();
    let run = RunDirectory::create(folder.path()).unwrap();
    let mut trainer = Trainer::new(&store, optimizer, &Device::Cpu, every(None), run).unwrap();
    let error = trainer
        .fit(&mut task, &loader(24, Order::Shuffled), &loader(20, Order::Sequential))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("within.step: expected a step below 3") && text.ends_with("found 6"),
        "{text}"
    );
}
