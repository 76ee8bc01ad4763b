//! Convolution.

use crate::init;
use crate::op::Backend;
use crate::shape::{ConvConfig, ConvInit, check_groups, conv_name};
use candle_core::{Module, Result, Tensor, bail};
use candle_nn::init::{FanInOut, NonLinearity};
use candle_nn::{Init, VarBuilder};

/// Cross-correlation of `D`-dimensional inputs with kernels; `D` is 1 ([`Conv1d`]) or 2
/// ([`Conv2d`]).
///
/// In two dimensions, with stride `s`, padding `p` and dilation `d` of each axis,
/// `y[n, o, i, j] = b[o] + sum_{c, u, v} w[o, c, u, v] x[n, c', i s0 + u d0 - p0, j s1 + v d1 - p1]`,
/// where `c'` is the `c`-th input channel of `o`'s group. One dimension is analogous, with a single
/// position and offset.
///
/// [`ConvInit`] determines the initial weight and bias.
///
/// # Shapes
///
/// `[N, in, H, W]` to `[N, out, H', W']` with `H' = (H + 2 p0 - d0 (k0 - 1) - 1) / s0 + 1`, rounded
/// down, `W'` likewise. Parameters `weight` `[out, in / groups, k0, k1]` and, with a bias, `bias`
/// `[out]`. In one dimension `[N, in, L]` to `[N, out, L']` and `weight` `[out, in / groups, k]`.
///
/// # References
///
/// He et al., Delving deep into rectifiers, 2015.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use mbls_nn::{Conv1d, Conv2d, ConvConfig, ParamStore};
///
/// let store = ParamStore::new(0, DType::F32, &Device::Cpu);
/// let config = ConvConfig { stride: [2, 1], padding: [1, 0], ..ConvConfig::before_norm() };
/// let layer = Conv2d::new(3, 16, [3, 5], config, store.var_builder().pp("conv1"))?;
/// let y = layer.forward(&Tensor::zeros((2, 3, 8, 7), DType::F32, &Device::Cpu)?)?;
/// assert_eq!(y.dims(), [2, 16, 4, 3]);
///
/// let layer = Conv1d::new(
///     100,
///     128,
///     [5],
///     ConvConfig::<1>::default(),
///     store.var_builder().pp("conv2"),
/// )?;
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
    /// Creates a layer with `outputs` kernels.
    ///
    /// # Errors
    ///
    /// Fails if a setting is 0, `groups` does not divide both channel counts, or the builder has no
    /// such tensors.
    pub fn new(
        inputs: usize,
        outputs: usize,
        kernel: [usize; D],
        config: ConvConfig<D>,
        vb: VarBuilder,
    ) -> Result<Self> {
        let name = conv_name::<D>();
        for (field, value) in
            [("input channels", inputs), ("output channels", outputs), ("groups", config.groups)]
        {
            if value == 0 {
                bail!("{name}: {field} = 0, expected at least 1");
            }
        }
        for (field, values) in
            [("kernel", kernel), ("stride", config.stride), ("dilation", config.dilation)]
        {
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
            ConvInit::KaimingUniformFanIn => {
                init::kaiming_uniform(FanInOut::FanIn, NonLinearity::ReLU)
            }
            ConvInit::XavierUniform => init::xavier_uniform(shape.as_slice(), 1.0)?,
            ConvInit::TorchUniform => init::torch_uniform(fan_in),
        };
        let bias_init = match config.init {
            ConvInit::KaimingUniformFanIn | ConvInit::XavierUniform => Init::Const(0.0),
            ConvInit::KaimingNormalFanOut | ConvInit::TorchUniform => init::torch_uniform(fan_in),
        };
        let weight = vb.get_with_hints(shape, "weight", init)?;
        let bias =
            if config.bias { Some(vb.get_with_hints(outputs, "bias", bias_init)?) } else { None };
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
        Backend::of(x).conv(x, &self.weight, self.bias.as_ref(), &self.config)
    }
}
