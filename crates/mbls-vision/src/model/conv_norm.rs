//! A convolution with batch norm.

use candle_core::{Module, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{BatchNorm2d, Conv2d, ConvConfig};

/// `norm(conv(x))`, where the convolution preserves the size except for its stride: the building
/// block of residual networks and the heads on them.
///
/// # Shapes
///
/// `[N, channels[0], H, W]` to `[N, channels[1], H', W']`, where `H'` is `H` divided by the stride,
/// rounded up. The parameters of the convolution and of the batch norm come from separate builders.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mbls_nn::{ConvConfig, ParamStore};
/// use mbls_vision::model::ConvNorm;
///
/// let vb = ParamStore::new(1, DType::F32, &Device::Cpu).var_builder();
/// let config = ConvConfig { dilation: [6; 2], ..ConvConfig::before_norm() };
/// let layer = ConvNorm::new([3, 8], 3, config, vb.pp("conv"), vb.pp("bn"))?;
/// let y = layer.forward_relu(
///     &Tensor::zeros((2, 3, 9, 7), DType::F32, &Device::Cpu)?,
///     None,
///     true,
/// )?;
/// assert_eq!(y.dims(), [2, 8, 9, 7]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm2d,
}

impl ConvNorm {
    /// Creates a layer. `kernel` is a single odd side; the padding follows from it and the
    /// dilation.
    ///
    /// # Errors
    ///
    /// If a size is 0, the groups do not divide the channels, or a builder does not have the
    /// tensors.
    pub fn new(
        channels: [usize; 2],
        kernel: usize,
        config: ConvConfig<2>,
        conv: VarBuilder,
        norm: VarBuilder,
    ) -> Result<Self> {
        let [inputs, outputs] = channels;
        let padding = config.dilation.map(|dilation| (kernel / 2).saturating_mul(dilation));
        let conv =
            Conv2d::new(inputs, outputs, [kernel; 2], ConvConfig { padding, ..config }, conv)?;
        Ok(Self { conv, norm: BatchNorm2d::new(outputs, norm)? })
    }

    /// Computes `relu(norm(conv(x)) + residual)`, without a residual `relu(norm(conv(x)))`.
    ///
    /// # Errors
    ///
    /// As for the two layers.
    pub fn forward_relu(
        &self,
        x: &Tensor,
        residual: Option<&Tensor>,
        train: bool,
    ) -> Result<Tensor> {
        self.norm.forward_relu(&self.conv.forward(x)?, residual, train)
    }
}

impl ModuleT for ConvNorm {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.norm.forward_t(&self.conv.forward(x)?, train)
    }
}
