//! Initialisation of parameters: PyTorch's initialisers as hints for a
//! [`VarBuilder`](candle_nn::VarBuilder).
//!
//! A hint is candle's [`Init`], which has constants, normals and uniforms as variants. This module
//! adds those that follow from a parameter's shape, and PyTorch's defaults.
//!
//! | PyTorch | here |
//! |---|---|
//! | `constant_`, `normal_`, `uniform_` | `Init::Const(value)`, `Init::Randn { mean, stdev }`, `Init::Uniform { lo, up }` |
//! | `kaiming_normal_`, `kaiming_uniform_` | [`kaiming_normal`], [`kaiming_uniform`] |
//! | `xavier_normal_`, `xavier_uniform_` | [`xavier_normal`], [`xavier_uniform`] |
//! | `trunc_normal_` | [`TruncatedNormal`], accepted only by [`ParamStore::initialise_truncated`](crate::ParamStore::initialise_truncated) |
//! | `calculate_gain` | `NonLinearity::gain`, [`leaky_relu`] |
//! | defaults of `Linear` and `Conv` | [`torch_uniform`] |
//! | default of `Embedding` | [`STANDARD_NORMAL`] |
//!
//! A custom layer passes the hint to its builder.
//! [`ParamStore::initialise`](crate::ParamStore::initialise) replaces the values of an existing
//! layer. Both sample the same values: a store's samples are a function of its seed, the
//! parameter's name and shape, and the hint.
//!
//! ```
//! use candle_core::{DType, Device};
//! use mbls_nn::{Linear, ParamStore, init};
//!
//! let store = ParamStore::new(0, DType::F32, &Device::Cpu);
//! let layer = Linear::new(300, 100, store.var_builder().pp("fc"))?;
//! for (name, var) in store.parameters() {
//!     if name.ends_with("weight") {
//!         store.initialise(&name, init::xavier_uniform(var.dims(), 1.0)?)?;
//!     }
//! }
//! let largest = layer.weight().abs()?.max_all()?.to_scalar::<f32>()?;
//! assert!((largest - (6f32 / 400.0).sqrt()).abs() < 1e-4);
//! # Ok::<(), mbls_nn::Error>(())
//! ```

mod draw;

pub(crate) use draw::draw;

use crate::{Error, Result};
use candle_core::{Shape, Tensor, bail};
use candle_nn::Init;
use candle_nn::init::{FanInOut, NonLinearity, NormalOrUniform};

/// Normal with variance `2 / (out * kh * kw)`, the initialisation of convolutions in residual
/// networks.
///
/// # References
///
/// He et al., Delving deep into rectifiers, 2015; torchvision's ResNet (`kaiming_normal_`,
/// `fan_out`, `relu`).
pub const KAIMING_NORMAL_FAN_OUT: Init = kaiming_normal(FanInOut::FanOut, NonLinearity::ReLU);

/// Normal with mean 0 and variance 1: PyTorch's default for the table of an embedding.
pub const STANDARD_NORMAL: Init = Init::Randn { mean: 0.0, stdev: 1.0 };

/// Uniform in `[-1 / sqrt(fan_in), 1 / sqrt(fan_in)]`: PyTorch's default for weight and bias of a
/// linear layer or a convolution.
///
/// PyTorch's `kaiming_uniform_(a = sqrt(5))` has the same bound. A `fan_in` of 0 gives zeros.
pub fn torch_uniform(fan_in: usize) -> Init {
    let bound = if fan_in == 0 { 0.0 } else { 1.0 / (fan_in as f64).sqrt() };
    Init::Uniform { lo: -bound, up: bound }
}

/// Normal with standard deviation `gain / sqrt(fan)`.
///
/// For a weight `[out, in, kernel ..]`, `fan_in` is `in * kernel` and `fan_out` is `out * kernel`.
/// For a convolution with groups, `in` is that of one group and `out` that of all groups, as in
/// PyTorch.
///
/// # References
///
/// He et al., Delving deep into rectifiers, 2015.
pub const fn kaiming_normal(fan: FanInOut, non_linearity: NonLinearity) -> Init {
    Init::Kaiming { dist: NormalOrUniform::Normal, fan, non_linearity }
}

