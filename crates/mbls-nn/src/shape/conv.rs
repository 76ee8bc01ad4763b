//! Settings and sizes of a convolution.

use super::place::check_places;
use super::window::Window;
use candle_core::{Result, Tensor, bail};

/// Settings of a [`Conv`](crate::Conv), per axis: height before width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvConfig<const D: usize> {
    /// Distance between two positions of the kernel.
    pub stride: [usize; D],
    /// Number of zeros added at either end.
    pub padding: [usize; D],
    /// Distance between two inputs under the kernel.
    pub dilation: [usize; D],
    /// Number of groups of channels that are convolved separately.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
    /// The initialisation of weight and bias.
    pub init: ConvInit,
}

/// Initialisation of weight and bias of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvInit {
    /// Normal with variance `2 / (out * kernel)`, as in torchvision's residual networks
    /// ([`KAIMING_NORMAL_FAN_OUT`](crate::init::KAIMING_NORMAL_FAN_OUT)); the bias as in
    /// `TorchUniform`.
    KaimingNormalFanOut,
    /// Uniform with bound `sqrt(6 / (in / groups * kernel))`, the bias zeros, as in the decoders of
    /// segmentation_models_pytorch ([`kaiming_uniform`](crate::init::kaiming_uniform)).
    KaimingUniformFanIn,
    /// Uniform with bound `sqrt(6 / ((in / groups + out) * kernel))`, the bias zeros, as in the
    /// heads of segmentation_models_pytorch ([`xavier_uniform`](crate::init::xavier_uniform)).
    XavierUniform,
    /// Uniform with bound `1 / sqrt(in / groups * kernel)`, also for the bias: PyTorch's default
    /// ([`torch_uniform`](crate::init::torch_uniform)).
    TorchUniform,
}

impl<const D: usize> ConvConfig<D> {
    /// Returns the settings of a convolution followed by a batch norm, whose shift makes a bias
    /// useless: no bias and the initialisation of residual networks
    /// ([`ConvInit::KaimingNormalFanOut`]), otherwise the defaults.
    pub const fn before_norm() -> Self {
        Self {
            stride: [1; D],
            padding: [0; D],
            dilation: [1; D],
            groups: 1,
            bias: false,
            init: ConvInit::KaimingNormalFanOut,
        }
    }
}

impl<const D: usize> Default for ConvConfig<D> {
    /// Returns PyTorch's defaults: stride 1, no padding, dilation 1, one group, a bias, uniform
    /// weights ([`ConvInit::TorchUniform`]).
    fn default() -> Self {
        Self { bias: true, init: ConvInit::TorchUniform, ..Self::before_norm() }
    }
}

/// The sizes of a convolution whose shapes fit. Sequences have height 1.
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
    /// 1 for sequences, 2 for images.
    pub(crate) axes: usize,
}

impl ConvDims {
    pub(crate) fn new<const D: usize>(
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        config: &ConvConfig<D>,
    ) -> Result<Self> {
        let name = conv_name::<D>();
        let fits = |t: &Tensor| t.rank() == D + 2;
        if !fits(x) {
            let expected = if D == 1 { "[N, C, L]" } else { "[N, C, H, W]" };
            bail!("{name}: input of shape {:?}, expected {expected}", x.shape());
        }
        if !fits(weight) || weight.elem_count() == 0 {
            bail!(
                "{name}: weight of shape {:?}, expected {} dimensions, none of them 0",
                weight.shape(),
                D + 2
            );
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
        // The intermediate tensors: the padded input, its windows, and the result.
        let padded = |size: usize, window: &Window| size + 2 * window.padding;
        let windows = [per_group, rows.kernel, columns.kernel, out_height, out_width];
        let sizes = [
            &[images, in_channels, padded(height, &rows), padded(width, &columns)][..],
            &[&[images, groups], &windows[..]].concat(),
            &[images, out_channels, out_height, out_width],
        ];
        let entries =
            |sizes: &[usize]| sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
        let widest = padded(height, &rows).max(padded(width, &columns));
        let limit = isize::MAX as usize / size_of::<f64>();
        if widest > u32::MAX as usize || sizes.iter().any(|s| entries(s).is_none_or(|n| n > limit))
        {
            bail!(
                "{name}: input of shape {:?} with padding = {:?} has too many windows",
                x.shape(),
                config.padding
            );
        }
        Ok(Self {
            images,
            in_channels,
            height,
            width,
            out_channels,
            out_height,
            out_width,
            groups,
            rows,
            columns,
            axes: D,
        })
    }

    /// Returns the shape of the result.
    pub(crate) fn out_shape(&self) -> Vec<usize> {
        let sizes = [self.out_height, self.out_width];
        [&[self.images, self.out_channels], &sizes[2 - self.axes..]].concat()
    }
}

/// Returns the name of a convolution in errors.
pub(crate) fn conv_name<const D: usize>() -> &'static str {
    const { assert!(D == 1 || D == 2, "convolutions have one or two dimensions") };
    if D == 1 { "conv1d" } else { "conv2d" }
}

pub(crate) fn check_groups(name: &str, inputs: usize, outputs: usize, groups: usize) -> Result<()> {
    if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        bail!(
            "{name}: groups = {groups}, expected a divisor of {inputs} input and {outputs} output channels"
        );
    }
    Ok(())
}
