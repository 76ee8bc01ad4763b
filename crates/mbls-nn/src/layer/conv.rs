//! Convolution.

use super::dispatch;
use super::place::check_places;
use crate::init;
use crate::window::Window;
use candle_core::{Module, Result, Tensor, bail};
use candle_nn::init::{FanInOut, NonLinearity};
use candle_nn::{Init, VarBuilder};

/// How the kernels of a [`Conv`] move, axis by axis: height before width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvConfig<const D: usize> {
    /// Distance between two positions.
    pub stride: [usize; D],
    /// Zeros added at either end.
    pub padding: [usize; D],
    /// Distance between two inputs that a kernel sees.
    pub dilation: [usize; D],
    /// Blocks of channels that do not see one another.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
    /// What weight and bias start from.
    pub init: ConvInit,
}

/// How the kernels of a [`Conv1d`] move.
pub type Conv1dConfig = ConvConfig<1>;

/// How the kernels of a [`Conv2d`] move.
pub type Conv2dConfig = ConvConfig<2>;

/// What weight and bias of a convolution start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvInit {
    /// Normal with variance `2 / (out * kernel)`, as in torchvision's residual networks
    /// ([`KAIMING_NORMAL_FAN_OUT`](init::KAIMING_NORMAL_FAN_OUT)); the bias as of `TorchUniform`.
    KaimingNormalFanOut,
    /// Uniform within `sqrt(6 / (in / groups * kernel))`, the bias zeros: as in the decoders of segmentation_models_pytorch
    /// ([`kaiming_uniform`](init::kaiming_uniform)).
    KaimingUniformFanIn,
    /// Uniform within `sqrt(6 / ((in / groups + out) * kernel))`, the bias zeros: as in the heads of segmentation_models_pytorch
    /// ([`xavier_uniform`](init::xavier_uniform)).
    XavierUniform,
    /// Uniform within `1 / sqrt(in / groups * kernel)`, and the bias too: PyTorch's default
    /// ([`torch_uniform`](init::torch_uniform)).
    TorchUniform,
}

impl<const D: usize> ConvConfig<D> {
    const fn plain(init: ConvInit) -> Self {
        Self { stride: [1; D], padding: [0; D], dilation: [1; D], groups: 1, bias: false, init }
    }
}

impl Default for Conv1dConfig {
    /// Stride 1, no padding, dilation 1, one group, a bias, the weight as PyTorch starts it.
    fn default() -> Self {
        Self { bias: true, ..Self::plain(ConvInit::TorchUniform) }
    }
}

impl Default for Conv2dConfig {
    /// Stride 1, no padding, dilation 1, one group, no bias, the weight as residual networks start it.
    fn default() -> Self {
        Self::plain(ConvInit::KaimingNormalFanOut)
    }
}

/// Cross-correlation of `D`-dimensional images with kernels; `D` is 1 ([`Conv1d`]) or 2 ([`Conv2d`]).
///
/// In two dimensions, with stride `s`, padding `p` and dilation `d` of each axis,
/// `y[n, o, i, j] = b[o] + sum_{c, u, v} w[o, c, u, v] x[n, c', i s0 + u d0 - p0, j s1 + v d1 - p1]`, `c'` being the `c`-th
/// input channel of `o`'s group; in one dimension likewise, with a single position and offset.
///
/// Weight and bias start as [`ConvInit`] says.
///
/// # Shapes
///
/// `[N, in, H, W]` to `[N, out, H', W']` with `H' = (H + 2 p0 - d0 (k0 - 1) - 1) / s0 + 1`, rounded down, `W'` likewise;
/// parameters `weight` `[out, in / groups, k0, k1]` and, if wanted, `bias` `[out]`. In one dimension `[N, in, L]` to
/// `[N, out, L']` and `weight` `[out, in / groups, k]`.
///
/// # References
///
/// He et al., Delving deep into rectifiers, 2015.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use mbls_nn::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, ParamStore};
///
/// let store = ParamStore::new(0, DType::F32, &Device::Cpu);
/// let config = Conv2dConfig { stride: [2, 1], padding: [1, 0], ..Default::default() };
/// let layer = Conv2d::new(3, 16, [3, 5], config, store.var_builder().pp("conv1"))?;
/// let y = layer.forward(&Tensor::zeros((2, 3, 8, 7), DType::F32, &Device::Cpu)?)?;
/// assert_eq!(y.dims(), [2, 16, 4, 3]);
///
/// let layer = Conv1d::new(100, 128, [5], Conv1dConfig::default(), store.var_builder().pp("conv2"))?;
/// let y = layer.forward(&Tensor::zeros((2, 100, 30), DType::F32, &Device::Cpu)?)?;
/// assert_eq!(y.dims(), [2, 128, 26]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conv<const D: usize> {
    weight: Tensor,
    bias: Option<Tensor>,
    config: ConvConfig<D>,
}