/// Uniform with bound `sqrt(3) gain / sqrt(fan)` around zero, which has the standard deviation of
/// [`kaiming_normal`].
///
/// # References
///
/// He et al., Delving deep into rectifiers, 2015.
pub const fn kaiming_uniform(fan: FanInOut, non_linearity: NonLinearity) -> Init {
    Init::Kaiming { dist: NormalOrUniform::Uniform, fan, non_linearity }
}

/// Returns the leaky ReLU as a non-linearity, with `gain = sqrt(2 / (1 + slope^2))`.
///
/// ```
/// use candle_nn::init::FanInOut;
/// use mbls_nn::init;
///
/// let hint = init::kaiming_uniform(FanInOut::FanIn, init::leaky_relu(0.1));
/// assert!((init::leaky_relu(3f64.sqrt()).gain() - 0.5f64.sqrt()).abs() < 1e-15);
/// ```
pub fn leaky_relu(slope: f64) -> NonLinearity {
    NonLinearity::ExplicitGain((2.0 / (1.0 + slope * slope)).sqrt())
}

/// Normal with standard deviation `gain sqrt(2 / (fan_in + fan_out))`, with the fans of
/// [`kaiming_normal`].
///
/// # Errors
///
/// Fails if the shape has fewer than two axes.
///
/// # References
///
/// Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks,
/// 2010.
pub fn xavier_normal(shape: impl Into<Shape>, gain: f64) -> candle_core::Result<Init> {
    Ok(Init::Randn { mean: 0.0, stdev: gain * xavier_std(&shape.into())? })
}

/// Uniform with bound `gain sqrt(6 / (fan_in + fan_out))` around zero, which has the standard
/// deviation of [`xavier_normal`].
///
/// # Errors
///
/// Fails if the shape has fewer than two axes.
///
/// # References
///
/// Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks,
/// 2010.
pub fn xavier_uniform(shape: impl Into<Shape>, gain: f64) -> candle_core::Result<Init> {
    let bound = 3f64.sqrt() * gain * xavier_std(&shape.into())?;
    Ok(Init::Uniform { lo: -bound, up: bound })
}

fn xavier_std(shape: &Shape) -> candle_core::Result<f64> {
    if shape.rank() < 2 {
        bail!("xavier: shape {shape:?}, expected at least two axes");
    }
    let fans = FanInOut::FanIn.for_shape(shape).saturating_add(FanInOut::FanOut.for_shape(shape));
    Ok((2.0 / fans.max(1) as f64).sqrt())
}

/// A normal distribution truncated to `[low, high]`: values outside are sampled again. The defaults
/// are PyTorch's.
///
/// `mean`, `std`, `low` and `high` are `trunc_normal_`'s `mean`, `std`, `a` and `b`; the bounds are
/// values, not multiples of `std`. Unlike PyTorch, this type requires the mean to be within the
/// bounds, because anything else is rarely intended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruncatedNormal {
    /// The mean before truncation.
    pub mean: f64,
    /// The standard deviation before truncation, above 0.
    pub std: f64,
    /// The smallest value.
    pub low: f64,
    /// The largest value.
    pub high: f64,
}

impl Default for TruncatedNormal {
    fn default() -> Self {
        Self { mean: 0.0, std: 1.0, low: -2.0, high: 2.0 }
    }
}

impl TruncatedNormal {
    /// Returns values for the variable `name`, with the shape, type and device of `like`.
    pub(crate) fn draw(self, seed: u64, name: &str, like: &Tensor) -> Result<Tensor> {
        let fits = self.mean.is_finite() && (self.low..=self.high).contains(&self.mean);
        if !(fits && self.std > 0.0 && self.std.is_finite()) {
            let expected = "finite numbers, std above 0, low <= mean <= high";
            return Err(Error::Setting {
                name: "truncated normal",
                value: format!("{self:?}"),
                expected,
            });
        }
        Ok(draw::draw_truncated(seed, name, like, self)?)
    }
}
