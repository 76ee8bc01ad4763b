//! Losses on logits: cross-entropy, margin-based label smoothing and the losses it is compared
//! with.
//!
//! A [`LogitBatch`] settles shapes, ignored rows, class weights and the [`Reduction`] once; every
//! [`Loss`] works on what is left, and says in its [`LossOutput`] what its total is made of. A
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
//! // The distances to the maximum are 0, 1, 5 and 4, 0, 3: two pass the margin, by 2 and by 1, of six in all.
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
    /// The loss's name, that of its kind in a [`LossSpec`].
    fn name(&self) -> &'static str;

    /// The loss of a batch: a scalar that can be differentiated, and the terms it is the weighted
    /// sum of; in the shape of the labels for [`Reduction::None`].
    ///
    /// Logits that are NaN or plus infinity give a loss that is not finite, no error. A logit of
    /// minus infinity masks its class, whose probability is 0: the gradient there is 0 where the
    /// loss is defined for it.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] on the CPU where the loss is not finite because a class is masked: the
    /// label's, or any in a loss of all logits. Where candle fails, out of memory for example.
    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput>;

    /// Returns the distance between logits beyond which the loss penalises, at present; `None` of a
    /// loss without one, of one with several, and before a rule has chosen it.
    fn margin(&self) -> Option<f64> {
        None
    }

    /// Learns from a batch of validation data, for losses with multipliers or a margin to choose;
    /// nothing for others.
    ///
    /// # Errors
    ///
    /// What the loss cannot learn from, which leaves it unchanged, or where candle fails.
    fn observe(&mut self, _batch: &LogitBatch) -> Result<()> {
        Ok(())
    }

    /// Moves what the loss schedules or learns over epochs; called after each, with its index from
    /// 0, and after the validation data of the epoch were observed.
    fn end_epoch(&mut self, _epoch: usize) {}

    /// What the loss has become over epochs, for a checkpoint; empty where only settings make it.
    fn state(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Makes the loss what it was when [`state`](Self::state) was called.
    ///
    /// # Errors
    ///
    /// [`Error::State`] for numbers that are no state of this loss, which leaves it unchanged.
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
