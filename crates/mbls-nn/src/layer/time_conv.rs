//! Convolution over time of sequences that have their channels last.

use super::dispatch;
use super::place::check_places;
use crate::init;
use candle_core::{Module, Result, Tensor, bail};
use candle_nn::VarBuilder;

/// The widest window of a maximum: a place within it is kept as one byte.
pub(crate) const WIDEST_POOL: usize = 256;

/// What follows a [`TimeConv`] in one operation with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterTimeConv {
    /// Nothing.
    Nothing,
    /// ReLU.
    Relu,
    /// ReLU, then the maximum of this many neighbours in time, at every position (1 to 256).
    ReluMaxPool(usize),
    /// ReLU, then the maximum over all of the time.
    ReluMax,
}

/// Cross-correlation over time of sequences `[N, L, C]`, the order in which an embedding gives them: PyTorch's `Conv1d` without its
/// transpositions, at stride 1 and without padding.
///
/// `y[n, t, o] = b[o] + sum_{c, u} w[o, c, u] x[n, t + u, c]`. ReLU and maxima follow in the same operation where asked for; of equal
/// values the first in time gets the gradient, and the derivative of ReLU at 0 is 0. Where the maximum over all of the time follows,
/// the backward pass sees the windows of the maxima alone.
///
/// # Shapes
///
/// `[N, L, in]` to `[N, L - k + 1, out]`, or `[N, out]` over all of the time; parameters `weight` `[out, in, k]` and `bias` `[out]`, which start
/// uniform within `1 / sqrt(in k)` as PyTorch's do ([`torch_uniform`](init::torch_uniform)).
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use mbls_nn::{AfterTimeConv, ParamStore, TimeConv};
///
/// let store = ParamStore::new(0, DType::F32, &Device::Cpu);
/// let layer = TimeConv::new(100, 128, 5, store.var_builder().pp("conv1"))?;
/// let x = Tensor::zeros((2, 30, 100), DType::F32, &Device::Cpu)?;
/// assert_eq!(layer.forward(&x)?.dims(), [2, 26, 128]);
/// assert_eq!(layer.forward_then(&x, AfterTimeConv::ReluMaxPool(5))?.dims(), [2, 22, 128]);
/// assert_eq!(layer.forward_then(&x, AfterTimeConv::ReluMax)?.dims(), [2, 128]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TimeConv {
    weight: Tensor,
    bias: Tensor,
}

impl TimeConv {
    /// A layer of `outputs` kernels that see `kernel` entries each.
    ///
    /// # Errors
    ///
    /// Where a size is 0 or the builder has no such tensors.
    pub fn new(inputs: usize, outputs: usize, kernel: usize, vb: VarBuilder) -> Result<Self> {
        for (field, value) in [("input channels", inputs), ("output channels", outputs), ("kernel", kernel)] {
            if value == 0 {
                bail!("time convolution: {field} = 0, expected at least 1");
            }
        }
        let Some(fan_in) = inputs.checked_mul(kernel) else {
            bail!("time convolution: {inputs} channels with kernel = {kernel} are too many weights");
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

    /// The convolution with what follows it.
    ///
    /// # Errors
    ///
    /// As [`portable::time_conv`](crate::portable::time_conv).
    pub fn forward_then(&self, x: &Tensor, then: AfterTimeConv) -> Result<Tensor> {
        dispatch::time_conv(x, &self.weight, &self.bias, then)
    }
}

impl Module for TimeConv {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_then(x, AfterTimeConv::Nothing)
    }
}

/// The sizes of a convolution over time whose shapes fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeConvDims {
    pub(crate) sequences: usize,
    /// Entries of a sequence.
    pub(crate) length: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) kernel: usize,
    /// Positions of the kernel.
    pub(crate) positions: usize,
    /// Positions of the result; 1 over all of the time.
    pub(crate) pooled: usize,
}

impl TimeConvDims {
    pub(crate) fn new(x: &Tensor, weight: &Tensor, bias: &Tensor, then: AfterTimeConv) -> Result<Self> {
        const NAME: &str = "time convolution";
        let (&[sequences, length, inputs], &[outputs, channels, kernel]) = (x.dims(), weight.dims()) else {
            bail!(
                "{NAME}: input of shape {:?} and weight of shape {:?}, expected [N, L, C] and [O, C, k]",
                x.shape(),
                weight.shape()
            );
        };
        if inputs != channels || x.elem_count() == 0 || weight.elem_count() == 0 {
            bail!(
                "{NAME}: input of shape {:?} and weight of shape {:?}, expected as many channels, and nothing empty",
                x.shape(),
                weight.shape()
            );
        }
        if bias.dims() != [outputs] {
            bail!("{NAME}: bias of shape {:?}, expected [{outputs}]", bias.shape());
        }
        check_places(NAME, x, &[x.dtype()], &[("weight", Some(weight)), ("bias", Some(bias))])?;
        let pool = match then {
            AfterTimeConv::ReluMaxPool(pool) => pool,
            _ => 1,
        };
        if !(1..=WIDEST_POOL).contains(&pool) {
            bail!("{NAME}: maxima of {pool} neighbours, expected 1 to {WIDEST_POOL}");
        }
        let shrink = kernel - 1 + (pool - 1);
        if length <= shrink {
            bail!(
                "{NAME}: sequences of {length} entries, expected at least {} for a kernel of {kernel} and maxima of {pool}",
                shrink + 1
            );
        }
        // The result, and the gradient of one sequence between zeros.
        let limit = isize::MAX as usize / size_of::<f64>();
        let entries = |n: usize, rows: usize| n.checked_mul(rows)?.checked_mul(outputs).filter(|&n| n <= limit);
        if entries(sequences, length).is_none() || entries(1, length + 2 * kernel).is_none() {
            bail!("{NAME}: input of shape {:?} with {outputs} output channels has too many results", x.shape());
        }
        let positions = length - (kernel - 1);
        let pooled = if then == AfterTimeConv::ReluMax { 1 } else { positions - (pool - 1) };
        Ok(Self { sequences, length, inputs, outputs, kernel, positions, pooled })
    }

    /// The shape of the result.
    pub(crate) fn out_shape(&self, then: AfterTimeConv) -> Vec<usize> {
        match then {
            AfterTimeConv::ReluMax => vec![self.sequences, self.outputs],
            _ => vec![self.sequences, self.pooled, self.outputs],
        }
    }
}
