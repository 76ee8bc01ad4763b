//! The average of the weights, which is validated and kept in place of the weights.

use crate::support::{EPOCHS, bytes, config, data, numbers, parts, tensors, train};
use candle_core::{Device, Tensor};
use mbls_core::metric::Metric;
use mbls_nn::{EmaConfig, Schedule, clip_grad_norm};
use mbls_train::event::{self, Event};
use mbls_train::{Error, Mode, Task, TrainerConfig, evaluate};
use std::collections::BTreeMap;
use std::path::Path;

fn averaged(ema: EmaConfig) -> TrainerConfig {
    TrainerConfig { ema: Some(ema), ..config("average") }
}

/// Returns the accuracy of each epoch, from the event log.
fn accuracies(folder: &Path) -> Vec<f64> {
    let accuracy =
        |event| if let Event::Epoch(report) = event { report.validation["accuracy"] } else { None };
    event::read(&folder.join("events.jsonl")).unwrap().into_iter().filter_map(accuracy).collect()
}

/// An epoch of [`by_hand`]: accuracies with the weights and with their averages, and the averages.
struct Epoch {
    own: f64,
    averaged: f64,
    averages: BTreeMap<String, Vec<f64>>,
}

/// The training of [`train`] as a minimal loop, with averages computed number by number after every
/// step.
fn by_hand(decay: f64, average_buffers: bool) -> Vec<Epoch> {
    let (store, mut task, mut optimizer) = parts(None).unwrap();
    let [training, validation] = data();
    let mut averages = BTreeMap::<String, Vec<f64>>::new();
    let epoch = |epoch| {
        let rate = Schedule::Cosine { epochs: EPOCHS, minimum: 0.0 }.learning_rate(0.1, epoch, &[]);
        for batch in training.epoch(epoch) {
            let batch = batch.unwrap();
            let output = task.forward(&batch, Mode::Train).unwrap();
            let mut grads = task.loss(&batch, &output).unwrap().unwrap().total.backward().unwrap();
            clip_grad_norm(&store.parameters(), &mut grads, 1.0).unwrap();
            optimizer.step(&grads, rate).unwrap();
            for (name, tensor) in store.state() {
                let copied = name.contains("running") && !average_buffers;
                match averages.get_mut(&name) {
                    Some(average) if !copied => {
                        let pairs = average.iter_mut().zip(numbers(&tensor));
                        pairs.for_each(|(a, p)| *a = decay * *a + (1.0 - decay) * p);
                    }
                    _ => drop(averages.insert(name, numbers(&tensor))),
                }
            }
        }
        task.end_epoch(epoch);
        let accuracy = || evaluate(&task, &validation).unwrap().value().unwrap();
        let own = accuracy();
        let state: BTreeMap<_, _> =
            store.state().into_iter().map(|(name, t)| (name, t.copy().unwrap())).collect();
        let tensor = |name: &String| {
            Tensor::new(&averages[name][..], &Device::Cpu)?.reshape(state[name].shape())
        };
        store
            .load_state(&state.keys().map(|name| (name.clone(), tensor(name).unwrap())).collect())
            .unwrap();
        let averaged = accuracy();
        store.load_state(&state).unwrap();
        Epoch { own, averaged, averages: averages.clone() }
    };
    (0..EPOCHS).map(epoch).collect()
}

fn close(found: &BTreeMap<String, Vec<f64>>, prefix: &str, expected: &BTreeMap<String, Vec<f64>>) {
    for (name, expected) in expected {
        let found = &found[&format!("{prefix}{name}")];
        let worst = found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
        assert!(
            found.len() == expected.len() && worst < 1e-6,
            "{prefix}{name}: {found:?}, expected {expected:?}"
        );
    }
}

