//! What an operation of ours is.

use candle_core::{Layout, Result, Shape, Storage, Tensor};

/// An input's numbers.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) storage: &'a Storage,
    pub(crate) layout: &'a Layout,
}

/// The gradients of the inputs, where they are wanted.
pub(crate) type Gradients = Vec<Option<Tensor>>;

/// An operation of tensors on one device.
pub(crate) trait Operation: Send + Sync + 'static {
    /// What errors call it.
    fn name(&self) -> &'static str;

    /// The result.
    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)>;

    /// The gradients of the inputs. An input or a result that is not kept is a tensor that says
    /// nothing but whether a gradient is wanted.
    fn backward(&self, inputs: &[&Tensor], result: &Tensor, grad: &Tensor) -> Result<Gradients>;
}

/// What an operation reads again in its backward pass; all else need not outlive the forward pass.
#[derive(Clone, Copy)]
pub(crate) struct Keep<const N: usize> {
    /// Which inputs.
    pub(crate) inputs: [bool; N],
    /// Whether the result.
    pub(crate) result: bool,
}
