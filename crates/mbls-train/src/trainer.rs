//! The training loop.

use crate::accumulation::Accumulation;
use crate::checkpoint::{Best, Checkpoint, Progress, SCHEMA, Within};
use crate::config::{TrainerConfig, metric};
use crate::event::{EarlyStop, End, EpochReport, Saved, Start, StepReport, Stop};
use crate::loss_sums::{LossSums, NonFiniteLoss};
use crate::predict::walk;
use crate::{Error, Mode, Observer, Patience, Predicted, Result, RunDirectory, Task, TaskState};
use candle_core::Device;
use mbls_core::metric::Metric;
use mbls_data::Batches;
use mbls_nn::{Ema, Optimizer, ParamStore, SwappedIn, clip_grad_norm};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

/// Number of steps whose losses are read together, which is also how often a progress line is
/// updated.
const READ_EVERY: usize = 50;

/// The result of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The epoch whose weights are in `best.safetensors` and in the model.
    pub best: Best,
    /// Number of epochs already done by an earlier, interrupted process.
    pub resumed_after: usize,
    /// Number of trained epochs, by all processes together.
    pub epochs: usize,
    /// The reason for early stopping; `None` if all epochs were trained.
    pub early: Option<EarlyStop>,
}

/// The result of one pass over the training data.
struct TrainedEpoch {
    /// The means for the log.
    values: BTreeMap<String, Option<f64>>,
    gradient_norm: f64,
    steps_without_loss: usize,
}

/// An epoch in progress.
struct RunningEpoch<'p> {
    progress: &'p Progress,
    /// When this process started the epoch.
    started: Instant,
    /// Seconds that earlier processes spent on the epoch.
    before: f64,
    learning_rate: f64,
}

/// Trains a model. Owns the training loop and is independent of the task.
///
/// An epoch is a pass over the training data, a pass over the validation data, and a checkpoint.
/// The trainer reports events to the [observers](Self::with_observer). A step copies nothing to the
/// host but the norm of the gradient: losses stay on their device until several dozen are read
/// together.
pub struct Trainer<'a> {
    store: &'a ParamStore,
    optimizer: Box<dyn Optimizer>,
    ema: Option<Ema>,
    device: Device,
    config: TrainerConfig,
    run: RunDirectory,
    observers: Vec<Box<dyn Observer + 'a>>,
    /// When the last checkpoint was written.
    saved: Instant,
}

/// Shows the settings only: parameters and the optimizer's state are too long to read.
impl fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, run, device, .. } = self;
        f.debug_struct("Trainer")
            .field("config", config)
            .field("run", run)
            .field("device", device)
            .finish_non_exhaustive()
    }
}

impl<'a> Trainer<'a> {
    /// Creates a trainer of the parameters in `store`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if the settings are invalid.
    pub fn new(
        store: &'a ParamStore,
        optimizer: Box<dyn Optimizer>,
        device: &Device,
        config: TrainerConfig,
        run: RunDirectory,
    ) -> Result<Self> {
        config.validate()?;
        let ema = config.ema.map(|ema| Ema::new(store, ema)).transpose()?;
        let (device, observers, saved) = (device.clone(), Vec::new(), Instant::now());
        Ok(Self { store, optimizer, ema, device, config, run, observers, saved })
    }

    /// Adds an observer, such as a log or a progress bar.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer + 'a) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Trains to the last epoch, starting from the last checkpoint if the run directory has one,
    /// and leaves the best epoch's weights in the model.
    ///
    /// The best epoch is the one with the highest [`Task::score`] on `validation`; of ties, the
    /// last. A small validation set is soon classified without a mistake, long before the training
    /// is finished.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] if the loss or the gradient is not finite; [`Error::Checkpoint`] and
    /// [`Error::Misfit`] if the directory holds a checkpoint of another training; errors of data,
    /// model, disk and observers. The last checkpoint is intact in every case.
    pub fn fit<T: Task>(
        &mut self,
        task: &mut T,
        train: &dyn Batches<T::Batch>,
        validation: &dyn Batches<T::Batch>,
    ) -> Result<Outcome> {
        let result = self.run_epochs(task, train, validation);
        if let Err(error) = &result {
            let stop = Stop { reason: mbls_io::with_causes(error) };
            self.observers.iter_mut().for_each(|observer| observer.stop(&stop));
        }
        result
    }

