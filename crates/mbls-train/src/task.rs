//! The interface between the trainer and a task.

use crate::{Error, Predicted, Result};
use candle_core::Tensor;
use mbls_core::loss::LossOutput;
use mbls_core::metric::Metric;

/// Whether a forward pass trains or measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, dropout, gradients.
    Train,
    /// Running statistics, no dropout.
    Evaluate,
}

impl Mode {
    /// Returns the flag that candle's `ModuleT::forward_t` takes.
    pub fn is_train(self) -> bool {
        self == Self::Train
    }
}

/// The result of one forward pass.
#[derive(Clone, Debug)]
pub struct Output {
    /// The logits, one row per sample of the batch: `[N, C]`, or `[N, C, H, W]` for images.
    pub logits: Tensor,
    /// The labels as `u32`, `[N]` or `[N, H, W]`. If they are on the CPU, a loss reads them without
    /// waiting for a device.
    pub labels: Tensor,
}

/// The state that training adds to a task besides the weights of its model; a checkpoint keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskState {
    /// The learnt state of the loss: [`Loss::state`](mbls_core::loss::Loss::state).
    pub loss: Vec<f64>,
    /// The position in the sequence of dropout masks; 0 without dropout.
    pub dropout: u64,
}

/// Defines how a batch becomes logits and a loss, and which metrics are measured.
///
/// The [`Trainer`](crate::Trainer) calls, for each epoch:
///
/// ```text
/// begin_epoch
///   forward(Train) -> loss            for each training batch
///   forward(Evaluate) -> observe      for each validation batch: the metrics
///                     -> learn                                   and the loss, where it learns from validation data
///   summary, score
/// end_epoch
/// ```
///
/// It calls [`restore`](Self::restore) before all of these when it resumes from a checkpoint.
pub trait Task {
    /// The batch type of the data loader.
    type Batch: Send;
    /// The metrics of an epoch.
    type Metrics: Metric;

    /// Runs the model on a batch.
    ///
    /// # Errors
    ///
    /// Fails if the batch does not fit the model.
    fn forward(&self, batch: &Self::Batch, mode: Mode) -> Result<Output>;

    /// Computes the loss of a training batch. Returns `None` if no label of the batch counts;
    /// training then skips the step and counts it as skipped.
    ///
    /// # Errors
    ///
    /// Fails if the loss has no value for the batch.
    fn loss(&self, batch: &Self::Batch, output: &Output) -> Result<Option<LossOutput>>;

    /// Returns the divisor of the mean in a training batch's loss: the number of labels that count
    /// or, with class weights, the sum of their weights. If a step has several batches, it is the
    /// weight of each ([`TrainerConfig::accumulate`](crate::TrainerConfig::accumulate)). It is
    /// called after [`loss`](Self::loss), if that returned a loss. The default is the number of
    /// labels.
    ///
    /// # Errors
    ///
    /// Same as [`loss`](Self::loss).
    fn loss_weight(&self, _batch: &Self::Batch, output: &Output) -> Result<f64> {
        Ok(output.labels.elem_count() as f64)
    }

    /// Passes a validation batch to the loss, for losses that learn from validation data
    /// ([`Loss::observe`](mbls_core::loss::Loss::observe)).
    ///
    /// The logits are those that validation measures: those of the average of the weights if the
    /// training keeps one.
    ///
    /// # Errors
    ///
    /// Fails if the loss cannot learn from the batch.
    fn learn(&mut self, _batch: &Self::Batch, _output: &Output) -> Result<()> {
        Ok(())
    }

    /// Returns empty metrics.
    fn metrics(&self) -> Self::Metrics;

    /// Adds a batch to the metrics.
    ///
    /// # Errors
    ///
    /// Fails if the metrics reject the logits, for example non-finite ones.
    fn observe(&self, predicted: &Predicted, metrics: &mut Self::Metrics) -> Result<()>;

    /// Returns the score by which epochs are compared on validation data, where higher is better.
    /// `None` means undefined, which is never an improvement.
    fn score(&self, value: &<Self::Metrics as Metric>::Value) -> Option<f64>;

    /// Returns the values for the event log with their names; `None` for undefined values.
    fn summary(&self, value: &<Self::Metrics as Metric>::Value)
    -> Vec<(&'static str, Option<f64>)>;

    /// Called before the first step of each epoch, with its number from 0.
    fn begin_epoch(&mut self, _epoch: usize) {}

    /// Called after the validation of each epoch, with its number from 0.
    fn end_epoch(&mut self, _epoch: usize) {}

    /// Returns the state that training has added to the task besides the weights.
    fn state(&self) -> TaskState {
        TaskState::default()
    }

    /// Restores the state returned by [`state`](Self::state).
    ///
    /// # Errors
    ///
    /// Fails for the state of another task or loss.
    fn restore(&mut self, state: &TaskState) -> Result<()> {
        if *state == TaskState::default() {
            Ok(())
        } else {
            Err(Error::Setting {
                name: "state of the task",
                value: format!("{state:?}"),
                expected: "none, because the task has no state",
            })
        }
    }
}
