//! Trains on a table of numbers, neither images nor texts, with the trainer: it saves checkpoints,
//! resumes after an interruption and keeps the best epoch.
//!
//! Run it with `cargo run -p mbls --example custom_task --features train`. It prints:
//!
//! ```text
//! 20 epochs, best accuracy 1.00
//! ```

use mbls::candle::{DType, Device, Module, Tensor};
use mbls::data::{Collate, DataLoader, Dataset, LoaderConfig, Order, Seed};
use mbls::loss::LossOutput;
use mbls::metric::Accuracy;
use mbls::nn::{Linear, ParamStore, Sgd, SgdConfig};
use mbls::prelude::*;
use mbls::train::{Mode, Output, Predicted, RunDirectory, Task, Trainer, TrainerConfig};
use std::sync::Arc;

/// Rows of two measurements; the class says whether their sum is above 1.
struct Table(std::ops::Range<usize>);

impl Dataset for Table {
    type Item = (Vec<f32>, u32);

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, index: usize, _seed: Seed) -> mbls::data::Result<Self::Item> {
        let row = [37, 53].map(|step| ((self.0.start + index) * step % 101) as f32 / 101.0);
        Ok((row.to_vec(), u32::from(row[0] + row[1] > 1.0)))
    }
}

struct Rows;

impl Collate<(Vec<f32>, u32)> for Rows {
    type Batch = Vec<(Vec<f32>, u32)>;

    fn collate(&self, items: Vec<(Vec<f32>, u32)>) -> mbls::data::Result<Self::Batch> {
        Ok(items)
    }
}

struct TableTask(Linear, MarginLoss);

impl Task for TableTask {
    type Batch = Vec<(Vec<f32>, u32)>;
    type Metrics = Accuracy;

    fn forward(&self, batch: &Self::Batch, _mode: Mode) -> mbls::train::Result<Output> {
        let (rows, labels): (Vec<Vec<f32>>, Vec<u32>) = batch.iter().cloned().unzip();
        let logits = self.0.forward(&Tensor::new(rows, &Device::Cpu)?)?;
        Ok(Output { logits, labels: Tensor::new(labels, &Device::Cpu)? })
    }

    fn loss(&self, _: &Self::Batch, output: &Output) -> mbls::train::Result<Option<LossOutput>> {
        Ok(Some(self.1.forward(&LogitBatch::new(&output.logits, &output.labels, None)?)?))
    }

    fn metrics(&self) -> Accuracy {
        Accuracy::new()
    }

    fn observe(&self, rows: &Predicted, metrics: &mut Accuracy) -> mbls::train::Result<()> {
        Ok(metrics.update(&Predictions::from_logits(&rows.logits, 2, &rows.labels)?)?)
    }

    fn score(&self, accuracy: &f64) -> Option<f64> {
        Some(*accuracy)
    }

    fn summary(&self, accuracy: &f64) -> Vec<(&'static str, Option<f64>)> {
        vec![("accuracy", Some(*accuracy))]
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let order = |order| LoaderConfig { order, ..LoaderConfig::default() };
    let train = DataLoader::new(Arc::new(Table(0..800)), Arc::new(Rows), order(Order::Shuffled))?;
    let test =
        DataLoader::new(Arc::new(Table(800..1000)), Arc::new(Rows), order(Order::Sequential))?;

    let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    let mut task = TableTask(Linear::new(2, 2, store.var_builder())?, MarginLoss::new(10.0, 0.1)?);
    let config = TrainerConfig { epochs: 20, learning_rate: 0.5, ..TrainerConfig::default() };

    let folder = tempfile::tempdir()?;
    let run = RunDirectory::create(folder.path())?;
    let optimizer = Box::new(Sgd::new(store.parameters(), SgdConfig::default())?);
    let mut trainer = Trainer::new(&store, optimizer, &Device::Cpu, config, run)?;
    let outcome = trainer.fit(&mut task, &train, &test)?;
    println!("{} epochs, best accuracy {:.2}", outcome.epochs, outcome.best.score.ok_or("none")?);
    Ok(())
}
