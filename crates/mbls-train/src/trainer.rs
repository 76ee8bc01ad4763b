//! The training loop.

use crate::checkpoint::{Best, Checkpoint, Progress, SCHEMA};
use crate::event::{Event, EventLog};
use crate::predict::walk;
use crate::{Error, Mode, Predicted, Result, RunDirectory, Task, TaskState, progress};
use candle_core::{Device, Tensor};
use indicatif::ProgressBar;
use mbls_core::metric::Metric;
use mbls_data::Batches;
use mbls_nn::{Ema, EmaConfig, Optimizer, ParamStore, PlateauMode, Schedule, SwappedIn, backward, clip_grad_norm};
use std::collections::BTreeMap;
use std::time::Instant;

/// The settings of a training; by default 100 epochs at a constant learning rate of 0.1, without clipping and without an average
/// of the weights.
#[derive(Clone, Debug)]
pub struct TrainerConfig {
    /// Number of epochs.
    pub epochs: usize,
    /// The learning rate before the schedule.
    pub learning_rate: f64,
    /// How the learning rate changes from epoch to epoch.
    pub schedule: Schedule,
    /// The number of [`Task::summary`] on the validation data that a schedule like [`Schedule::ReduceOnPlateau`] follows;
    /// `None` is the [`Task::score`], of which more is better.
    pub schedule_metric: Option<String>,
    /// The gradient's norm over all parameters is scaled down to this where it is larger.
    pub clip_norm: Option<f64>,
    /// An average of the weights, moved after every step of the optimizer, that takes their place in all that training is for:
    /// validation, the choice of the best epoch, `best.safetensors` and the model at the end. `None` keeps none.
    ///
    /// The weights that are trained know nothing of it, and the training metrics are theirs. Where a network has running
    /// statistics, [`EmaConfig::average_buffers`] makes them as old as the averaged weights they are used with, as in timm and
    /// torchvision's training scripts; without it they are the trained weights' own, as `torch.optim.swa_utils` has it.
    pub ema: Option<EmaConfig>,
    /// What is trained; a run only resumes from a checkpoint with the same words.
    pub identity: String,
    /// The progress bar's label; `None` shows no bar.
    pub progress: Option<String>,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            learning_rate: 0.1,
            schedule: Schedule::Constant,
            schedule_metric: None,
            clip_norm: None,
            ema: None,
            identity: String::new(),
            progress: None,
        }
    }
}

impl TrainerConfig {
    /// What the schedule is told of an epoch.
    fn schedule_metric(&self, score: Option<f64>, summary: &BTreeMap<String, Option<f64>>) -> Result<Option<f64>> {
        let Some(name) = &self.schedule_metric else { return Ok(score) };
        summary.get(name).copied().ok_or_else(|| Error::Metric {
            name: name.clone(),
            known: summary.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// The learning rate of an epoch, after epochs with these metrics.
    fn learning_rate_of(&self, epoch: usize, metrics: &[Option<f64>]) -> f64 {
        // An undefined metric is no better than any other.
        let worst = match plateau_mode(&self.schedule) {
            PlateauMode::Min => f64::INFINITY,
            PlateauMode::Max => f64::NEG_INFINITY,
        };
        let metrics: Vec<f64> = metrics.iter().map(|metric| metric.unwrap_or(worst)).collect();
        self.schedule.learning_rate(self.learning_rate, epoch, &metrics)
    }
}

/// What is better for a schedule that follows a metric; any answer for another.
fn plateau_mode(schedule: &Schedule) -> PlateauMode {
    match schedule {
        Schedule::ReduceOnPlateau(plateau) => plateau.mode,
        Schedule::Warmup { then, .. } => plateau_mode(then),
        _ => PlateauMode::default(),
    }
}

/// What a training came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The epoch whose weights are in `best.safetensors`, and which the model now carries.
    pub best: Best,
    /// Number of epochs that had been done by an earlier, interrupted process.
    pub resumed_after: usize,
}

/// One pass over the training data.
struct TrainedEpoch {
    /// The means for the log.
    values: BTreeMap<String, Option<f64>>,
    /// The largest.
    gradient_norm: f64,
    steps_without_loss: usize,
}

/// Trains a model: owns the loop, knows no task.
pub struct Trainer<'a> {
    store: &'a ParamStore,
    optimizer: Box<dyn Optimizer>,
    ema: Option<Ema>,
    device: Device,
    config: TrainerConfig,
    run: RunDirectory,
}

impl<'a> Trainer<'a> {
    /// A trainer of the parameters in `store`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for settings that cannot train.
    pub fn new(
        store: &'a ParamStore,
        optimizer: Box<dyn Optimizer>,
        device: &Device,
        config: TrainerConfig,
        run: RunDirectory,
    ) -> Result<Self> {
        let wrong = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if config.epochs == 0 {
            return wrong("epochs", "0".to_owned(), "at least 1");
        }
        if !(config.learning_rate.is_finite() && config.learning_rate > 0.0) {
            return wrong("learning_rate", config.learning_rate.to_string(), "a positive number");
        }
        if let Some(norm) = config.clip_norm.filter(|norm| !(norm.is_finite() && *norm > 0.0)) {
            return wrong("clip_norm", norm.to_string(), "a positive number");
        }
        config.schedule.validate()?;
        if let Some(name) = config.schedule_metric.as_ref().filter(|_| !config.schedule.follows_metric()) {
            return wrong("schedule_metric", name.clone(), "none, because the schedule follows no metric");
        }
        let ema = config.ema.map(|ema| Ema::new(store, ema)).transpose()?;
        Ok(Self { store, optimizer, ema, device: device.clone(), config, run })
    }

