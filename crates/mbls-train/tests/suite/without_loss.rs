//! Batches without any label that counts: they are skipped and counted.

use crate::support::{EPOCHS, config, data, numbers, parts, tensors};
use candle_core::Device;
use mbls_nn::{Schedule, clip_grad_norm};
use mbls_train::event::{self, Event};
use mbls_train::{Error, EventLog, Mode, Outcome, Result, RunDirectory, Task, Trainer};
use std::path::Path;

/// Trains with batches that have no loss if the label of their first point is in `labels`.
fn train(folder: &Path, labels: &'static [u32]) -> Result<Outcome> {
    let (store, mut task, optimizer) = parts(None)?;
    task.without_loss = Some(labels);
    let [training, validation] = data();
    let run = RunDirectory::create(folder)?;
    let log = EventLog::new(run.events());
    let trainer = Trainer::new(&store, optimizer, &Device::Cpu, config("points"), run)?;
    trainer.with_observer(log).fit(&mut task, &training, &validation)
}

#[test]
fn they_change_nothing_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), &[1]).unwrap();
    // The same as a minimal loop.
    let (store, mut task, mut optimizer) = parts(None).unwrap();
    task.without_loss = Some(&[1]);
    let [training, _] = data();
    let (mut counts, mut losses) = (Vec::new(), Vec::new());
    for epoch in 0..EPOCHS {
        let rate = Schedule::Cosine { epochs: EPOCHS, minimum: 0.0 }.learning_rate(0.1, epoch, &[]);
        let (mut without, mut all) = (0, Vec::new());
        task.begin_epoch(epoch);
        for batch in training.epoch(epoch) {
            let batch = batch.unwrap();
            let output = task.forward(&batch, Mode::Train).unwrap();
            let Some(loss) = task.loss(&batch, &output).unwrap() else {
                without += 1;
                continue;
            };
            all.push(f64::from(loss.total.to_scalar::<f32>().unwrap()));
            let mut grads = loss.total.backward().unwrap();
            clip_grad_norm(&store.parameters(), &mut grads, 1.0).unwrap();
            optimizer.step(&grads, rate).unwrap();
        }
        counts.push(without);
        losses.push(all.iter().sum::<f64>() / all.len() as f64);
        task.end_epoch(epoch);
    }
    assert!(
        counts.iter().sum::<usize>() > 5 && counts.iter().all(|&count| count < 8),
        "{counts:?}"
    );
    let events = event::read(&folder.path().join("events.jsonl")).unwrap();
    let found: Vec<(usize, f64)> = events
        .into_iter()
        .filter_map(|event| match event {
            Event::Epoch(report) => {
                Some((report.steps_without_loss, report.train["loss"].unwrap()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(found, counts.into_iter().zip(losses).collect::<Vec<_>>());
    let last = tensors(&folder.path().join("last.safetensors"));
    for (name, expected) in store.state() {
        assert_eq!(last[&format!("model.{name}")], numbers(&expected), "{name}");
    }
}

#[test]
fn nothing_else_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = train(folder.path(), &[0, 1]).unwrap_err();
    assert!(matches!(error, Error::Empty { part: "training" }), "{error}");
}