/// Cross-correlation of sequences `[N, C, L]`.
pub type Conv1d = Conv<1>;

/// Cross-correlation of images `[N, C, H, W]`.
pub type Conv2d = Conv<2>;

impl<const D: usize> Conv<D> {
    /// A layer of `outputs` kernels.
    ///
    /// # Errors
    ///
    /// Where a setting is 0, `groups` does not divide both channel counts, or the builder has no such tensors.
    pub fn new(
        inputs: usize,
        outputs: usize,
        kernel: [usize; D],
        config: ConvConfig<D>,
        vb: VarBuilder,
    ) -> Result<Self> {
        let name = name::<D>();
        for (field, value) in [("input channels", inputs), ("output channels", outputs), ("groups", config.groups)] {
            if value == 0 {
                bail!("{name}: {field} = 0, expected at least 1");
            }
        }
        for (field, values) in [("kernel", kernel), ("stride", config.stride), ("dilation", config.dilation)] {
            if values.contains(&0) {
                bail!("{name}: {field} = {values:?}, expected at least 1 for each axis");
            }
        }
        check_groups(name, inputs, outputs, config.groups)?;
        let per_group = inputs / config.groups;
        let Some(fan_in) = kernel.iter().try_fold(per_group, |n, &k| n.checked_mul(k)) else {
            bail!("{name}: {per_group} channels with kernel = {kernel:?} are too many weights");
        };
        let shape = [&[outputs, per_group], &kernel[..]].concat();
        let init = match config.init {
            ConvInit::KaimingNormalFanOut => init::KAIMING_NORMAL_FAN_OUT,
            ConvInit::KaimingUniformFanIn => init::kaiming_uniform(FanInOut::FanIn, NonLinearity::ReLU),
            ConvInit::XavierUniform => init::xavier_uniform(shape.as_slice(), 1.0)?,
            ConvInit::TorchUniform => init::torch_uniform(fan_in),
        };
        let bias_init = match config.init {
            ConvInit::KaimingUniformFanIn | ConvInit::XavierUniform => Init::Const(0.0),
            ConvInit::KaimingNormalFanOut | ConvInit::TorchUniform => init::torch_uniform(fan_in),
        };
        let weight = vb.get_with_hints(shape, "weight", init)?;
        let bias = match config.bias {
            true => Some(vb.get_with_hints(outputs, "bias", bias_init)?),
            false => None,
        };
        Ok(Self { weight, bias, config })
    }

    /// The weight `[out, in / groups, kernel ..]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias `[out]`.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// The settings.
    pub fn config(&self) -> &ConvConfig<D> {
        &self.config
    }
}

impl<const D: usize> Module for Conv<D> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        dispatch::conv(x, &self.weight, self.bias.as_ref(), &self.config)
    }
}

