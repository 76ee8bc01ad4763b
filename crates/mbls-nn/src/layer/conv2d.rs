//! Convolution.

use super::dispatch;
use crate::init;
use crate::window::{Window, image_dims};
use candle_core::{Module, Result, Tensor, bail};
use candle_nn::VarBuilder;

/// How a [`Conv2d`]'s kernels move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dConfig {
    /// Distance between two positions.
    pub stride: usize,
    /// Zeros added on every side.
    pub padding: usize,
    /// Distance between two inputs that a kernel sees.
    pub dilation: usize,
    /// Blocks of channels that do not see one another.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Default for Conv2dConfig {
    /// Stride 1, no padding, dilation 1, one group, no bias.
    fn default() -> Self {
        Self { stride: 1, padding: 0, dilation: 1, groups: 1, bias: false }
    }
}

/// Cross-correlation of images with square kernels.
///
/// `y[n, o, i, j] = b[o] + sum_{c, u, v} w[o, c, u, v] x[n, c', i s + u d - p, j s + v d - p]`, `c'` being the `c`-th input
/// channel of `o`'s group.
///
/// The weight starts normal with variance `2 / (out k^2)` ([`KAIMING_NORMAL_FAN_OUT`](crate::KAIMING_NORMAL_FAN_OUT)), as in
/// torchvision's residual networks, the bias uniform within `1 / sqrt(in / groups k^2)`, PyTorch's default.
///
/// # Shapes
///
/// `[N, in, H, W]` to `[N, out, H', W']` with `H' = (H + 2 p - d (k - 1) - 1) / s + 1`; parameters `weight`
/// `[out, in / groups, k, k]` and, if wanted, `bias` `[out]`.
///
/// # References
///
/// He et al., Delving deep into rectifiers, 2015.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use mbls_nn::{Conv2d, Conv2dConfig, ParamStore};
///
/// let store = ParamStore::new(0, DType::F32, &Device::Cpu);
/// let config = Conv2dConfig { stride: 2, padding: 1, ..Default::default() };
/// let layer = Conv2d::new(3, 16, 3, config, store.var_builder().pp("conv1"))?;
/// let y = layer.forward(&Tensor::zeros((2, 3, 8, 7), DType::F32, &Device::Cpu)?)?;
/// assert_eq!(y.dims(), [2, 16, 4, 4]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    config: Conv2dConfig,
}

impl Conv2d {
    /// A layer of `outputs` kernels of `kernel` x `kernel`.
    ///
    /// # Errors
    ///
    /// Where a setting is 0, `groups` does not divide both channel counts, or the builder has no such tensors.
    pub fn new(inputs: usize, outputs: usize, kernel: usize, config: Conv2dConfig, vb: VarBuilder) -> Result<Self> {
        let settings = [
            ("input channels", inputs),
            ("output channels", outputs),
            ("kernel", kernel),
            ("stride", config.stride),
            ("dilation", config.dilation),
            ("groups", config.groups),
        ];
        for (field, value) in settings {
            if value == 0 {
                bail!("conv2d: {field} = 0, expected at least 1");
            }
        }
        check_groups(inputs, outputs, config.groups)?;
        let fan_in = inputs / config.groups * kernel * kernel;
        let shape = (outputs, inputs / config.groups, kernel, kernel);
        let weight = vb.get_with_hints(shape, "weight", init::KAIMING_NORMAL_FAN_OUT)?;
        let bias = match config.bias {
            true => Some(vb.get_with_hints(outputs, "bias", init::torch_uniform(fan_in))?),
            false => None,
        };
        Ok(Self { weight, bias, config })
    }

    /// The weight `[out, in / groups, k, k]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias `[out]`.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// The settings.
    pub fn config(&self) -> &Conv2dConfig {
        &self.config
    }
}

impl Module for Conv2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        dispatch::conv2d(x, &self.weight, self.bias.as_ref(), &self.config)
    }
}

/// The sizes of a convolution whose shapes fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvDims {
    pub(crate) images: usize,
    pub(crate) in_channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) out_channels: usize,
    pub(crate) out_height: usize,
    pub(crate) out_width: usize,
    pub(crate) groups: usize,
    pub(crate) rows: Window,
    pub(crate) columns: Window,
}

impl ConvDims {
    pub(crate) fn new(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, config: &Conv2dConfig) -> Result<Self> {
        let (images, in_channels, height, width) = image_dims(x, "conv2d")?;
        let (out_channels, per_group, kh, kw) = weight.dims4()?;
        let &Conv2dConfig { stride, padding, dilation, groups, .. } = config;
        check_groups(in_channels, out_channels, groups)?;
        if per_group * groups != in_channels || out_channels == 0 {
            bail!(
                "conv2d: input of shape {:?} and weight of shape {:?} with {groups} group(s), expected {} input channels",
                x.shape(),
                weight.shape(),
                per_group * groups
            );
        }
        if let Some(bias) = bias
            && bias.dims() != [out_channels]
        {
            bail!("conv2d: bias of shape {:?}, expected [{out_channels}]", bias.shape());
        }
        let rows = Window { kernel: kh, stride, padding, dilation };
        let columns = Window { kernel: kw, ..rows };
        let out_height = rows.output(height, "conv2d, height")?;
        let out_width = columns.output(width, "conv2d, width")?;
        Ok(Self { images, in_channels, height, width, out_channels, out_height, out_width, groups, rows, columns })
    }
}

fn check_groups(inputs: usize, outputs: usize, groups: usize) -> Result<()> {
    if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        bail!("conv2d: groups = {groups}, expected a divisor of {inputs} input and {outputs} output channels");
    }
    Ok(())
}