    /// Trains to the last epoch, from the last checkpoint where the run directory has one, and leaves the best epoch's weights
    /// in the model.
    ///
    /// The best epoch is the one with the highest [`Task::score`] on `validation`, the last of equals: a small validation set is
    /// soon classified without a mistake, long before the training is finished.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] where the loss or the gradient is; [`Error::Checkpoint`] and [`Error::Misfit`] where the directory
    /// holds a checkpoint of another training; what data, model and disk report. The last checkpoint is intact in every case.
    pub fn fit<T: Task>(
        &mut self,
        task: &mut T,
        train: &dyn Batches<T::Batch>,
        validation: &dyn Batches<T::Batch>,
    ) -> Result<Outcome> {
        let mut progress = self.resume(task)?;
        let mut log = EventLog::open(&self.run.events(), progress.epochs)?;
        let result = self.run_epochs(task, train, validation, &mut progress, &mut log);
        if let Err(error) = &result {
            // The error itself matters more than a log that cannot take it.
            let _ = log.write(&Event::Stop { reason: error.to_string() });
        }
        result
    }

    fn run_epochs<T: Task>(
        &mut self,
        task: &mut T,
        train: &dyn Batches<T::Batch>,
        validation: &dyn Batches<T::Batch>,
        progress: &mut Progress,
        log: &mut EventLog,
    ) -> Result<Outcome> {
        let resumed_after = progress.epochs;
        let epochs = self.config.epochs;
        if resumed_after < epochs {
            log.write(&Event::Start { identity: progress.identity.clone(), epoch: resumed_after, epochs })?;
        }
        let steps = train.len();
        let bar = progress::bar(self.config.progress.as_deref(), epochs * steps, resumed_after * steps);
        for epoch in resumed_after..epochs {
            let started = Instant::now();
            let learning_rate = self.config.learning_rate_of(epoch, &progress.metrics);
            task.begin_epoch(epoch);
            let TrainedEpoch { values, gradient_norm, steps_without_loss } =
                self.train_epoch(task, train, epoch, learning_rate, &bar)?;
            let train_seconds = started.elapsed().as_secs_f64();
            let averaged = self.ema.as_mut().map(Ema::swap_in).transpose()?;
            let metrics = validate(task, validation)?;
            let value = metrics.value().ok_or(Error::Empty { part: "validation" })?;
            let score = task.score(&value);
            let summary = named(task.summary(&value));
            if self.config.schedule.follows_metric() {
                progress.metrics.push(self.config.schedule_metric(score, &summary)?);
            }
            let best = progress.best.is_none_or(|best| best.yields_to(score));
            if best {
                progress.best = Some(Best { epoch, score });
            }
            progress.epochs = epoch + 1;
            // The best model first: a process killed between the two files does this epoch again and writes the same bytes.
            if best {
                Checkpoint::of_model(progress.clone(), self.store.state()).save(&self.run.best())?;
            }
            averaged.map_or(Ok(()), SwappedIn::swap_out)?;
            task.end_epoch(epoch);
            self.checkpoint(progress.clone(), task.state()).save(&self.run.last())?;
            let seconds = started.elapsed().as_secs_f64();
            log.write(&Event::Epoch {
                epoch,
                learning_rate,
                train: values,
                gradient_norm,
                steps_without_loss,
                validation: summary,
                best,
                seconds,
                train_seconds,
            })?;
        }
        bar.finish_and_clear();
        let best = progress.best.ok_or(Error::Empty { part: "validation" })?;
        self.load_model(&self.run.best())?;
        log.write(&Event::End { best_epoch: best.epoch, best_score: best.score })?;
        Ok(Outcome { best, resumed_after })
    }

