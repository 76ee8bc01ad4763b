//! Losses that learn from validation data: their learnt state, and how it survives an interruption.

use crate::support::{EPOCHS, bytes, config, data, parts, tensors, train, train_with};
use mbls_core::loss::{
    AlphaSchedule, AugmentedPenalty, AutoMargin, ClassAdaptive, LogitBatch, Loss, MarginLoss,
    MarginRule,
};
use mbls_nn::{EmaConfig, clip_grad_norm, no_grad};
use mbls_train::{Error, Mode, Task, TrainerConfig};

/// A margin that some distances of these logits exceed.
fn adaptive() -> Box<dyn Loss> {
    Box::new(ClassAdaptive::new(0.2, AugmentedPenalty::Phr).unwrap())
}

fn scheduled() -> Box<dyn Loss> {
    Box::new(
        MarginLoss::new(0.2, 0.1)
            .unwrap()
            .with_schedule(AlphaSchedule::Add { mu: 0.1 }, 0.5)
            .unwrap(),
    )
}

/// A margin that is selected after two epochs, and is lower than some distances of these logits.
fn chosen() -> Box<dyn Loss> {
    let rule = MarginRule::MedianDistance { factor: 0.5, epochs: 2 };
    Box::new(AutoMargin::new(rule, MarginLoss::new(0.0, 0.1).unwrap()).unwrap())
}

#[test]
fn the_loss_learns_from_the_validation_data_of_each_epoch() {
    let folder = tempfile::tempdir().unwrap();
    train_with(folder.path(), config("adaptive"), None, adaptive()).unwrap();
    // The same as a minimal loop.
    let (store, mut task, mut optimizer) = parts(None).unwrap();
    task.loss = adaptive();
    let [training, validation] = data();
    let mut states = Vec::new();
    for epoch in 0..EPOCHS {
        let rate = config("").schedule.learning_rate(0.1, epoch, &[]);
        for batch in training.epoch(epoch) {
            let batch = batch.unwrap();
            let output = task.forward(&batch, Mode::Train).unwrap();
            let mut grads = task.loss(&batch, &output).unwrap().unwrap().total.backward().unwrap();
            clip_grad_norm(&store.parameters(), &mut grads, 1.0).unwrap();
            optimizer.step(&grads, rate).unwrap();
        }
        for batch in validation.epoch(0) {
            let output = no_grad(|| task.forward(&batch.unwrap(), Mode::Evaluate)).unwrap();
            task.loss
                .observe(&LogitBatch::new(&output.logits, &output.labels, None).unwrap())
                .unwrap();
        }
        task.loss.end_epoch(epoch);
        states.push(task.loss.state());
    }
    let last = tensors(&folder.path().join("last.safetensors"));
    assert_eq!(last["loss.state"], states[EPOCHS - 1]);
    assert!(
        states.windows(2).all(|pair| pair[0] != pair[1]),
        "this test requires that the loss learns: {states:?}"
    );
    // Two classes: multipliers, rho and constraints.
    assert_eq!(last["loss.state"].len(), 6);
    assert!(!tensors(&folder.path().join("best.safetensors")).contains_key("loss.state"));
}

#[test]
fn a_run_stopped_after_each_epoch_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let ema = Some(EmaConfig { decay: 0.95, ..Default::default() });
    for (name, loss, ema) in [
        ("adaptive", adaptive as fn() -> Box<dyn Loss>, None),
        ("averaged", adaptive, ema),
        ("scheduled", scheduled, None),
        ("chosen", chosen, None),
    ] {
        let [whole, stopped] =
            ["whole", "stopped"].map(|part| folder.path().join(format!("{name}-{part}")));
        let config = || TrainerConfig { ema, ..config(name) };
        train_with(&whole, config(), None, loss()).unwrap();
        for epoch in 1..EPOCHS {
            train_with(&stopped, config(), Some(epoch), loss()).unwrap_err();
        }
        let (outcome, _) = train_with(&stopped, config(), None, loss()).unwrap();
        assert_eq!(outcome.resumed_after, EPOCHS - 1);
        assert!(bytes(&stopped) == bytes(&whole), "{name}: other bytes");
    }
}

#[test]
fn the_state_of_another_loss_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, learnt] = ["plain", "learnt"].map(|name| folder.path().join(name));
    train(&plain, config("loss"), Some(2)).unwrap_err();
    assert!(!tensors(&plain.join("last.safetensors")).contains_key("loss.state"));
    train_with(&learnt, config("loss"), Some(2), adaptive()).unwrap_err();
    let before = bytes(&learnt);
    for loss in [Box::new(mbls_core::loss::CrossEntropy) as Box<dyn Loss>, scheduled()] {
        let error = train_with(&learnt, config("loss"), None, loss).unwrap_err();
        assert!(matches!(error, Error::Misfit { part: "loss", .. }), "{error}");
        let text = mbls_io::with_causes(&error);
        assert!(text.contains("last.safetensors") && text.contains("found 6 numbers"), "{text}");
    }
    assert!(bytes(&learnt) == before, "the checkpoint has changed");
}
