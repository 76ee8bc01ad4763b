//! What training changes of a task besides the weights.

use mbls_core::loss::{LogitBatch, Loss};
use mbls_nn::Dropout;
use mbls_train::{Result, TaskState};

/// The loss of a task, which may learn or be scheduled, and the masks of its dropout.
pub(crate) struct Learning {
    /// What the network is trained with.
    pub(crate) loss: Box<dyn Loss>,
    /// The network's dropout, whose masks depend on the number of passes; none where it has none.
    pub(crate) dropout: Option<Dropout>,
    /// How much the classes weigh in the loss; all the same where there are none.
    pub(crate) class_weights: Option<Vec<f64>>,
}

impl Learning {
    /// Returns a batch as the loss takes it, its rows weighted by class; `None` where every row has
    /// the weight 0.
    ///
    /// # Errors
    ///
    /// Weights for another number of classes.
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

    /// Gives each epoch places of its own for its masks, so that they are the same after an
    /// interruption.
    pub(crate) fn begin_epoch(&self, epoch: usize) {
        self.set_position((epoch as u64) << 32);
    }

    /// Moves what the loss learns or schedules.
    pub(crate) fn end_epoch(&mut self, epoch: usize) {
        self.loss.end_epoch(epoch);
    }

    /// What a checkpoint keeps.
    pub(crate) fn state(&self) -> TaskState {
        TaskState {
            loss: self.loss.state(),
            dropout: self.dropout.as_ref().map_or(0, Dropout::position),
        }
    }

    /// Makes it what it was.
    ///
    /// # Errors
    ///
    /// The state of another loss.
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
