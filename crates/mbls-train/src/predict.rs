//! Predictions of a network on a data set, batch by batch.

use crate::{Error, Mode, Output, Result, Task};
use candle_core::DType;
use mbls_data::Batches;
use mbls_nn::no_grad;
use std::ops::Deref;

/// The logits and labels of one batch, on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    /// The logits, row-major in `shape`.
    pub logits: Vec<f32>,
    /// The shape of the logits: `[N, C]`, or `[N, C, H, W]` for images.
    pub shape: Vec<usize>,
    /// The labels, row-major: `[N]` or `[N, H, W]`.
    pub labels: Vec<u32>,
    /// The number of samples in the batches before this one.
    pub first: usize,
}

impl Predicted {
    /// Copies the output of a forward pass to the host.
    pub(crate) fn of(output: &Output, first: usize) -> Result<Self> {
        Ok(Self {
            logits: output.logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?,
            shape: output.logits.dims().to_vec(),
            labels: output.labels.flatten_all()?.to_vec1()?,
            first,
        })
    }

    /// Returns the number of labels in the batch.
    pub fn samples(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }
}

/// Runs a task's model on all of `data`, in order, without gradients, and calls `visit` with each
/// batch.
///
/// Each batch passes through the model once and is copied to the host once, whatever is computed
/// from it: metrics, files, images.
///
/// # Errors
///
/// Errors of the data and the model, converted to the caller's error type, and errors of `visit`,
/// unchanged.
pub fn predict<T: Task, E: From<Error>>(
    task: &T,
    data: &dyn Batches<T::Batch>,
    mut visit: impl FnMut(&Predicted) -> Result<(), E>,
) -> Result<(), E> {
    walk(task, data, |_, _, _, predicted| visit(predicted))
}

/// Evaluates a task's model on all of `data`.
///
/// # Errors
///
/// Errors of the data, the model and the metrics.
pub fn evaluate<T: Task>(task: &T, data: &dyn Batches<T::Batch>) -> Result<T::Metrics> {
    let mut metrics = task.metrics();
    predict(task, data, |predicted| task.observe(predicted, &mut metrics))?;
    Ok(metrics)
}

/// Like [`predict`], for a task borrowed either way: validation changes the task if its loss learns
/// from predictions.
pub(crate) fn walk<T, A, E>(
    mut task: A,
    data: &dyn Batches<T::Batch>,
    mut visit: impl FnMut(&mut A, &T::Batch, &Output, &Predicted) -> Result<(), E>,
) -> Result<(), E>
where
    T: Task,
    A: Deref<Target = T>,
    E: From<Error>,
{
    let mut samples = 0;
    for batch in data.epoch(0) {
        let batch = batch.map_err(Error::from)?;
        // Without the graph, which would keep the activations until the logits are dropped.
        let output = no_grad(|| task.forward(&batch, Mode::Evaluate))?;
        let predicted = Predicted::of(&output, samples)?;
        samples += predicted.samples();
        visit(&mut task, &batch, &output, &predicted)?;
    }
    Ok(())
}
