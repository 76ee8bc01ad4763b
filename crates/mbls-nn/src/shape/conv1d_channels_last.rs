//! Sizes and epilogue of a convolution over time of channels-last sequences.

use super::place::check_places;
use candle_core::{Result, Tensor, bail};

/// The widest window of a maximum: a position within it is stored as one byte.
const WIDEST_POOL: usize = 256;

/// An epilogue that is fused with a [`Conv1dChannelsLast`](crate::Conv1dChannelsLast).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvEpilogue {
    /// No epilogue: returns the sums.
    Nothing,
    /// ReLU, `max(x, 0)`.
    Relu,
    /// ReLU, then the maximum of this many consecutive positions (1 to 256), at every position.
    ReluMaxPool(usize),
    /// ReLU, then the maximum over all time.
    ReluMax,
}

/// The sizes of a convolution over time whose shapes fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChannelsLastDims {
    pub(crate) sequences: usize,
    /// Number of entries of a sequence.
    pub(crate) length: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) kernel: usize,
    /// Number of positions of the kernel.
    pub(crate) positions: usize,
    /// Number of positions of the result; 1 for the maximum over all time.
    pub(crate) pooled: usize,
    /// The epilogue of the convolution.
    pub(crate) epilogue: ConvEpilogue,
}

impl ChannelsLastDims {
    pub(crate) fn new(
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        epilogue: ConvEpilogue,
    ) -> Result<Self> {
        const NAME: &str = "channels-last conv1d";
        let (&[sequences, length, inputs], &[outputs, channels, kernel]) =
            (x.dims(), weight.dims())
        else {
            bail!(
                "{NAME}: input of shape {:?} and weight of shape {:?}, expected [N, L, C] and [O, C, k]",
                x.shape(),
                weight.shape()
            );
        };
        if inputs != channels || x.elem_count() == 0 || weight.elem_count() == 0 {
            bail!(
                "{NAME}: input of shape {:?} and weight of shape {:?}, expected equal channels and no size 0",
                x.shape(),
                weight.shape()
            );
        }
        if bias.dims() != [outputs] {
            bail!("{NAME}: bias of shape {:?}, expected [{outputs}]", bias.shape());
        }
        check_places(NAME, x, &[x.dtype()], &[("weight", Some(weight)), ("bias", Some(bias))])?;
        let pool = match epilogue {
            ConvEpilogue::ReluMaxPool(pool) => pool,
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
        // The result, and the zero-padded gradient of one sequence.
        let limit = isize::MAX as usize / size_of::<f64>();
        let entries = |n: usize, rows: usize| {
            n.checked_mul(rows)?.checked_mul(outputs).filter(|&n| n <= limit)
        };
        if entries(sequences, length).is_none() || entries(1, length + 2 * kernel).is_none() {
            bail!(
                "{NAME}: input of shape {:?} with {outputs} output channels has too many results",
                x.shape()
            );
        }
        let positions = length - (kernel - 1);
        let pooled = if epilogue == ConvEpilogue::ReluMax { 1 } else { positions - (pool - 1) };
        Ok(Self { sequences, length, inputs, outputs, kernel, positions, pooled, epilogue })
    }

    /// Returns the shape of the result.
    pub(crate) fn out_shape(&self) -> Vec<usize> {
        match self.epilogue {
            ConvEpilogue::ReluMax => vec![self.sequences, self.outputs],
            _ => vec![self.sequences, self.pooled, self.outputs],
        }
    }
}
