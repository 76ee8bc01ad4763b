//! Convolution over time.

use super::Backend;
use crate::cpu;
use crate::shape::{ChannelsLastDims, ConvConfig, ConvEpilogue, PoolSize};
use candle_core::{D, Result, Tensor};

impl Backend {
    /// Computes the cross-correlation over time of channels-last sequences, and the epilogue.
    ///
    /// Only the CPU has a fused operation. The other back ends compose it of their convolution,
    /// ReLU and pool.
    ///
    /// # Shapes
    ///
    /// `x` `[N, L, C]`, `weight` `[O, C, k]`, `bias` `[O]`; the result `[N, L', O]`, after
    /// [`ConvEpilogue::ReluMax`] `[N, O]`.
    ///
    /// # Errors
    ///
    /// Fails if the shapes or types do not fit, the input is empty, or sequences are shorter than
    /// kernel and pool require.
    pub fn conv1d_channels_last(
        self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        epilogue: ConvEpilogue,
    ) -> Result<Tensor> {
        let dims = ChannelsLastDims::new(x, weight, bias, epilogue)?;
        if self == Self::Cpu {
            return cpu::conv1d_channels_last(x, weight, bias, dims);
        }
        let turned = x.transpose(1, 2)?.contiguous()?;
        let y = self.conv(&turned, weight, Some(bias), &ConvConfig::<1>::default())?;
        let y = if epilogue == ConvEpilogue::Nothing { y } else { self.relu(&y)? };
        let kernel = match epilogue {
            ConvEpilogue::Nothing | ConvEpilogue::Relu => 1,
            ConvEpilogue::ReluMaxPool(kernel) => kernel,
            ConvEpilogue::ReluMax => dims.positions,
        };
        let y = if kernel == 1 { y } else { self.max_pool(&y, &PoolSize::<1>::new(kernel, 1, 0))? };
        match epilogue {
            ConvEpilogue::ReluMax => y.squeeze(D::Minus1),
            _ => y.transpose(1, 2)?.contiguous(),
        }
    }
}
