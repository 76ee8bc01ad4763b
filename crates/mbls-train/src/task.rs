//! What the trainer has to know of a task.

use crate::Result;
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
    /// The flag that candle's `ModuleT::forward_t` takes.
    pub fn is_train(self) -> bool {
        self == Self::Train
    }
}

/// The result of one forward pass.
pub struct Step {
    /// The model's output.
    pub logits: Tensor,
    /// The labels, on the logits' device.
    pub labels: Tensor,
    /// The loss of the batch; `None` where no label of it counts, so that there is none: training leaves the step out and counts it.
    pub loss: Option<LossOutput>,
}

/// How a batch becomes logits and a loss, and what is measured.
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
    fn forward(&self, batch: &Self::Batch, mode: Mode) -> Result<Step>;

    /// Metrics that have seen nothing.
    fn metrics(&self) -> Self::Metrics;

    /// Adds a step to the metrics.
    ///
    /// # Errors
    ///
    /// Where the metrics refuse the step's logits, non-finite ones for example.
    fn observe(&self, step: &Step, metrics: &mut Self::Metrics) -> Result<()>;

    /// The score by which epochs are compared on validation data: higher is better.
    fn score(&self, value: &<Self::Metrics as Metric>::Value) -> f64;

    /// The numbers that go into the event log, with their names.
    fn summary(&self, value: &<Self::Metrics as Metric>::Value) -> Vec<(&'static str, f64)>;

    /// Called after each epoch, and for each epoch already done when a run is resumed, with the epoch's number from 0.
    fn end_epoch(&mut self, _epoch: usize) {}
}
