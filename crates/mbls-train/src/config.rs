//! The settings of a training.

use crate::{EarlyStopping, Error, Result};
use mbls_nn::{EmaConfig, PlateauMode, Schedule};
use std::collections::BTreeMap;
use std::time::Duration;

/// The settings of a training; by default 100 epochs at a constant learning rate of 0.1, without
/// clipping and without an average of the weights, with a checkpoint after each epoch and every ten
/// minutes.
#[derive(Clone, Debug)]
pub struct TrainerConfig {
    /// Passes over the training data, at least 1.
    pub epochs: usize,
    /// The learning rate before the schedule.
    pub learning_rate: f64,
    /// How the learning rate changes from epoch to epoch.
    pub schedule: Schedule,
    /// The number of [`Task::summary`](crate::Task::summary) on the validation data that a
    /// schedule like [`Schedule::ReduceOnPlateau`] follows; `None` is the
    /// [`Task::score`](crate::Task::score), of which more is better.
    pub schedule_metric: Option<String>,
    /// Ends the training before its last epoch where a number of the validation data no longer
    /// gets better; `None` trains all epochs.
    pub early_stopping: Option<EarlyStopping>,
    /// Number of batches that make one step of the optimizer, at least 1. Its gradient is that of
    /// one batch of all their samples, where the loss is a mean:
    /// [`Task::loss_weight`](crate::Task::loss_weight). The last step of an epoch may have fewer
    /// batches; checkpoints within an epoch are written between steps.
    ///
    /// What a network computes of a whole batch, such as batch norm's statistics, is of each batch
    /// by itself.
    pub accumulate: usize,
    /// The gradient's norm over all parameters is scaled down to this where it is larger.
    pub clip_norm: Option<f64>,
    /// An average of the weights, moved after every step of the optimizer, that takes their place
    /// in all that training is for: validation, the choice of the best epoch,
    /// `best.safetensors` and the model at the end. `None` keeps none.
    ///
    /// The weights that are trained know nothing of it, and the training metrics are theirs. Where
    /// a network has running statistics, [`EmaConfig::average_buffers`] makes them as old as
    /// the averaged weights they are used with, as in timm and torchvision's training scripts;
    /// without it they are the trained weights' own, as `torch.optim.swa_utils` has it.
    pub ema: Option<EmaConfig>,
    /// What is trained; a run only resumes from a checkpoint with the same words.
    pub identity: String,
    /// The time after which a checkpoint is written within an epoch, so that a process that is
    /// killed in a long epoch loses no more; `None` writes them after epochs alone. Results do
    /// not depend on it.
    pub checkpoint_every: Option<Duration>,
    /// Whether the task's metrics are measured on the training batches too, as they pass. It takes
    /// the logits of every step to the host; losses are summed without that.
    pub train_metrics: bool,
}

impl Default for TrainerConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            learning_rate: 0.1,
            schedule: Schedule::Constant,
            schedule_metric: None,
            early_stopping: None,
            accumulate: 1,
            clip_norm: None,
            ema: None,
            identity: String::new(),
            checkpoint_every: Some(Duration::from_secs(600)),
            train_metrics: false,
        }
    }
}

impl TrainerConfig {
    /// Checks the settings.
    pub(crate) fn validate(&self) -> Result<()> {
        let wrong = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if self.epochs == 0 {
            return wrong("epochs", "0".to_owned(), "at least 1");
        }
        if self.accumulate == 0 {
            return wrong("accumulate", "0".to_owned(), "at least 1");
        }
        self.early_stopping.as_ref().map_or(Ok(()), EarlyStopping::validate)?;
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return wrong("learning_rate", self.learning_rate.to_string(), "a positive number");
        }
        if let Some(norm) = self.clip_norm.filter(|norm| !(norm.is_finite() && *norm > 0.0)) {
            return wrong("clip_norm", norm.to_string(), "a positive number");
        }
        self.schedule.validate()?;
        if let Some(name) =
            self.schedule_metric.as_ref().filter(|_| !self.schedule.follows_metric())
        {
            return wrong(
                "schedule_metric",
                name.clone(),
                "none, because the schedule follows no metric",
            );
        }
        Ok(())
    }

    /// What the schedule is told of an epoch.
    pub(crate) fn schedule_metric(
        &self,
        score: Option<f64>,
        summary: &BTreeMap<String, Option<f64>>,
    ) -> Result<Option<f64>> {
        metric("schedule_metric", self.schedule_metric.as_ref(), score, summary)
    }

    /// The learning rate of an epoch, after epochs with these metrics.
    pub(crate) fn learning_rate_of(&self, epoch: usize, metrics: &[Option<f64>]) -> f64 {
        // An undefined metric is not any better than any other.
        let worst = match plateau_mode(&self.schedule) {
            PlateauMode::Min => f64::INFINITY,
            PlateauMode::Max => f64::NEG_INFINITY,
        };
        let metrics: Vec<f64> = metrics.iter().map(|metric| metric.unwrap_or(worst)).collect();
        self.schedule.learning_rate(self.learning_rate, epoch, &metrics)
    }
}

/// The number of an epoch that a setting names, or the score where it names none.
pub(crate) fn metric(
    setting: &'static str,
    name: Option<&String>,
    score: Option<f64>,
    summary: &BTreeMap<String, Option<f64>>,
) -> Result<Option<f64>> {
    let Some(name) = name else { return Ok(score) };
    summary.get(name).copied().ok_or_else(|| Error::Metric {
        setting,
        name: name.clone(),
        known: summary.keys().cloned().collect::<Vec<_>>().join(", "),
    })
}

/// What is better for a schedule that follows a metric; any answer for another.
fn plateau_mode(schedule: &Schedule) -> PlateauMode {
    match schedule {
        Schedule::ReduceOnPlateau(plateau) => plateau.mode,
        Schedule::Warmup { then, .. } => plateau_mode(then),
        _ => PlateauMode::default(),
    }
}
