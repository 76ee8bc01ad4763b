//! CALS-ALM on the digits over 12 epochs, compared with PyTorch and the authors' formulas
//! (`fixtures/losses/training.py`).

use candle_core::{DType, Device, Module, Tensor};
use mbls_core::loss::{AugmentedPenalty, ClassAdaptive, LogitBatch, Loss, LossOutput};
use mbls_core::metric::{ClassificationMetrics, ClassificationReport, Metric, Predictions};
use mbls_data::{Collate, DataLoader, Dataset, LoaderConfig, Seed, Subset};
use mbls_io::gzip;
use mbls_nn::{Linear, OptimizerConfig, ParamStore, Relu, SgdConfig};
use mbls_train::event::{self, EpochReport, Event};
use mbls_train::{
    EventLog, Mode, Output, Predicted, Result, RunDirectory, Task, TaskState, Trainer,
    TrainerConfig,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

const HIDDEN: usize = 32;
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");

#[derive(Deserialize)]
struct Fixture {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    penalty: AugmentedPenalty,
    margin: f64,
    epochs: Vec<Epoch>,
    parameters: BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
struct Epoch {
    loss: f64,
    validation_nll: f64,
    validation_correct: u32,
    multipliers: Vec<f64>,
    rho: Vec<f64>,
    constraint: Vec<f64>,
}

/// Grey values from 0 to 1, and the class.
struct Digits(Vec<(Vec<f64>, u32)>);

impl Digits {
    fn read() -> Self {
        let bytes = gzip::read_strict(format!("{FIXTURES}/digits/digits.csv.gz"), 1 << 20).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let row = |line: &str| {
            let values: Vec<f64> = line.split(',').map(|value| value.parse().unwrap()).collect();
            (values[..64].iter().map(|grey| grey / 16.0).collect(), values[64] as u32)
        };
        Self(text.lines().map(row).collect())
    }
}

impl Dataset for Digits {
    type Item = (Vec<f64>, u32);

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, index: usize, _seed: Seed) -> mbls_data::Result<Self::Item> {
        Ok(self.0[index].clone())
    }
}

struct Rows;

impl Collate<(Vec<f64>, u32)> for Rows {
    type Batch = (Vec<f64>, Vec<u32>);

    fn collate(&self, items: Vec<(Vec<f64>, u32)>) -> mbls_data::Result<Self::Batch> {
        let (pixels, labels): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        Ok((pixels.concat(), labels))
    }
}

struct DigitTask {
    layers: [Linear; 2],
    loss: ClassAdaptive,
    /// The state of the loss after each epoch.
    states: Vec<Vec<f64>>,
}

impl Task for DigitTask {
    type Batch = (Vec<f64>, Vec<u32>);
    type Metrics = ClassificationMetrics;

    fn forward(&self, (pixels, labels): &Self::Batch, _mode: Mode) -> Result<Output> {
        let pixels = Tensor::from_slice(pixels, (labels.len(), 64), &Device::Cpu)?;
        let hidden = Relu.forward(&self.layers[0].forward(&pixels)?)?;
        let labels = Tensor::from_slice(labels, labels.len(), &Device::Cpu)?;
        Ok(Output { logits: self.layers[1].forward(&hidden)?, labels })
    }

    fn loss(&self, _batch: &Self::Batch, output: &Output) -> Result<Option<LossOutput>> {
        Ok(Some(self.loss.forward(&LogitBatch::new(&output.logits, &output.labels, None)?)?))
    }

    fn learn(&mut self, _batch: &Self::Batch, output: &Output) -> Result<()> {
        Ok(self.loss.observe(&LogitBatch::new(&output.logits, &output.labels, None)?)?)
    }

    fn metrics(&self) -> ClassificationMetrics {
        ClassificationMetrics::new(15).unwrap()
    }

    fn observe(&self, predicted: &Predicted, metrics: &mut ClassificationMetrics) -> Result<()> {
        Ok(metrics.update(&Predictions::from_logits(&predicted.logits, 10, &predicted.labels)?)?)
    }

    fn score(&self, value: &ClassificationReport) -> Option<f64> {
        Some(value.accuracy)
    }

    fn summary(&self, value: &ClassificationReport) -> Vec<(&'static str, Option<f64>)> {
        vec![("accuracy", Some(value.accuracy)), ("nll", Some(value.nll))]
    }

    fn end_epoch(&mut self, epoch: usize) {
        self.loss.end_epoch(epoch);
        self.states.push(self.loss.state());
    }

    fn state(&self) -> TaskState {
        TaskState { loss: self.loss.state(), ..TaskState::default() }
    }

    fn restore(&mut self, state: &TaskState) -> Result<()> {
        Ok(self.loss.restore(&state.loss)?)
    }
}

/// Sets the initial weights that the fixture generator documents.
fn initialise(store: &ParamStore) {
    let weights = |outputs: usize, inputs: usize| {
        let weight =
            |k: usize| (1.0 + 0.37 * (k / inputs) as f64 + 1.61 * (k % inputs) as f64).sin();
        let all = (0..outputs * inputs).map(|k| weight(k) / (inputs as f64).sqrt()).collect();
        Tensor::from_vec(all, (outputs, inputs), &Device::Cpu).unwrap()
    };
    let zeros = |n: usize| Tensor::zeros(n, DType::F64, &Device::Cpu).unwrap();
    let state = [
        ("fc1.weight", weights(HIDDEN, 64)),
        ("fc1.bias", zeros(HIDDEN)),
        ("fc2.weight", weights(10, HIDDEN)),
        ("fc2.bias", zeros(10)),
    ];
    store.load_state(&state.map(|(name, tensor)| (name.to_owned(), tensor)).into()).unwrap();
}

/// Compares relative to the largest value.
fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0f64, |a, x| a.max(x.abs()));
    for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= tolerance * scale,
            "{what}[{k}]: {found}, expected {expected}"
        );
    }
}

