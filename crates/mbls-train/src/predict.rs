//! What a network says of a data set, batch by batch.

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
    /// The logits' shape: `[N, C]`, or `[N, C, H, W]` of images.
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

    /// Returns how many labels the batch has.
    pub fn samples(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }
}

/// Runs a task's model on all of `data`, in order, without gradients; `visit` gets each batch.
///
/// Each batch passes the model once and is copied to the host once, whatever is then made of it:
/// metrics, files, images.
///
/// # Errors
///
/// What data and model report, as the caller's error type, and what `visit` reports, unchanged.
pub fn predict<T: Task, E: From<Error>>(
    task: &T,
    data: &dyn Batches<T::Batch>,
    mut visit: impl FnMut(&Predicted) -> Result<(), E>,
) -> Result<(), E> {
    walk(task, data, |_, _, _, predicted| visit(predicted))
}

/// Measures a task's model on all of `data`.
///
/// # Errors
///
/// What data, model and metrics report.
pub fn evaluate<T: Task>(task: &T, data: &dyn Batches<T::Batch>) -> Result<T::Metrics> {
    let mut metrics = task.metrics();
    predict(task, data, |predicted| task.observe(predicted, &mut metrics))?;
    Ok(metrics)
}

/// [`predict`] for a task that is borrowed either way: validation changes it where its loss learns
/// from what was predicted.
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
        // Without the graph, whose activations would be kept until the logits are dropped.
        let output = no_grad(|| task.forward(&batch, Mode::Evaluate))?;
        let predicted = Predicted::of(&output, samples)?;
        samples += predicted.samples();
        visit(&mut task, &batch, &output, &predicted)?;
    }
    Ok(())
}
