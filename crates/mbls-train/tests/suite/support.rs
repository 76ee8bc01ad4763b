//! A small task: two clouds of points and a linear classifier.

use candle_core::{DType, Device, Module, Tensor};
use mbls_core::loss::{CrossEntropy, LogitBatch, Loss, LossOutput};
use mbls_core::metric::{Accuracy, Metric, Predictions};
use mbls_data::{Collate, DataLoader, Dataset, LoaderConfig, Order, Seed};
use mbls_nn::{
    BatchNorm2d, Dropout, Linear, Optimizer, OptimizerConfig, ParamStore, Schedule, SgdConfig,
};
use mbls_train::{
    EventLog, Mode, Outcome, Output, Predicted, Result, RunDirectory, Task, TaskState, Trainer,
    TrainerConfig, evaluate,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub(crate) struct Points(pub(crate) usize);

impl Dataset for Points {
    type Item = (Vec<f32>, u32);

    fn len(&self) -> usize {
        self.0
    }

    fn get(&self, index: usize, _seed: Seed) -> mbls_data::Result<Self::Item> {
        let label = (index % 2) as u32;
        let centre = if label == 0 { -0.4 } else { 0.4 };
        let wobble = |k: usize| ((index * 37 + k * 11) % 17) as f32 / 17.0 - 0.5;
        Ok((vec![centre + wobble(0), wobble(1) - centre], label))
    }
}

pub(crate) struct Rows;

impl Collate<(Vec<f32>, u32)> for Rows {
    type Batch = (Vec<f32>, Vec<u32>);

    fn collate(&self, items: Vec<(Vec<f32>, u32)>) -> mbls_data::Result<Self::Batch> {
        let (points, labels): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        Ok((points.concat(), labels))
    }
}

/// Classifies points; its loss becomes NaN in the training epoch `poison`.
pub(crate) struct PointTask {
    pub(crate) norm: BatchNorm2d,
    pub(crate) linear: Linear,
    pub(crate) loss: Box<dyn Loss>,
    /// Whether points pass to the linear layer without normalisation.
    pub(crate) without_norm: bool,
    /// Dropout of the points, in training.
    pub(crate) dropout: Option<Dropout>,
    pub(crate) poison: Option<usize>,
    /// Labels of a training batch's first point for which the batch has no loss.
    pub(crate) without_loss: Option<&'static [u32]>,
    pub(crate) epoch: usize,
}

impl Task for PointTask {
    type Batch = (Vec<f32>, Vec<u32>);
    type Metrics = Accuracy;

    fn forward(&self, (points, labels): &Self::Batch, mode: Mode) -> Result<Output> {
        use candle_core::ModuleT;
        let points = Tensor::from_slice(points, (labels.len(), 2, 1, 1), &Device::Cpu)?;
        let labels = Tensor::from_slice(labels, labels.len(), &Device::Cpu)?;
        let points = if self.without_norm {
            points
        } else {
            self.norm.forward_t(&points, mode.is_train())?
        };
        let points = points.flatten_from(1)?;
        let points = match &self.dropout {
            Some(dropout) => dropout.forward_t(&points, mode.is_train())?,
            None => points,
        };
        let logits = self.linear.forward(&points)?;
        Ok(Output { logits, labels })
    }

    fn loss(&self, (_, labels): &Self::Batch, output: &Output) -> Result<Option<LossOutput>> {
        if self.without_loss.is_some_and(|without| without.contains(&labels[0])) {
            return Ok(None);
        }
        let mut loss =
            self.loss.forward(&LogitBatch::new(&output.logits, &output.labels, None)?)?;
        if self.poison == Some(self.epoch) {
            loss.total = (loss.total * f64::NAN)?;
        }
        Ok(Some(loss))
    }

    fn learn(&mut self, _batch: &Self::Batch, output: &Output) -> Result<()> {
        Ok(self.loss.observe(&LogitBatch::new(&output.logits, &output.labels, None)?)?)
    }

    fn metrics(&self) -> Accuracy {
        Accuracy::new()
    }

    fn observe(&self, predicted: &Predicted, metrics: &mut Accuracy) -> Result<()> {
        Ok(metrics.update(&Predictions::from_logits(&predicted.logits, 2, &predicted.labels)?)?)
    }

    fn score(&self, value: &f64) -> Option<f64> {
        Some(*value)
    }

    fn summary(&self, value: &f64) -> Vec<(&'static str, Option<f64>)> {
        vec![("accuracy", Some(*value)), ("constant", Some(0.5)), ("undefined", None)]
    }

    fn begin_epoch(&mut self, epoch: usize) {
        self.epoch = epoch;
        if let Some(dropout) = &self.dropout {
            dropout.set_position((epoch as u64) << 32);
        }
    }

    fn end_epoch(&mut self, epoch: usize) {
        self.loss.end_epoch(epoch);
    }

    fn state(&self) -> TaskState {
        TaskState {
            loss: self.loss.state(),
            dropout: self.dropout.as_ref().map_or(0, Dropout::position),
        }
    }

    fn restore(&mut self, state: &TaskState) -> Result<()> {
        if let Some(dropout) = &self.dropout {
            dropout.set_position(state.dropout);
        }
        Ok(self.loss.restore(&state.loss)?)
    }
}

pub(crate) fn loader(len: usize, order: Order) -> DataLoader<Points, Rows> {
    let config = LoaderConfig { batch_size: 8, order, seed: Seed(3), ..LoaderConfig::default() };
    DataLoader::new(Arc::new(Points(len)), Arc::new(Rows), config).unwrap()
}

pub(crate) const EPOCHS: usize = 5;

pub(crate) fn config(identity: &str) -> TrainerConfig {
    TrainerConfig {
        epochs: EPOCHS,
        schedule: Schedule::Cosine { epochs: EPOCHS, minimum: 0.0 },
        clip_norm: Some(1.0),
        identity: identity.to_owned(),
        ..TrainerConfig::default()
    }
}

/// Returns the task with its variables and its optimizer.
pub(crate) fn parts(poison: Option<usize>) -> Result<(ParamStore, PointTask, Box<dyn Optimizer>)> {
    let store = ParamStore::new(7, DType::F32, &Device::Cpu);
    let vb = store.var_builder();
    let (norm, linear) = (BatchNorm2d::new(2, vb.pp("bn"))?, Linear::new(2, 2, vb.pp("fc"))?);
    let config = OptimizerConfig::Sgd(SgdConfig { momentum: 0.9, ..Default::default() });
    let optimizer = config.build(store.parameters())?;
    let loss = Box::new(CrossEntropy);
    Ok((
        store,
        PointTask {
            norm,
            linear,
            loss,
            without_norm: false,
            dropout: None,
            poison,
            without_loss: None,
            epoch: 0,
        },
        optimizer,
    ))
}

/// Returns training and validation data.
pub(crate) fn data() -> [DataLoader<Points, Rows>; 2] {
    [loader(64, Order::Shuffled), loader(20, Order::Sequential)]
}

/// Trains in `folder` and returns the accuracy of the final model.
pub(crate) fn train(
    folder: &Path,
    config: TrainerConfig,
    poison: Option<usize>,
) -> Result<(Outcome, f64)> {
    train_with(folder, config, poison, Box::new(CrossEntropy))
}

/// Same as [`train`], with another loss.
pub(crate) fn train_with(
    folder: &Path,
    config: TrainerConfig,
    poison: Option<usize>,
    loss: Box<dyn Loss>,
) -> Result<(Outcome, f64)> {
    let (store, mut task, optimizer) = parts(poison)?;
    task.loss = loss;
    let run = RunDirectory::create(folder)?;
    let [training, validation] = data();
    let log = EventLog::new(run.events());
    let mut trainer =
        Trainer::new(&store, optimizer, &Device::Cpu, config, run)?.with_observer(log);
    let outcome = trainer.fit(&mut task, &training, &validation)?;
    let accuracy = evaluate(&task, &validation)?.value().unwrap();
    Ok((outcome, accuracy))
}

pub(crate) fn bytes(folder: &Path) -> [Vec<u8>; 2] {
    ["last.safetensors", "best.safetensors"].map(|name| std::fs::read(folder.join(name)).unwrap())
}

/// Returns the tensors of a checkpoint as numbers.
pub(crate) fn tensors(path: &Path) -> BTreeMap<String, Vec<f64>> {
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    tensors.into_iter().map(|(name, tensor)| (name, numbers(&tensor))).collect()
}

pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).and_then(|t| t.flatten_all()).and_then(|t| t.to_vec1()).unwrap()
}
