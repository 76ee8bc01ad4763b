//! Losses on logits: cross-entropy, margin-based label smoothing and the losses it is compared
//! with.
//!
//! A [`LogitBatch`] handles shapes, ignored rows, class weights and the [`Reduction`]. Every
//! [`Loss`] works on the remaining rows and reports the terms of its total in a [`LossOutput`]. A
//! [`LossSpec`] names a loss and its settings in a configuration file.
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use mbls_core::loss::{LogitBatch, LossSpec};
//!
//! let logits = Tensor::new(&[[2f32, 1., -3.], [0., 4., 1.]], &Device::Cpu)?;
//! let labels = Tensor::new(&[0u32, 1], &Device::Cpu)?;
//! let loss = LossSpec::margin(3.0, 0.1).build()?;
//! let output = loss.forward(&LogitBatch::new(&logits, &labels, None)?)?;
//! // The distances to the maximum are 0, 1, 5 and 4, 0, 3.
//! // Two of the six exceed the margin, by 2 and by 1.
//! assert_eq!(output.terms[1].value.to_scalar::<f32>()?, 0.5);
//! # Ok::<(), mbls_core::Error>(())
//! ```

mod calibration;
mod class_adaptive;
mod fused;
mod input;
mod likelihood;
mod penalty;
mod spec;
mod spec_display;

pub use calibration::{Mdca, Mmce};
pub use class_adaptive::ClassAdaptive;
pub use input::{LogitBatch, LossOutput, Reduction, Term};
pub use likelihood::{
    BrierLoss, CrossEntropy, DualFocal, Focal, LabelSmoothing, LogitNorm, SampleDependentFocal,
    SpatialLabelSmoothing,
};
pub use penalty::{
    Acls, AlphaSchedule, Anchor, AugmentedPenalty, AutoMargin, ClassReduction, EntropyPenalty,
    L1Penalty, LogitPenalty, Margin, MarginChoice, MarginLoss, MarginRule, NeighbourNorm,
    NeighbourPenalty, PenaltyShape,
};
pub use spec::LossSpec;

use crate::{Error, Result};
use input::{host, mask, neighbourhood, ops, setting, targets};
use likelihood::{cross_entropy, focal};
use penalty::logit_penalty;

/// A loss on a batch of logits.
pub trait Loss: Send + Sync {
    /// Returns the name of the loss, which is that of its kind in a [`LossSpec`].
    fn name(&self) -> &'static str;

    /// Computes the loss of a batch: a differentiable scalar, and the terms that it is the weighted
    /// sum of. For [`Reduction::None`] they have the shape of the labels.
    ///
    /// Logits that are NaN or plus infinity cause a loss that is not finite, not an error. A logit
    /// of minus infinity masks its class, whose probability is 0: its gradient is 0 if the loss is
    /// defined for it.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] on the CPU if the loss is not finite because a class is masked: the
    /// label's, or any in a loss of all logits. An error of candle, for example if memory is
    /// exhausted.
    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput>;

    /// Returns the current distance between logits beyond which the loss penalises; `None` for a
    /// loss without one, for one with several, and before a rule has chosen it.
    fn margin(&self) -> Option<f64> {
        None
    }

    /// Learns from a batch of validation data, for losses that learn multipliers or choose a
    /// margin; does nothing for others.
    ///
    /// # Errors
    ///
    /// Returns an error if the loss cannot learn from the batch, which leaves it unchanged, or an
    /// error of candle.
    fn observe(&mut self, _batch: &LogitBatch) -> Result<()> {
        Ok(())
    }

    /// Updates what the loss schedules or learns over epochs. Call it after each epoch, with its
    /// index from 0, once the validation data of the epoch have been observed.
    fn end_epoch(&mut self, _epoch: usize) {}

    /// Returns the state that changes over epochs, for a checkpoint; empty if settings alone define
    /// the loss.
    fn state(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Restores a state that [`state`](Self::state) returned.
    ///
    /// # Errors
    ///
    /// [`Error::State`] for numbers that are not a state of this loss, which leaves it unchanged.
    fn restore(&mut self, state: &[f64]) -> Result<()> {
        if state.is_empty() { Ok(()) } else { Err(state_error(self.name(), state, "none")) }
    }
}

fn state_error(loss: &'static str, state: &[f64], expected: &str) -> Error {
    Error::State {
        metric: loss,
        problem: format!("expected {expected}, found {} numbers", state.len()),
    }
}
