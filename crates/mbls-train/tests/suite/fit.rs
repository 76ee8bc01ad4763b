//! The results of a fit, and the errors that stop or prevent it.

use crate::support::{EPOCHS, PointTask, bytes, config, loader, train};
use candle_core::{DType, Device};
use mbls_core::loss::CrossEntropy;
use mbls_data::Order;
use mbls_nn::{
    BatchNorm2d, Linear, OptimizerConfig, ParamStore, PlateauMode, ReduceOnPlateau, Schedule,
    SgdConfig,
};
use mbls_train::event::{self, EpochReport, Event, Start, Stop};
use mbls_train::{Error, EventLog, Observer, RunDirectory, Trainer, TrainerConfig};
use std::path::Path;

#[test]
fn learns_and_leaves_the_best_epoch_in_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, accuracy) = train(folder.path(), config("points"), None).unwrap();
    assert_eq!(outcome.resumed_after, 0);
    assert_eq!(
        outcome.best.score,
        Some(accuracy),
        "the model does not carry the best epoch's weights"
    );
    assert!(accuracy >= 0.75, "{accuracy}");
    let events = event::read(&folder.path().join("events.jsonl")).unwrap();
    assert!(matches!(
        events[0],
        Event::Start(Start { epoch: 0, step: 0, epochs: EPOCHS, steps: 8, .. })
    ));
    let rates: Vec<f64> = events
        .iter()
        .filter_map(
            |e| if let Event::Epoch(report) = e { Some(report.learning_rate) } else { None },
        )
        .collect();
    assert_eq!(rates.len(), EPOCHS);
    assert!(rates[0] == 0.1 && rates.windows(2).all(|pair| pair[1] < pair[0]), "{rates:?}");
    let scores: Vec<f64> = events
        .iter()
        .filter_map(
            |e| if let Event::Epoch(report) = e { report.validation["accuracy"] } else { None },
        )
        .collect();
    let best = scores.iter().copied().fold(0.0, f64::max);
    assert_eq!(outcome.best.epoch, scores.iter().rposition(|&score| score == best).unwrap());
    assert!(matches!(events.last(), Some(Event::End(_))));
}

#[test]
fn a_non_finite_loss_stops_training_and_keeps_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, stopped] = ["whole", "stopped"].map(|name| folder.path().join(name));
    train(&whole, config("points"), None).unwrap();

    let error = train(&stopped, config("points"), Some(3)).unwrap_err();
    let Error::NonFinite { what, epoch, step, value, .. } = &error else { panic!("{error}") };
    assert_eq!((*what, *epoch, *step), ("loss", 3, 0));
    assert!(value.is_nan());
    assert!(error.to_string().contains("loss is NaN in epoch 3, step 0"), "{error}");
    let events = event::read(&stopped.join("events.jsonl")).unwrap();
    assert!(
        matches!(events.last(), Some(Event::Stop(Stop { reason })) if *reason == error.to_string())
    );

    // The three epochs before are kept: the run resumes from them and ends with the same bytes.
    let (outcome, _) = train(&stopped, config("points"), None).unwrap();
    assert_eq!(outcome.resumed_after, 3);
    assert_eq!(bytes(&stopped), bytes(&whole));
    let events = event::read(&stopped.join("events.jsonl")).unwrap();
    let epochs: Vec<usize> = events
        .iter()
        .filter_map(|e| if let Event::Epoch(report) = e { Some(report.epoch) } else { None })
        .collect();
    assert_eq!(epochs, [0, 1, 2, 3, 4]);
}

#[test]
fn running_statistics_and_momentum_are_in_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), config("points"), None).unwrap();
    let load = |name: &str| {
        candle_core::safetensors::load(folder.path().join(name), &Device::Cpu).unwrap()
    };
    let (last, best) = (load("last.safetensors"), load("best.safetensors"));
    for name in
        ["model.bn.running_mean", "model.bn.running_var", "model.bn.weight", "model.fc.weight"]
    {
        assert!(last.contains_key(name) && best.contains_key(name), "{name}");
    }
    assert!(last.contains_key("optimizer.fc.weight.momentum_buffer"));
    assert!(
        !last.contains_key("optimizer.bn.running_mean.momentum_buffer"),
        "a buffer was trained"
    );
    assert!(best.keys().all(|name| name.starts_with("model.")));
    let mean = last["model.bn.running_mean"].to_vec1::<f32>().unwrap();
    assert!(mean.iter().any(|&x| x != 0.0), "{mean:?}");
}

#[test]
fn a_checkpoint_of_another_training_or_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), config("points"), None).unwrap();
    let before = bytes(folder.path());
    let error = train(folder.path(), config("others"), None).unwrap_err().to_string();
    assert!(error.contains("last.safetensors: identity: expected others, found points"), "{error}");

    // The same identity, but another network.
    let store = ParamStore::new(7, DType::F32, &Device::Cpu);
    let linear = Linear::new(3, 2, store.var_builder().pp("fc")).unwrap();
    let norm = BatchNorm2d::new(2, store.var_builder().pp("bn")).unwrap();
    let mut task = PointTask {
        norm,
        linear,
        loss: Box::new(CrossEntropy),
        without_norm: false,
        dropout: None,
        poison: None,
        without_loss: None,
        epoch: 0,
    };
    let optimizer = OptimizerConfig::Sgd(SgdConfig::default()).build(store.parameters()).unwrap();
    let run = RunDirectory::create(folder.path()).unwrap();
    let mut trainer = Trainer::new(&store, optimizer, &Device::Cpu, config("points"), run).unwrap();
    let error = trainer
        .fit(&mut task, &loader(64, Order::Shuffled), &loader(20, Order::Sequential))
        .unwrap_err();
    assert!(matches!(error, Error::Misfit { part: "model", .. }), "{error}");
    let text = mbls_io::with_causes(&error);
    assert!(text.contains("last.safetensors") && text.contains("fc.weight"), "{text}");
    assert_eq!(bytes(folder.path()), before);
}

