//! Losses on logits: cross-entropy, margin-based label smoothing and the losses it is compared with.
//!
//! A [`LogitBatch`] settles shapes, ignored rows, class weights and the [`Reduction`] once; every [`Loss`] works on what
//! is left, and says in its [`LossOutput`] what its total is made of. A [`LossSpec`] names a loss and its settings in a configuration file.
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use mbls_core::loss::{LogitBatch, LossSpec};
//!
//! let logits = Tensor::new(&[[2f32, 1., -3.], [0., 4., 1.]], &Device::Cpu)?;
//! let labels = Tensor::new(&[0u32, 1], &Device::Cpu)?;
//! let loss = LossSpec::Margin { margin: 3.0, alpha: 0.1 }.build()?;
//! let output = loss.forward(&LogitBatch::new(&logits, &labels, None)?)?;
//! // The distances to the maximum are 0, 1, 5 and 4, 0, 3: two pass the margin, by 2 and by 1, of six in all.
//! assert_eq!(output.terms[1].value.to_scalar::<f32>()?, 0.5);
//! # Ok::<(), mbls_core::Error>(())
//! ```

mod batch;
mod cross_entropy;
mod entropy_penalty;
mod focal;
mod label_smoothing;
mod logit_penalty;
mod margin;
mod ops;
mod output;
mod setting;
mod spec;

pub use batch::{LogitBatch, Reduction};
pub use cross_entropy::CrossEntropy;
pub use entropy_penalty::EntropyPenalty;
pub use focal::Focal;
pub use label_smoothing::LabelSmoothing;
pub use logit_penalty::LogitPenalty;
pub use margin::MarginLoss;
pub use output::{LossOutput, Term};
pub use spec::LossSpec;

use crate::Result;

/// A loss on a batch of logits.
pub trait Loss: Send + Sync {
    /// The loss's name, that of its kind in a [`LossSpec`].
    fn name(&self) -> &'static str;

    /// The loss of a batch: a scalar that can be differentiated, and the terms it is the weighted sum of; in the shape of
    /// the labels for [`Reduction::None`].
    ///
    /// Logits that are not finite give a loss that is not finite, no error.
    ///
    /// # Errors
    ///
    /// Where candle fails, out of memory for example.
    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput>;

    /// Moves what the loss schedules over epochs; called after each, with its index from 0.
    fn end_epoch(&mut self, _epoch: usize) {}
}