    /// One pass over the training data.
    fn train_epoch<T: Task>(
        &mut self,
        task: &T,
        train: &dyn Batches<T::Batch>,
        epoch: usize,
        learning_rate: f64,
        bar: &ProgressBar,
    ) -> Result<TrainedEpoch> {
        let parameters = self.store.parameters();
        let mut metrics = task.metrics();
        let mut sums = BTreeMap::<String, f64>::new();
        let (mut steps, mut steps_without_loss, mut gradient_norm) = (0usize, 0usize, 0f64);
        let mut samples = 0;
        for batch in train.epoch(epoch) {
            let step = steps + steps_without_loss;
            let non_finite = |what, value| Error::NonFinite { what, value, epoch, step, learning_rate };
            let batch = batch?;
            let output = task.forward(&batch, Mode::Train)?;
            let output_loss = task.loss(&batch, &output)?;
            bar.inc(1);
            let predicted = Predicted::of(&output, samples)?;
            samples += predicted.samples();
            let Some(output_loss) = output_loss else {
                task.observe(&predicted, &mut metrics)?;
                steps_without_loss += 1;
                continue;
            };
            let loss = scalar(&output_loss.total)?;
            if !loss.is_finite() {
                return Err(non_finite("loss", loss));
            }
            let mut grads = backward(&output_loss.total)?;
            let norm = clip_grad_norm(&parameters, &mut grads, self.config.clip_norm.unwrap_or(f64::INFINITY))?;
            if !norm.is_finite() {
                return Err(non_finite("gradient norm", norm));
            }
            self.optimizer.step(&grads, learning_rate)?;
            self.ema.as_mut().map_or(Ok(()), Ema::update)?;
            task.observe(&predicted, &mut metrics)?;
            *sums.entry("loss".to_owned()).or_default() += loss;
            for term in &output_loss.terms {
                *sums.entry(format!("loss_{}", term.name)).or_default() += scalar(&term.value)?;
            }
            gradient_norm = gradient_norm.max(norm);
            steps += 1;
        }
        let value = metrics.value().filter(|_| steps > 0).ok_or(Error::Empty { part: "training" })?;
        let mut values = named(task.summary(&value));
        values.extend(sums.into_iter().map(|(name, sum)| (name, Some(sum / steps as f64))));
        Ok(TrainedEpoch { values, gradient_norm, steps_without_loss })
    }

    /// Takes model, optimizer, average and task from the last checkpoint, or starts at the beginning where there is none.
    fn resume<T: Task>(&mut self, task: &mut T) -> Result<Progress> {
        let path = self.run.last();
        let identity = &self.config.identity;
        if !path.try_exists().map_err(Error::io("look for", &path))? {
            let (identity, metrics) = (identity.clone(), Vec::new());
            return Ok(Progress { schema: SCHEMA, identity, epochs: 0, best: None, metrics });
        }
        let checkpoint = Checkpoint::load(&path, identity, &self.device)?;
        let Progress { epochs, ref metrics, .. } = checkpoint.progress;
        let expected = if self.config.schedule.follows_metric() { epochs } else { 0 };
        if metrics.len() != expected {
            let expected = format!("{expected} of the schedule's metric after {epochs} epochs");
            return Err(Error::Checkpoint { path, field: "metrics", expected, found: metrics.len().to_string() });
        }
        if checkpoint.ema.is_empty() != self.ema.is_none() {
            let text = |there: bool| if there { "an average of the weights" } else { "none" }.to_owned();
            let (expected, found) = (text(self.ema.is_some()), text(!checkpoint.ema.is_empty()));
            return Err(Error::Checkpoint { path, field: "ema", expected, found });
        }
        self.store.load_state(&checkpoint.model).map_err(Error::misfit("model", &path))?;
        self.optimizer.load_state(&checkpoint.optimizer).map_err(Error::misfit("optimizer", &path))?;
        if let Some(ema) = &mut self.ema {
            ema.load_state(&checkpoint.ema).map_err(Error::misfit("average of the weights", &path))?;
        }
        let state = TaskState { loss: checkpoint.loss, ..TaskState::default() };
        task.restore(&state).map_err(Error::misfit("loss", &path))?;
        Ok(checkpoint.progress)
    }

    fn load_model(&self, path: &std::path::Path) -> Result<()> {
        let checkpoint = Checkpoint::load(path, &self.config.identity, &self.device)?;
        self.store.load_state(&checkpoint.model).map(drop).map_err(Error::misfit("model", path))
    }

    fn checkpoint(&self, progress: Progress, task: TaskState) -> Checkpoint {
        let ema = self.ema.as_ref().map(Ema::state).unwrap_or_default();
        let (model, optimizer) = (self.store.state(), self.optimizer.state());
        Checkpoint { progress, model, optimizer, ema, loss: task.loss }
    }
}

/// Measures a task's model on the validation data, and hands the same logits to what the loss learns.
fn validate<T: Task>(task: &mut T, data: &dyn Batches<T::Batch>) -> Result<T::Metrics> {
    let mut metrics = task.metrics();
    walk(task, data, |task, batch, output, predicted| {
        task.observe(predicted, &mut metrics)?;
        task.learn(batch, output)
    })?;
    Ok(metrics)
}

fn scalar(tensor: &Tensor) -> Result<f64> {
    Ok(tensor.to_dtype(candle_core::DType::F64)?.to_scalar::<f64>()?)
}

fn named(values: Vec<(&'static str, Option<f64>)>) -> BTreeMap<String, Option<f64>> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
