//! Several batches per optimizer step.

use crate::support::{EPOCHS, Points, Rows, bytes, config, loader, parts, tensors};
use candle_core::Device;
use mbls_data::{DataLoader, LoaderConfig, Order, Seed};
use mbls_nn::Dropout;
use mbls_train::event::{Saved, StepReport};
use mbls_train::{Error, Observer, Outcome, Result, RunDirectory, Trainer, TrainerConfig};
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Records the steps after which checkpoints are written, and fails at one.
struct Watch<'a> {
    saved: &'a RefCell<Vec<usize>>,
    stop: Option<(usize, usize)>,
}

impl Observer for Watch<'_> {
    fn step(&mut self, report: &StepReport) -> Result<()> {
        if self.stop == Some((report.epoch, report.step)) {
            Err(Error::Observer { source: "stopped".into() })
        } else {
            Ok(())
        }
    }

    fn checkpoint(&mut self, saved: &Saved) -> Result<()> {
        self.saved.borrow_mut().push(saved.step);
        Ok(())
    }
}

/// Trains on 60 points, in batches of `size`, without batch norm, whose statistics are computed per
/// batch.
fn train(
    folder: &Path,
    config: TrainerConfig,
    size: usize,
    dropout: bool,
    stop: Option<(usize, usize)>,
    saved: &RefCell<Vec<usize>>,
) -> Result<Outcome> {
    let (store, mut task, optimizer) = parts(None)?;
    task.without_norm = true;
    task.dropout = dropout.then(|| Dropout::new(0.3, 5)).transpose()?;
    let settings = LoaderConfig {
        batch_size: size,
        order: Order::Shuffled,
        seed: Seed(3),
        ..LoaderConfig::default()
    };
    let training = DataLoader::new(Arc::new(Points(60)), Arc::new(Rows), settings).unwrap();
    let run = RunDirectory::create(folder)?;
    let trainer = Trainer::new(&store, optimizer, &Device::Cpu, config, run)?;
    trainer.with_observer(Watch { saved, stop }).fit(
        &mut task,
        &training,
        &loader(20, Order::Sequential),
    )
}

fn accumulating(batches: usize) -> TrainerConfig {
    TrainerConfig { accumulate: batches, ..config("accumulated") }
}

/// The last batch of an epoch is smaller than the others, and the last step has fewer batches.
#[test]
fn steps_agree_with_those_of_big_batches() {
    let folder = tempfile::tempdir().unwrap();
    let saved = RefCell::default();
    let trained = |name: &str, batches: usize, size: usize| {
        let folder = folder.path().join(name);
        train(&folder, accumulating(batches), size, false, None, &saved).unwrap();
        tensors(&folder.join("last.safetensors"))
    };
    let (big, small, other) =
        (trained("big", 1, 24), trained("small", 3, 8), trained("other", 1, 8));
    let largest = |a: &std::collections::BTreeMap<String, Vec<f64>>| {
        let distances = a.iter().flat_map(|(name, values)| {
            values.iter().zip(&big[name]).map(|(a, b)| (a - b).abs()).collect::<Vec<_>>()
        });
        distances.fold(0.0, f64::max)
    };
    assert!(largest(&small) < 1e-5, "{}", largest(&small));
    assert!(largest(&other) > 1e-2, "{}", largest(&other));
}

#[test]
fn a_run_stopped_within_a_step_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, stopped] = ["whole", "stopped"].map(|name| folder.path().join(name));
    let every = || TrainerConfig { checkpoint_every: Some(Duration::ZERO), ..accumulating(3) };
    let saved = RefCell::default();
    train(&whole, accumulating(3), 8, true, None, &saved).unwrap();
    saved.borrow_mut().clear();
    for stop in [(0, 4), (2, 2), (4, 7)] {
        train(&stopped, every(), 8, true, Some(stop), &saved).unwrap_err();
    }
    let outcome = train(&stopped, every(), 8, true, None, &saved).unwrap();
    assert_eq!(outcome.epochs, EPOCHS);
    // Eight batches: steps after the third, the sixth and the last.
    assert!(
        saved.borrow().contains(&3)
            && saved.borrow().contains(&6)
            && saved.borrow().iter().all(|step| step % 3 == 0)
    );
    assert!(bytes(&stopped) == bytes(&whole), "other bytes");
}

#[test]
fn a_checkpoint_between_the_batches_of_a_step_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let saved = RefCell::default();
    let every =
        |batches| TrainerConfig { checkpoint_every: Some(Duration::ZERO), ..accumulating(batches) };
    train(folder.path(), every(1), 8, false, Some((0, 4)), &saved).unwrap_err();
    let error = train(folder.path(), every(3), 8, false, None, &saved).unwrap_err().to_string();
    assert!(
        error.contains("within.step: expected a multiple of 3") && error.ends_with("found 4"),
        "{error}"
    );
    let none = train(folder.path(), every(0), 8, false, None, &saved).unwrap_err().to_string();
    assert_eq!(none, "accumulate = 0: expected at least 1");
}