    fn run_epochs<T: Task>(
        &mut self,
        task: &mut T,
        train: &dyn Batches<T::Batch>,
        validation: &dyn Batches<T::Batch>,
    ) -> Result<Outcome> {
        let mut progress = self.resume(task, train.len())?;
        let (resumed_after, steps) = (progress.epochs, train.len());
        // A run that stopped early is finished, even though some epochs were not trained.
        let epochs =
            if self.early_stop(&progress).is_some() { resumed_after } else { self.config.epochs };
        let step = progress.within.as_ref().map_or(0, |within| within.step);
        let start = Start {
            identity: progress.identity.clone(),
            epoch: resumed_after,
            step,
            epochs,
            steps,
        };
        self.tell(|observer| observer.start(&start))?;
        self.saved = Instant::now();
        for epoch in resumed_after..epochs {
            if self.early_stop(&progress).is_some() {
                break;
            }
            let started = Instant::now();
            let before = progress.within.as_ref().map_or(0.0, |within| within.seconds);
            let learning_rate = self.config.learning_rate_of(epoch, &progress.metrics);
            task.begin_epoch(epoch);
            let running = RunningEpoch { progress: &progress, started, before, learning_rate };
            let TrainedEpoch { values, gradient_norm, steps_without_loss } =
                self.train_epoch(task, train, &running)?;
            progress.within = None;
            let train_seconds = before + started.elapsed().as_secs_f64();
            let averaged = self.ema.as_mut().map(Ema::swap_in).transpose()?;
            let metrics = validate(task, validation)?;
            let value = metrics.value().ok_or(Error::Empty { part: "validation" })?;
            let score = task.score(&value);
            let summary = named(task.summary(&value));
            if self.config.schedule.follows_metric() {
                progress.metrics.push(self.config.schedule_metric(score, &summary)?);
            }
            if let (Some(settings), Some(patience)) =
                (&self.config.early_stopping, &mut progress.patience)
            {
                let value =
                    metric("early_stopping.metric", settings.metric.as_ref(), score, &summary)?;
                *patience = settings.after(*patience, value);
            }
            let best = progress.best.is_none_or(|best| best.yields_to(score));
            if best {
                progress.best = Some(Best { epoch, score });
            }
            progress.epochs = epoch + 1;
            // The best model first: a process killed between the two files repeats this epoch and
            // writes the same bytes.
            if best {
                Checkpoint::of_model(progress.clone(), self.store.state())
                    .save(&self.run.best())?;
            }
            averaged.map_or(Ok(()), SwappedIn::swap_out)?;
            task.end_epoch(epoch);
            self.save(progress.clone(), task.state())?;
            let report = EpochReport {
                epoch,
                learning_rate,
                train: values,
                gradient_norm,
                steps_without_loss,
                validation: summary,
                score,
                best,
                seconds: before + started.elapsed().as_secs_f64(),
                train_seconds,
            };
            self.tell(|observer| observer.epoch(&report))?;
        }
        let best = progress.best.ok_or(Error::Empty { part: "validation" })?;
        self.load_model(&self.run.best())?;
        let (epochs, early) = (progress.epochs, self.early_stop(&progress));
        let end = End { best_epoch: best.epoch, best_score: best.score, epochs, early };
        self.tell(|observer| observer.end(&end))?;
        Ok(Outcome { best, resumed_after, epochs, early: end.early })
    }

    /// Returns why a run ends after the epochs it has trained; `None` if it continues.
    fn early_stop(&self, progress: &Progress) -> Option<EarlyStop> {
        self.config.early_stopping.as_ref()?.stop(progress.patience?)
    }