#[test]
fn a_training_of_12_epochs_agrees_with_the_published_formulas() {
    let text = std::fs::read_to_string(format!("{FIXTURES}/losses/training.json")).unwrap();
    let fixture: Fixture = serde_json::from_str(&text).unwrap();
    let digits = Arc::new(Digits::read());
    let loader = |rows: std::ops::Range<usize>| {
        let rows = Arc::new(Subset::new(digits.clone(), rows.collect()).unwrap());
        DataLoader::new(
            rows,
            Arc::new(Rows),
            LoaderConfig { batch_size: 50, ..LoaderConfig::default() },
        )
        .unwrap()
    };
    for run in fixture.runs {
        let what = format!("{:?}, margin {}", run.penalty, run.margin);
        let folder = tempfile::tempdir().unwrap();
        let store = ParamStore::new(1, DType::F64, &Device::Cpu);
        let vb = store.var_builder();
        let layers = [
            Linear::new(64, HIDDEN, vb.pp("fc1")).unwrap(),
            Linear::new(HIDDEN, 10, vb.pp("fc2")).unwrap(),
        ];
        initialise(&store);
        let sgd = SgdConfig { momentum: 0.9, weight_decay: 5e-4, ..Default::default() };
        let optimizer = OptimizerConfig::Sgd(sgd).build(store.parameters()).unwrap();
        let loss = ClassAdaptive::new(run.margin, run.penalty).unwrap();
        let mut task = DigitTask { layers, loss, states: Vec::new() };
        let config = TrainerConfig { epochs: run.epochs.len(), ..TrainerConfig::default() };
        let directory = RunDirectory::create(folder.path()).unwrap();
        let log = EventLog::new(directory.events());
        let trainer = Trainer::new(&store, optimizer, &Device::Cpu, config, directory).unwrap();
        trainer.with_observer(log).fit(&mut task, &loader(0..1000), &loader(1000..1150)).unwrap();

        let events = event::read(&folder.path().join("events.jsonl")).unwrap();
        let mut epochs = events.iter().filter_map(|event| match event {
            Event::Epoch(EpochReport { train, validation, .. }) => {
                Some((train["loss"], validation["accuracy"], validation["nll"]))
            }
            _ => None,
        });
        assert_eq!((task.states.len(), run.epochs.len()), (12, 12));
        for (epoch, (expected, state)) in run.epochs.iter().zip(&task.states).enumerate() {
            let what = format!("{what}, epoch {epoch}");
            close(&format!("{what}: multipliers"), &state[..10], &expected.multipliers, 1e-9);
            close(&format!("{what}: rho"), &state[10..20], &expected.rho, 1e-15);
            close(&format!("{what}: constraints"), &state[20..], &expected.constraint, 1e-9);
            let (loss, accuracy, nll) = epochs.next().unwrap();
            close(&format!("{what}: loss"), &[loss.unwrap()], &[expected.loss], 1e-9);
            // Measured on logits in f32.
            close(&format!("{what}: NLL"), &[nll.unwrap()], &[expected.validation_nll], 1e-6);
            assert_eq!(
                (accuracy.unwrap() * 150.0).round(),
                f64::from(expected.validation_correct),
                "{what}"
            );
        }
        let last = crate::support::tensors(&folder.path().join("last.safetensors"));
        for (name, expected) in &run.parameters {
            close(&format!("{what}: {name}"), &last[&format!("model.{name}")], expected, 1e-9);
        }
    }
}
