//! The trait of our operations.

use candle_core::{Layout, Result, Shape, Storage, Tensor};

/// The storage and layout of an input.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) storage: &'a Storage,
    pub(crate) layout: &'a Layout,
}

/// The gradients of the inputs that need one.
pub(crate) type Gradients = Vec<Option<Tensor>>;

/// An operation of tensors on one device.
pub(crate) trait Operation: Send + Sync + 'static {
    /// Returns the name for error messages.
    fn name(&self) -> &'static str;

    /// Computes the result.
    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)>;

    /// Computes the gradients of the inputs. For an input or a result that is not kept, the tensor
    /// only shows whether a gradient is needed.
    fn backward(&self, inputs: &[&Tensor], result: &Tensor, grad: &Tensor) -> Result<Gradients>;
}

/// The tensors that the backward pass of an operation reads; all others are released after the
/// forward pass.
#[derive(Clone, Copy)]
pub(crate) struct Keep<const N: usize> {
    /// Which inputs are kept.
    pub(crate) inputs: [bool; N],
    /// Whether the result is kept.
    pub(crate) result: bool,
}
