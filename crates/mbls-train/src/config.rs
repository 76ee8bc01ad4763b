//! The settings of a training.

use crate::{EarlyStopping, Error, Result};
use mbls_nn::{EmaConfig, PlateauMode, Schedule};
use std::collections::BTreeMap;
use std::time::Duration;

/// The settings of a training. The default is 100 epochs at a constant learning rate of 0.1,
/// without clipping and without an average of the weights, with a checkpoint after each epoch and
/// every ten minutes.
#[derive(Clone, Debug)]
pub struct TrainerConfig {
    /// Passes over the training data, at least 1.
    pub epochs: usize,
    /// The base learning rate, before the schedule.
    pub learning_rate: f64,
    /// The schedule of the learning rate over epochs.
    pub schedule: Schedule,
    /// The entry of [`Task::summary`](crate::Task::summary) on the validation data that a schedule
    /// such as [`Schedule::ReduceOnPlateau`] follows. `None` selects the
    /// [`Task::score`](crate::Task::score), where higher is better.
    pub schedule_metric: Option<String>,
    /// Ends the training before its last epoch when a validation metric stops improving; `None`
    /// trains all epochs.
    pub early_stopping: Option<EarlyStopping>,
    /// Number of batches per optimizer step, at least 1. If the loss is a mean, the gradient is
    /// that of one batch with all their samples: see
    /// [`Task::loss_weight`](crate::Task::loss_weight). The last step of an epoch may have fewer
    /// batches. Checkpoints within an epoch are written between steps.
    ///
    /// Quantities that a network computes over a whole batch, such as batch norm's statistics, are
    /// computed for each batch separately.
    pub accumulate: usize,
    /// The maximum norm of the gradient over all parameters; a larger gradient is scaled down to
    /// it.
    pub clip_norm: Option<f64>,
    /// An average of the weights, updated after every optimizer step. It replaces the weights in
    /// validation, the selection of the best epoch, `best.safetensors` and the final model. `None`
    /// keeps no average.
    ///
    /// The average does not influence the trained weights, and the training metrics are those of
    /// the trained weights. If a network has running statistics, [`EmaConfig::average_buffers`]
    /// averages them like the weights they are used with, as timm and torchvision's training
    /// scripts do. Without it they are those of the trained weights, as in `torch.optim.swa_utils`.
    pub ema: Option<EmaConfig>,
    /// Identifies the training; a run only resumes from a checkpoint with the same identity.
    pub identity: String,
    /// The time after which a checkpoint is written within an epoch, which limits how much a
    /// process killed in a long epoch loses. `None` writes checkpoints only after epochs. Results
    /// do not depend on it.
    pub checkpoint_every: Option<Duration>,
    /// Whether the task's metrics are also measured on the training batches during training. This
    /// copies the logits of every step to the host; the sums of the losses do not need that.
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

    /// Returns the value that the schedule follows after an epoch.
    pub(crate) fn schedule_metric(
        &self,
        score: Option<f64>,
        summary: &BTreeMap<String, Option<f64>>,
    ) -> Result<Option<f64>> {
        metric("schedule_metric", self.schedule_metric.as_ref(), score, summary)
    }

    /// Returns the learning rate of an epoch, given the metrics of the epochs before it.
    pub(crate) fn learning_rate_of(&self, epoch: usize, metrics: &[Option<f64>]) -> f64 {
        // An undefined metric counts as the worst value.
        let worst = match plateau_mode(&self.schedule) {
            PlateauMode::Min => f64::INFINITY,
            PlateauMode::Max => f64::NEG_INFINITY,
        };
        let metrics: Vec<f64> = metrics.iter().map(|metric| metric.unwrap_or(worst)).collect();
        self.schedule.learning_rate(self.learning_rate, epoch, &metrics)
    }
}

/// Returns the number of an epoch that a setting names, or the score if it names none.
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

/// Returns which values are better for a schedule that follows a metric, and the default for any
/// other schedule.
fn plateau_mode(schedule: &Schedule) -> PlateauMode {
    match schedule {
        Schedule::ReduceOnPlateau(plateau) => plateau.mode,
        Schedule::Warmup { then, .. } => plateau_mode(then),
        _ => PlateauMode::default(),
    }
}
