//! What the trainer has to know of a task.

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
    /// The logits, one row for each sample of the batch (`[N, C]`, or `[N, C, H, W]` of an image).
    pub logits: Tensor,
    /// The labels as `u32`, `[N]` or `[N, H, W]`. On the CPU a loss reads them without waiting for
    /// a device.
    pub labels: Tensor,
}

/// What training makes of a task besides the weights of its model; a checkpoint keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskState {
    /// What the loss has learnt: [`Loss::state`](mbls_core::loss::Loss::state).
    pub loss: Vec<f64>,
    /// The position of the masks of dropout; 0 without dropout.
    pub dropout: u64,
}

/// How a batch becomes logits and a loss, and what is measured.
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
/// and [`restore`](Self::restore) before all that where it goes on from a checkpoint.
pub trait Task {
    /// What the data loader yields.
    type Batch: Send;
    /// What is measured over an epoch.
    type Metrics: Metric;

    /// Runs the model on a batch.
    ///
    /// # Errors
    ///
    /// Where the batch does not fit the model.
    fn forward(&self, batch: &Self::Batch, mode: Mode) -> Result<Output>;

    /// Computes the loss of a training batch; `None` where no label of it counts, so that there is
    /// none: training leaves the step out and counts it.
    ///
    /// # Errors
    ///
    /// Where the loss has no value for the batch.
    fn loss(&self, batch: &Self::Batch, output: &Output) -> Result<Option<LossOutput>>;

    /// Returns what the mean of a training batch's loss divides by: the number of its labels that
    /// count, with class weights the sum of their weights. Where several batches make a step,
    /// each counts by it ([`TrainerConfig::accumulate`](crate::TrainerConfig::accumulate)); it
    /// is asked for after [`loss`](Self::loss), where there is one. By default it is the number
    /// of labels.
    ///
    /// # Errors
    ///
    /// As [`loss`](Self::loss).
    fn loss_weight(&self, _batch: &Self::Batch, output: &Output) -> Result<f64> {
        Ok(output.labels.elem_count() as f64)
    }

    /// Hands a validation batch to the loss, for losses that learn from validation data
    /// ([`Loss::observe`](mbls_core::loss::Loss::observe)).
    ///
    /// The logits are those that validation measures: of the average of the weights where the
    /// training keeps one.
    ///
    /// # Errors
    ///
    /// Where the loss cannot learn from the batch.
    fn learn(&mut self, _batch: &Self::Batch, _output: &Output) -> Result<()> {
        Ok(())
    }

    /// Returns metrics that have seen nothing.
    fn metrics(&self) -> Self::Metrics;

    /// Adds a batch to the metrics.
    ///
    /// # Errors
    ///
    /// Where the metrics refuse the logits, non-finite ones for example.
    fn observe(&self, predicted: &Predicted, metrics: &mut Self::Metrics) -> Result<()>;

    /// Returns the score by which epochs are compared on validation data, higher is better; `None`
    /// where it is undefined, which is not any better than any.
    fn score(&self, value: &<Self::Metrics as Metric>::Value) -> Option<f64>;

    /// Returns the numbers for the event log with their names; `None` for those that are undefined.
    fn summary(&self, value: &<Self::Metrics as Metric>::Value)
    -> Vec<(&'static str, Option<f64>)>;

    /// Called before the first step of each epoch, with its number from 0.
    fn begin_epoch(&mut self, _epoch: usize) {}

    /// Called after the validation of each epoch, with its number from 0.
    fn end_epoch(&mut self, _epoch: usize) {}

    /// Returns what training has made of the task besides the weights.
    fn state(&self) -> TaskState {
        TaskState::default()
    }

    /// Makes the task what it was when [`state`](Self::state) was called.
    ///
    /// # Errors
    ///
    /// For the state of another task or loss.
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