    /// Runs one pass over the training data, starting from the last checkpoint within it.
    fn train_epoch<T: Task>(
        &mut self,
        task: &mut T,
        train: &dyn Batches<T::Batch>,
        running: &RunningEpoch,
    ) -> Result<TrainedEpoch> {
        let (epoch, learning_rate) = (running.progress.epochs, running.learning_rate);
        let within = running.progress.within.clone().unwrap_or_default();
        if running.progress.within.is_some() {
            // The epoch has already begun: resume the dropout masks at their position.
            let position = TaskState { dropout: within.dropout, ..task.state() };
            task.restore(&position)?;
        }
        let Within { step: first, mut steps_without_loss, mut gradient_norm, .. } = within;
        let mut losses = LossSums::from_sums(within.sums);
        let parameters = self.store.parameters();
        let (mut metrics, mut samples) = (task.metrics(), 0);
        let non_finite =
            |what, value, step| Error::NonFinite { what, value, epoch, step, learning_rate };
        let of_loss = |NonFiniteLoss { step, value }| non_finite("loss", value, step);
        let steps = train.len();
        let accumulate = self.config.accumulate;
        let mut step_gradients = Accumulation::default();
        for (step, batch) in (first..).zip(train.epoch_from(epoch, first)) {
            let batch = batch?;
            let output = task.forward(&batch, Mode::Train)?;
            match task.loss(&batch, &output)? {
                None => steps_without_loss += 1,
                Some(loss) => {
                    losses.add(step, &loss);
                    let weight =
                        if accumulate == 1 { 1.0 } else { task.loss_weight(&batch, &output)? };
                    step_gradients.add(&parameters, &loss.total, weight)?;
                }
            }
            let done = step + 1;
            let steps_optimizer = done == steps || done.is_multiple_of(accumulate);
            if steps_optimizer && let Some(mut grads) = step_gradients.take(&parameters)? {
                let most = self.config.clip_norm.unwrap_or(f64::INFINITY);
                let norm = clip_grad_norm(&parameters, &mut grads, most)?;
                if !norm.is_finite() {
                    // A loss that is not finite is reported first, because it is the cause.
                    losses.read()?.map_err(of_loss)?;
                    return Err(non_finite("gradient norm", norm, step));
                }
                self.optimizer.step(&grads, learning_rate)?;
                self.ema.as_mut().map_or(Ok(()), Ema::update)?;
                gradient_norm = gradient_norm.max(norm);
            }
            if self.config.train_metrics {
                let predicted = Predicted::of(&output, samples)?;
                samples += predicted.samples();
                task.observe(&predicted, &mut metrics)?;
            }
            let is_due = |every| steps_optimizer && done < steps && self.saved.elapsed() >= every;
            let is_due = self.config.checkpoint_every.is_some_and(is_due);
            let read = is_due || done == steps || done.is_multiple_of(READ_EVERY);
            let loss = if read { losses.read()?.map_err(of_loss)? } else { None };
            self.tell(|observer| observer.step(&StepReport { epoch, step, steps, loss }))?;
            if is_due {
                let seconds = running.before + running.started.elapsed().as_secs_f64();
                let (state, sums) = (task.state(), losses.sums().clone());
                let within = Within {
                    step: done,
                    steps_without_loss,
                    sums,
                    gradient_norm,
                    dropout: state.dropout,
                    seconds,
                };
                self.save(Progress { within: Some(within), ..running.progress.clone() }, state)?;
            }
        }
        let counted = steps.saturating_sub(steps_without_loss);
        if counted == 0 {
            return Err(Error::Empty { part: "training" });
        }
        let means =
            losses.sums().iter().map(|(name, sum)| (name.clone(), Some(sum / counted as f64)));
        let mut values: BTreeMap<_, _> = means.collect();
        if let Some(value) = metrics.value() {
            // Metrics of a resumed epoch cover only a part of it, so they are left undefined.
            let whole = |(name, value): (String, Option<f64>)| (name, value.filter(|_| first == 0));
            values.extend(named(task.summary(&value)).into_iter().map(whole));
        }
        Ok(TrainedEpoch { values, gradient_norm, steps_without_loss })
    }