#[test]
fn averages_are_validated_and_kept_in_place_of_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    train(&plain, config("average"), None).unwrap();
    for average_buffers in [false, true] {
        let epochs = by_hand(0.95, average_buffers);
        let own: Vec<f64> = epochs.iter().map(|epoch| epoch.own).collect();
        let expected: Vec<f64> = epochs.iter().map(|epoch| epoch.averaged).collect();
        assert_eq!(accuracies(&plain), own);
        assert_ne!(own, expected, "this test requires that they differ");

        let folder = folder.path().join(average_buffers.to_string());
        let ema = EmaConfig { decay: 0.95, average_buffers, ..Default::default() };
        let (outcome, accuracy) = train(&folder, averaged(ema), None).unwrap();
        assert_eq!(accuracies(&folder), expected);
        let highest = expected.iter().copied().fold(0.0, f64::max);
        assert_eq!(
            outcome.best.epoch,
            expected.iter().rposition(|&score| score == highest).unwrap()
        );
        assert_eq!(
            [outcome.best.score, Some(accuracy)],
            [Some(highest); 2],
            "the model does not carry the best averages"
        );

        let [last, best] =
            ["last", "best"].map(|name| tensors(&folder.join(name).with_extension("safetensors")));
        close(&best, "model.", &epochs[outcome.best.epoch].averages);
        assert!(best.keys().all(|name| name.starts_with("model.")));
        close(&last, "ema.module.", &epochs[EPOCHS - 1].averages);
        assert_eq!(last["ema.n_averaged"], [8.0 * EPOCHS as f64]);
        for (name, weights) in tensors(&plain.join("last.safetensors")) {
            assert_eq!(last[&name], weights, "{name}: an average has changed what is trained");
        }
    }
}

#[test]
fn averages_that_keep_nothing_are_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, without] = ["plain", "without"].map(|name| folder.path().join(name));
    let expected = train(&plain, config("average"), None).unwrap();
    for average_buffers in [false, true] {
        let ema = EmaConfig { decay: 0.0, average_buffers, ..Default::default() };
        assert_eq!(train(&without, averaged(ema), None).unwrap(), expected);
        assert_eq!(accuracies(&without), accuracies(&plain));
        assert!(bytes(&without)[1] == bytes(&plain)[1], "another best model");
        std::fs::remove_dir_all(&without).unwrap();
    }
}

#[test]
fn a_run_stopped_after_each_epoch_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, stopped] = ["whole", "stopped"].map(|name| folder.path().join(name));
    // Warm-up makes the decay depend on the number of updates.
    let config = || averaged(EmaConfig { decay: 0.95, warmup: true, average_buffers: true });
    let expected = train(&whole, config(), None).unwrap();
    for epoch in 1..EPOCHS {
        train(&stopped, config(), Some(epoch)).unwrap_err();
    }
    let (outcome, accuracy) = train(&stopped, config(), None).unwrap();
    assert_eq!(outcome.resumed_after, EPOCHS - 1);
    assert_eq!((outcome.best, accuracy), (expected.0.best, expected.1));
    assert!(bytes(&stopped) == bytes(&whole), "other bytes");
    // A run that is already finished.
    let (outcome, accuracy) = train(&stopped, config(), None).unwrap();
    assert_eq!((outcome.resumed_after, accuracy), (EPOCHS, expected.1));
    assert!(bytes(&stopped) == bytes(&whole), "other bytes");
}

#[test]
fn a_checkpoint_with_an_average_goes_on_with_one_only() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, with] = ["plain", "with"].map(|name| folder.path().join(name));
    let ema = EmaConfig { decay: 0.9, ..Default::default() };
    train(&plain, config("average"), Some(2)).unwrap_err();
    train(&with, averaged(ema), Some(2)).unwrap_err();
    let before = [&plain, &with].map(|folder| bytes(folder));
    for (folder, config, part) in [
        (
            &plain,
            averaged(ema),
            "last.safetensors: ema: expected an average of the weights, found none",
        ),
        (
            &with,
            config("average"),
            "last.safetensors: ema: expected none, found an average of the weights",
        ),
    ] {
        let error = train(folder, config, None).unwrap_err();
        assert!(
            matches!(error, Error::Checkpoint { field: "ema", .. })
                && error.to_string().contains(part),
            "{error}"
        );
    }
    assert!([&plain, &with].map(|folder| bytes(folder)) == before, "a checkpoint has changed");
    let error =
        train(&plain, averaged(EmaConfig { decay: 1.5, ..ema }), None).unwrap_err().to_string();
    assert!(error.contains("decay = 1.5: expected 0 to 1"), "{error}");
}