/// Returns the learning rates of the epochs, from the event log.
fn rates(folder: &Path) -> Vec<f64> {
    let rate =
        |event| if let Event::Epoch(report) = event { Some(report.learning_rate) } else { None };
    event::read(&folder.join("events.jsonl")).unwrap().into_iter().filter_map(rate).collect()
}

#[test]
fn a_schedule_that_follows_a_metric_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    // A metric that can never improve: the rate falls in every epoch but the first.
    let settings = ReduceOnPlateau {
        mode: PlateauMode::Max,
        patience: 0,
        factor: 0.5,
        threshold: 9.0,
        ..Default::default()
    };
    let plateau = |metric: Option<&str>| TrainerConfig {
        schedule: Schedule::ReduceOnPlateau(settings),
        schedule_metric: metric.map(str::to_owned),
        ..config("plateau")
    };
    for (metric, expected) in [
        (None, [0.1, 0.1, 0.05, 0.025, 0.0125]),
        (Some("accuracy"), [0.1, 0.1, 0.05, 0.025, 0.0125]),
        (Some("constant"), [0.1, 0.1, 0.05, 0.025, 0.0125]),
        // An undefined value is never an improvement, not even at first.
        (Some("undefined"), [0.1, 0.05, 0.025, 0.0125, 0.00625]),
    ] {
        let name = |part: &str| folder.path().join(format!("{part}-{}", metric.unwrap_or("score")));
        let (whole, stopped) = (name("whole"), name("stopped"));
        train(&whole, plateau(metric), None).unwrap();
        assert_eq!(rates(&whole), expected, "{metric:?}");
        train(&stopped, plateau(metric), Some(3)).unwrap_err();
        let (outcome, _) = train(&stopped, plateau(metric), None).unwrap();
        assert_eq!(outcome.resumed_after, 3);
        assert_eq!(rates(&stopped), expected, "{metric:?}: resumed");
        assert_eq!(bytes(&stopped), bytes(&whole));
    }

    let whole = folder.path().join("whole-score");
    let error = train(&whole, TrainerConfig { identity: "plateau".into(), ..config("") }, None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("metrics: expected 0") && error.contains("found 5"), "{error}");
    let plain = folder.path().join("plain");
    train(&plain, config("plateau"), None).unwrap();
    assert!(
        !String::from_utf8_lossy(&bytes(&plain)[0]).contains("metrics"),
        "a checkpoint without metrics has the field"
    );
    let error = train(&plain, plateau(None), None).unwrap_err().to_string();
    assert!(
        error.contains(
            "metrics: expected 5 values of the schedule's metric after 5 epochs, found 0"
        ),
        "{error}"
    );
}

#[test]
fn settings_and_data_that_cannot_train_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = |config: TrainerConfig| train(folder.path(), config, None).unwrap_err().to_string();
    assert!(error(TrainerConfig { epochs: 0, ..config("points") }).contains("epochs = 0"));
    assert!(
        error(TrainerConfig { learning_rate: f64::NAN, ..config("points") })
            .contains("learning_rate = NaN")
    );
    assert!(
        error(TrainerConfig { clip_norm: Some(0.0), ..config("points") }).contains("clip_norm = 0")
    );
    let schedule = Schedule::Step { size: 0, gamma: 0.1 };
    assert!(error(TrainerConfig { schedule, ..config("points") }).contains("size = 0"));
    let schedule_metric = Some("loss".to_owned());
    let follows_none =
        error(TrainerConfig { schedule_metric: schedule_metric.clone(), ..config("points") });
    assert!(follows_none.contains("schedule_metric = loss: expected none"), "{follows_none}");
    let schedule = Schedule::ReduceOnPlateau(ReduceOnPlateau::default());
    let unknown = error(TrainerConfig { schedule, schedule_metric, ..config("points") });
    assert!(
        unknown.contains("schedule_metric = loss: expected one of accuracy, constant, undefined"),
        "{unknown}"
    );
}

#[test]
fn events_after_the_last_checkpoint_are_removed_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), config("points"), None).unwrap();
    let path = folder.path().join("events.jsonl");
    let mut text = std::fs::read(&path).unwrap();
    text.extend(b"{\"event\":\"epo");
    std::fs::write(&path, text).unwrap();
    // A run of two epochs in total is finished: nothing is written.
    let start = Start { identity: "points".to_owned(), epoch: 2, step: 0, epochs: 2, steps: 8 };
    EventLog::new(&path).start(&start).unwrap();
    let events = event::read(&path).unwrap();
    assert!(matches!(
        events[..],
        [
            Event::Start(_),
            Event::Epoch(EpochReport { epoch: 0, .. }),
            Event::Epoch(EpochReport { epoch: 1, .. })
        ]
    ));
}
