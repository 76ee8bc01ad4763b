//! Convolution over time of channels-last sequences.

use crate::init;
use crate::op::Backend;
use crate::shape::ConvEpilogue;
use candle_core::{Module, Result, Tensor, bail};
use candle_nn::VarBuilder;

/// Cross-correlation over time of channels-last sequences `[N, L, C]`, the layout that an embedding
/// returns. Equivalent to PyTorch's `Conv1d` without the transpositions, at stride 1 and without
/// padding.
///
/// `y[n, t, o] = b[o] + sum_{c, u} w[o, c, u] x[n, t + u, c]`. ReLU and maxima optionally follow in
/// the same operation. Of ties, the first in time gets the gradient, and the derivative of ReLU at
/// 0 is 0. If the maximum over all time follows, the backward pass only visits the windows of the
/// maxima.
///
/// # Shapes
///
/// `[N, L, in]` to `[N, L - k + 1, out]`, or `[N, out]` with the maximum over all time. Parameters
/// `weight` `[out, in, k]` and `bias` `[out]`, initialised uniformly in
/// `[-1 / sqrt(in k), 1 / sqrt(in k)]` as in PyTorch ([`torch_uniform`](init::torch_uniform)).
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use mbls_nn::{Conv1dChannelsLast, ConvEpilogue, ParamStore};
///
/// let store = ParamStore::new(0, DType::F32, &Device::Cpu);
/// let layer = Conv1dChannelsLast::new(100, 128, 5, store.var_builder().pp("conv1"))?;
/// let x = Tensor::zeros((2, 30, 100), DType::F32, &Device::Cpu)?;
/// assert_eq!(layer.forward(&x)?.dims(), [2, 26, 128]);
/// assert_eq!(layer.forward_with(&x, ConvEpilogue::ReluMaxPool(5))?.dims(), [2, 22, 128]);
/// assert_eq!(layer.forward_with(&x, ConvEpilogue::ReluMax)?.dims(), [2, 128]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conv1dChannelsLast {
    weight: Tensor,
    bias: Tensor,
}

impl Conv1dChannelsLast {
    /// Creates a layer with `outputs` kernels of size `kernel`.
    ///
    /// # Errors
    ///
    /// Fails if a size is 0 or the builder has no such tensors.
    pub fn new(inputs: usize, outputs: usize, kernel: usize, vb: VarBuilder) -> Result<Self> {
        for (field, value) in
            [("input channels", inputs), ("output channels", outputs), ("kernel", kernel)]
        {
            if value == 0 {
                bail!("channels-last conv1d: {field} = 0, expected at least 1");
            }
        }
        let Some(fan_in) = inputs.checked_mul(kernel) else {
            bail!(
                "channels-last conv1d: {inputs} channels with kernel = {kernel} are too many weights"
            );
        };
        let init = init::torch_uniform(fan_in);
        let weight = vb.get_with_hints((outputs, inputs, kernel), "weight", init)?;
        Ok(Self { weight, bias: vb.get_with_hints(outputs, "bias", init)? })
    }

    /// The weight `[out, in, kernel]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias `[out]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// Computes the convolution and its epilogue.
    ///
    /// # Errors
    ///
    /// Fails if the shapes or types do not fit, the input is empty, or sequences are shorter than
    /// kernel and pool require.
    pub fn forward_with(&self, x: &Tensor, epilogue: ConvEpilogue) -> Result<Tensor> {
        Backend::of(x).conv1d_channels_last(x, &self.weight, &self.bias, epilogue)
    }
}

impl Module for Conv1dChannelsLast {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_with(x, ConvEpilogue::Nothing)
    }
}
