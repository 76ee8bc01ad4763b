//! The parts of a task's training state other than the weights.

use mbls_core::loss::{LogitBatch, Loss};
use mbls_nn::Dropout;
use mbls_train::{Result, TaskState};

/// The loss of a task, which may be learned or scheduled, and the state of the dropout masks.
pub(crate) struct Learning {
    /// The training loss.
    pub(crate) loss: Box<dyn Loss>,
    /// The network's dropout, whose masks depend on the number of passes; `None` without dropout.
    pub(crate) dropout: Option<Dropout>,
    /// The class weights of the loss; `None` weights all classes equally.
    pub(crate) class_weights: Option<Vec<f64>>,
}

impl Learning {
    /// Returns a batch with its rows weighted by class; `None` if every row has weight 0.
    ///
    /// # Errors
    ///
    /// If there are weights for another number of classes.
    pub(crate) fn weighted(&self, batch: LogitBatch) -> Result<Option<LogitBatch>> {
        let Some(weights) = &self.class_weights else { return Ok(Some(batch)) };
        if weights.contains(&0.0) {
            let labels = batch.labels()?.to_vec1::<u32>()?;
            if labels.iter().all(|&label| weights.get(label as usize) == Some(&0.0)) {
                return Ok(None);
            }
        }
        Ok(Some(batch.with_class_weights(weights)?))
    }

    /// Moves the dropout masks to a position that depends only on the epoch, so they are the same
    /// after an interruption.
    pub(crate) fn begin_epoch(&self, epoch: usize) {
        self.set_position((epoch as u64) << 32);
    }

    /// Updates the learned or scheduled parameters of the loss.
    pub(crate) fn end_epoch(&mut self, epoch: usize) {
        self.loss.end_epoch(epoch);
    }

    /// Returns the state for a checkpoint.
    pub(crate) fn state(&self) -> TaskState {
        TaskState {
            loss: self.loss.state(),
            dropout: self.dropout.as_ref().map_or(0, Dropout::position),
        }
    }

    /// Restores the state of a checkpoint.
    ///
    /// # Errors
    ///
    /// If the state is of another loss.
    pub(crate) fn restore(&mut self, state: &TaskState) -> Result<()> {
        self.loss.restore(&state.loss)?;
        self.set_position(state.dropout);
        Ok(())
    }

    fn set_position(&self, position: u64) {
        if let Some(dropout) = &self.dropout {
            dropout.set_position(position);
        }
    }
}