    /// Restores model, optimizer, average and task from the last checkpoint, or starts from scratch
    /// if there is none.
    fn resume<T: Task>(&mut self, task: &mut T, steps: usize) -> Result<Progress> {
        let path = self.run.last();
        let identity = &self.config.identity;
        if !path.try_exists().map_err(mbls_io::Error::io("look for", &path))? {
            let (identity, metrics) = (identity.clone(), Vec::new());
            let patience = self.config.early_stopping.as_ref().map(|_| Patience::default());
            return Ok(Progress {
                schema: SCHEMA,
                identity,
                epochs: 0,
                best: None,
                metrics,
                patience,
                within: None,
            });
        }
        let checkpoint = Checkpoint::load(&path, identity, &self.device)?;
        let Progress { epochs, ref metrics, ref within, .. } = checkpoint.progress;
        let expected = if self.config.schedule.follows_metric() { epochs } else { 0 };
        if metrics.len() != expected {
            let expected =
                format!("{expected} values of the schedule's metric after {epochs} epochs");
            return Err(Error::Checkpoint {
                path,
                field: "metrics",
                expected,
                found: metrics.len().to_string(),
            });
        }
        if let Some(step) = within.as_ref().map(|within| within.step).filter(|step| *step >= steps)
        {
            let expected = format!("a step below {steps}, the number of steps per epoch");
            return Err(Error::Checkpoint {
                path,
                field: "within.step",
                expected,
                found: step.to_string(),
            });
        }
        let accumulate = self.config.accumulate;
        if let Some(step) = within
            .as_ref()
            .map(|within| within.step)
            .filter(|step| !step.is_multiple_of(accumulate))
        {
            let expected =
                format!("a multiple of {accumulate}, the number of batches per optimizer step");
            return Err(Error::Checkpoint {
                path,
                field: "within.step",
                expected,
                found: step.to_string(),
            });
        }
        if checkpoint.progress.patience.is_some() != self.config.early_stopping.is_some() {
            let text = |there: bool| {
                if there { "that of a run with early stopping" } else { "none" }.to_owned()
            };
            let (expected, found) =
                (self.config.early_stopping.is_some(), checkpoint.progress.patience.is_some());
            return Err(Error::Checkpoint {
                path,
                field: "patience",
                expected: text(expected),
                found: text(found),
            });
        }
        if checkpoint.ema.is_empty() != self.ema.is_none() {
            let text =
                |there: bool| if there { "an average of the weights" } else { "none" }.to_owned();
            let (expected, found) = (text(self.ema.is_some()), text(!checkpoint.ema.is_empty()));
            return Err(Error::Checkpoint { path, field: "ema", expected, found });
        }
        self.store.load_state(&checkpoint.model).map_err(Error::misfit("model", &path))?;
        self.optimizer
            .load_state(&checkpoint.optimizer)
            .map_err(Error::misfit("optimizer", &path))?;
        if let Some(ema) = &mut self.ema {
            ema.load_state(&checkpoint.ema)
                .map_err(Error::misfit("average of the weights", &path))?;
        }
        let state = TaskState { loss: checkpoint.loss, ..TaskState::default() };
        task.restore(&state).map_err(Error::misfit("loss", &path))?;
        Ok(checkpoint.progress)
    }

    fn load_model(&self, path: &std::path::Path) -> Result<()> {
        let checkpoint = Checkpoint::load(path, &self.config.identity, &self.device)?;
        self.store.load_state(&checkpoint.model).map(drop).map_err(Error::misfit("model", path))
    }

    /// Writes the last checkpoint.
    fn save(&mut self, progress: Progress, task: TaskState) -> Result<()> {
        let ema = self.ema.as_ref().map(Ema::state).unwrap_or_default();
        let (model, optimizer) = (self.store.state(), self.optimizer.state());
        let path = self.run.last();
        let saved = Saved {
            epoch: progress.epochs,
            step: progress.within.as_ref().map_or(0, |within| within.step),
        };
        Checkpoint { progress, model, optimizer, ema, loss: task.loss }.save(&path)?;
        self.saved = Instant::now();
        self.tell(|observer| observer.checkpoint(&saved))
    }

    fn tell(&mut self, tell: impl Fn(&mut dyn Observer) -> Result<()>) -> Result<()> {
        self.observers.iter_mut().try_for_each(|observer| tell(observer.as_mut()))
    }
}

/// Evaluates a task's model on the validation data, and passes the same logits to the loss if it
/// learns.
fn validate<T: Task>(task: &mut T, data: &dyn Batches<T::Batch>) -> Result<T::Metrics> {
    let mut metrics = task.metrics();
    walk(task, data, |task, batch, output, predicted| {
        task.observe(predicted, &mut metrics)?;
        task.learn(batch, output)
    })?;
    Ok(metrics)
}

fn named(values: Vec<(&'static str, Option<f64>)>) -> BTreeMap<String, Option<f64>> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
