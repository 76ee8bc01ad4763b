//! The building block of the decoders.

use candle_core::{Module, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{Conv2d, ConvConfig, ConvInit};
use mbls_vision::model::ConvNorm;

/// `relu(norm(conv(x)))` with the spatial size of the input. A separable convolution is a depthwise
/// convolution followed by a 1x1 convolution.
#[derive(Clone, Debug)]
pub(super) struct Block {
    depthwise: Option<Conv2d>,
    unit: ConvNorm,
}

/// Configuration of a [`Block`].
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockShape {
    pub(super) channels: [usize; 2],
    /// Side of the kernel, an odd number.
    pub(super) kernel: usize,
    pub(super) dilation: usize,
    pub(super) separable: bool,
    pub(super) init: ConvInit,
}

impl BlockShape {
    /// Creates a dense convolution with PyTorch's default initialisation.
    pub(super) fn new(channels: [usize; 2], kernel: usize) -> Self {
        Self { channels, kernel, dilation: 1, separable: false, init: ConvInit::TorchUniform }
    }
}

impl Block {
    /// Builds a block. The parts of a separable convolution are `0` and `1` of `conv`.
    pub(super) fn new(shape: BlockShape, conv: VarBuilder, norm: VarBuilder) -> Result<Self> {
        let BlockShape { channels, kernel, dilation, separable, init } = shape;
        let plain = ConvConfig { init, ..ConvConfig::before_norm() };
        let dilated = ConvConfig { dilation: [dilation; 2], ..plain };
        if !separable {
            return Ok(Self {
                depthwise: None,
                unit: ConvNorm::new(channels, kernel, dilated, conv, norm)?,
            });
        }
        let padding = [kernel / 2 * dilation; 2];
        let apart = ConvConfig { groups: channels[0], padding, ..dilated };
        let depthwise = Conv2d::new(channels[0], channels[0], [kernel; 2], apart, conv.pp("0"))?;
        Ok(Self {
            depthwise: Some(depthwise),
            unit: ConvNorm::new(channels, 1, plain, conv.pp("1"), norm)?,
        })
    }

    /// Builds a block whose convolution and norm are `0` and `1` of `vb`.
    pub(super) fn sequence(shape: BlockShape, vb: VarBuilder) -> Result<Self> {
        Self::new(shape, vb.pp("0"), vb.pp("1"))
    }
}

impl ModuleT for Block {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match &self.depthwise {
            Some(depthwise) => self.unit.forward_relu(&depthwise.forward(x)?, None, train),
            None => self.unit.forward_relu(x, None, train),
        }
    }
}