/// The sizes of a convolution whose shapes fit; one of sequences has height 1.
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
    pub(crate) fn new<const D: usize>(
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        config: &ConvConfig<D>,
    ) -> Result<Self> {
        let name = name::<D>();
        let fits = |t: &Tensor| t.rank() == D + 2;
        if !fits(x) {
            let expected = if D == 1 { "[N, C, L]" } else { "[N, C, H, W]" };
            bail!("{name}: input of shape {:?}, expected {expected}", x.shape());
        }
        if !fits(weight) || weight.elem_count() == 0 {
            bail!("{name}: weight of shape {:?}, expected {} dimensions, none of them 0", weight.shape(), D + 2);
        }
        if x.elem_count() == 0 {
            bail!("{name}: input of shape {:?} is empty", x.shape());
        }
        let (images, in_channels, out_channels, per_group) =
            (x.dims()[0], x.dims()[1], weight.dims()[0], weight.dims()[1]);
        let groups = config.groups;
        check_groups(name, in_channels, out_channels, groups)?;
        if per_group * groups != in_channels {
            bail!(
                "{name}: input of shape {:?} and weight of shape {:?} with {groups} group(s), expected {} input channels",
                x.shape(),
                weight.shape(),
                per_group * groups
            );
        }
        if let Some(bias) = bias
            && bias.dims() != [out_channels]
        {
            bail!("{name}: bias of shape {:?}, expected [{out_channels}]", bias.shape());
        }
        check_places(name, x, &[x.dtype()], &[("weight", Some(weight)), ("bias", bias)])?;
        let window = |axis: usize| Window {
            kernel: weight.dims()[axis + 2],
            stride: config.stride[axis],
            padding: config.padding[axis],
            dilation: config.dilation[axis],
        };
        let sized = |axis: usize, what: &str| {
            let (window, size) = (window(axis), x.dims()[axis + 2]);
            let out = window.output(size, &format!("{name}, {what}"))?;
            Ok::<_, candle_core::Error>((window, size, out))
        };
        let (columns, width, out_width) = sized(D - 1, if D == 1 { "length" } else { "width" })?;
        let (rows, height, out_height) = match D {
            1 => (Window { kernel: 1, stride: 1, padding: 0, dilation: 1 }, 1, 1),
            _ => sized(0, "height")?,
        };
        // What is made along the way: the padded image, its windows, and the result.
        let padded = |size: usize, window: &Window| size + 2 * window.padding;
        let windows = [per_group, rows.kernel, columns.kernel, out_height, out_width];
        let sizes = [
            &[images, in_channels, padded(height, &rows), padded(width, &columns)][..],
            &[&[images, groups], &windows[..]].concat(),
            &[images, out_channels, out_height, out_width],
        ];
        let entries = |sizes: &[usize]| sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
        let widest = padded(height, &rows).max(padded(width, &columns));
        let limit = isize::MAX as usize / size_of::<f64>();
        if widest > u32::MAX as usize || sizes.iter().any(|s| entries(s).is_none_or(|n| n > limit)) {
            bail!("{name}: input of shape {:?} with padding = {:?} has too many windows", x.shape(), config.padding);
        }
        Ok(Self { images, in_channels, height, width, out_channels, out_height, out_width, groups, rows, columns })
    }

    /// The shape of the result in `D` dimensions.
    pub(crate) fn out_shape<const D: usize>(&self) -> Vec<usize> {
        let sizes = [self.out_height, self.out_width];
        [&[self.images, self.out_channels], &sizes[2 - D..]].concat()
    }
}

/// The layer's name in errors.
fn name<const D: usize>() -> &'static str {
    const { assert!(D == 1 || D == 2, "convolutions have one or two dimensions") };
    if D == 1 { "conv1d" } else { "conv2d" }
}

fn check_groups(name: &str, inputs: usize, outputs: usize, groups: usize) -> Result<()> {
    if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        bail!("{name}: groups = {groups}, expected a divisor of {inputs} input and {outputs} output channels");
    }
    Ok(())
}
