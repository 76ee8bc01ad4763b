//! The events that observers receive; nothing is measured unless it is requested.

use crate::support::{EPOCHS, config, data, parts};
use candle_core::Device;
use mbls_train::event::{End, EpochReport, Saved, Start, StepReport, Stop};
use mbls_train::{Error, Observer, Result, RunDirectory, Trainer, TrainerConfig};
use std::cell::RefCell;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
enum Heard {
    Start(Start),
    Step(StepReport),
    Epoch(EpochReport),
    Checkpoint(Saved),
    End(End),
    Stop(Stop),
}

/// Records everything it receives, and fails at an epoch.
struct Listener<'a> {
    heard: &'a RefCell<Vec<Heard>>,
    fails_at: Option<usize>,
}

impl Listener<'_> {
    fn note(&self, heard: Heard) -> Result<()> {
        self.heard.borrow_mut().push(heard);
        Ok(())
    }
}

impl Observer for Listener<'_> {
    fn start(&mut self, start: &Start) -> Result<()> {
        self.note(Heard::Start(start.clone()))
    }

    fn step(&mut self, report: &StepReport) -> Result<()> {
        self.note(Heard::Step(*report))
    }

    fn epoch(&mut self, report: &EpochReport) -> Result<()> {
        self.note(Heard::Epoch(report.clone()))?;
        if self.fails_at == Some(report.epoch) {
            Err(Error::Observer { source: "the disk is full".into() })
        } else {
            Ok(())
        }
    }

    fn checkpoint(&mut self, saved: &Saved) -> Result<()> {
        self.note(Heard::Checkpoint(*saved))
    }

    fn end(&mut self, end: &End) -> Result<()> {
        self.note(Heard::End(end.clone()))
    }

    fn stop(&mut self, stop: &Stop) {
        self.heard.borrow_mut().push(Heard::Stop(stop.clone()));
    }
}

/// Returns the events of a training; the error of one that fails.
fn listen(config: TrainerConfig, fails_at: Option<usize>) -> (Vec<Heard>, Option<Error>) {
    let folder = tempfile::tempdir().unwrap();
    let heard = RefCell::default();
    let (store, mut task, optimizer) = parts(None).unwrap();
    let [training, validation] = data();
    let run = RunDirectory::create(folder.path()).unwrap();
    let trainer = Trainer::new(&store, optimizer, &Device::Cpu, config, run).unwrap();
    let result = trainer.with_observer(Listener { heard: &heard, fails_at }).fit(
        &mut task,
        &training,
        &validation,
    );
    (heard.into_inner(), result.err())
}

#[test]
fn events_arrive_in_order() {
    let (heard, error) = listen(config("heard"), None);
    assert!(error.is_none(), "{error:?}");
    let start = Start { identity: "heard".to_owned(), epoch: 0, step: 0, epochs: EPOCHS, steps: 8 };
    assert_eq!(heard[0], Heard::Start(start));
    for (epoch, heard) in heard[1..heard.len() - 1].chunks(10).enumerate() {
        let mut mean = None;
        for (number, step) in heard[..8].iter().enumerate() {
            let Heard::Step(StepReport { epoch: of, step, steps: 8, loss }) = step else {
                panic!("{step:?}")
            };
            assert_eq!((*of, *step), (epoch, number));
            // The losses of a short epoch are read together at its end.
            assert_eq!(loss.is_some(), number == 7);
            mean = *loss;
        }
        assert_eq!(heard[8], Heard::Checkpoint(Saved { epoch: epoch + 1, step: 0 }));
        let Heard::Epoch(report) = &heard[9] else { panic!("{:?}", heard[9]) };
        assert_eq!((report.epoch, report.train["loss"]), (epoch, mean));
        assert_eq!(report.validation["undefined"], None);
        assert!(
            !report.train.contains_key("accuracy"),
            "training samples were measured: {report:?}"
        );
    }
    assert!(matches!(heard.last(), Some(Heard::End(End { best_score: Some(_), .. }))));
}

#[test]
fn training_metrics_and_checkpoints_within_epochs_are_options() {
    let every = TrainerConfig {
        train_metrics: true,
        checkpoint_every: Some(Duration::ZERO),
        ..config("heard")
    };
    let (heard, _) = listen(every, None);
    let checkpoints = heard.iter().filter(|heard| matches!(heard, Heard::Checkpoint(_))).count();
    assert_eq!(checkpoints, 8 * EPOCHS);
    let reports: Vec<_> = heard
        .iter()
        .filter_map(|heard| if let Heard::Epoch(report) = heard { Some(report) } else { None })
        .collect();
    assert_eq!(reports.len(), EPOCHS);
    for report in reports {
        assert!(report.train["accuracy"].is_some_and(|accuracy| accuracy > 0.3), "{report:?}");
        assert_eq!(report.train["undefined"], None);
    }
}

#[test]
fn an_observer_that_fails_ends_the_training() {
    let (heard, error) = listen(config("heard"), Some(1));
    let error = error.unwrap();
    assert_eq!(error.to_string(), "an observer of the training failed");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is full");
    assert_eq!(heard.last(), Some(&Heard::Stop(Stop { reason: mbls_io::with_causes(&error) })));
    assert!(!heard.iter().any(|heard| matches!(heard, Heard::Epoch(report) if report.epoch > 1)));
}
