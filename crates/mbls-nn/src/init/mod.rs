//! What parameters start from: PyTorch's initialisers as hints for a
//! [`VarBuilder`](candle_nn::VarBuilder).
//!
//! A hint is candle's [`Init`]. Constants, normals and uniforms are its own variants; here are
//! those that follow from a parameter's shape, and PyTorch's defaults.
//!
//! | PyTorch | here |
//! |---|---|
//! | `constant_`, `normal_`, `uniform_` | `Init::Const(value)`, `Init::Randn { mean, stdev }`, `Init::Uniform { lo, up }` |
//! | `kaiming_normal_`, `kaiming_uniform_` | [`kaiming_normal`], [`kaiming_uniform`] |
//! | `xavier_normal_`, `xavier_uniform_` | [`xavier_normal`], [`xavier_uniform`] |
//! | `trunc_normal_` | [`TruncatedNormal`], which only [`ParamStore::initialise_truncated`](crate::ParamStore::initialise_truncated) takes |
//! | `calculate_gain` | `NonLinearity::gain`, [`leaky_relu`] |
//! | defaults of `Linear` and `Conv` | [`torch_uniform`] |
//! | default of `Embedding` | [`STANDARD_NORMAL`] |
//!
//! A layer of one's own gives the hint to its builder; the values of a layer that is there are
//! replaced by [`ParamStore::initialise`](crate::ParamStore::initialise). Both draw the same
//! values: a store's draws are a function of its seed, the parameter's name and shape, and the
//! hint.
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

/// Normal with variance `2 / (out * kh * kw)`: what residual networks draw their convolutions from.
///
/// # References
///
/// He et al., Delving deep into rectifiers, 2015; torchvision's ResNet (`kaiming_normal_`,
/// `fan_out`, `relu`).
pub const KAIMING_NORMAL_FAN_OUT: Init = kaiming_normal(FanInOut::FanOut, NonLinearity::ReLU);

/// Normal with mean 0 and variance 1: PyTorch's default for the table of an embedding.
pub const STANDARD_NORMAL: Init = Init::Randn { mean: 0.0, stdev: 1.0 };

/// Uniform within `1 / sqrt(fan_in)` of zero: PyTorch's default for weight and bias of a linear
/// layer or a convolution.
///
/// `kaiming_uniform_(a = sqrt(5))` amounts to the same bound. A `fan_in` of 0 gives zeros.
pub fn torch_uniform(fan_in: usize) -> Init {
    let bound = if fan_in == 0 { 0.0 } else { 1.0 / (fan_in as f64).sqrt() };
    Init::Uniform { lo: -bound, up: bound }
}

/// Normal with standard deviation `gain / sqrt(fan)`.
///
/// Of a weight `[out, in, kernel ..]`, `fan_in` is `in * kernel` and `fan_out` is `out * kernel`;
/// where a convolution has groups, `in` is that of one group and `out` that of all, as in PyTorch.
///
/// # References
///
/// He et al., Delving deep into rectifiers, 2015.
pub const fn kaiming_normal(fan: FanInOut, non_linearity: NonLinearity) -> Init {
    Init::Kaiming { dist: NormalOrUniform::Normal, fan, non_linearity }
}

/// Uniform within `sqrt(3) gain / sqrt(fan)` of zero, which has the standard deviation of
/// [`kaiming_normal`].
///
/// # References
///
/// He et al., Delving deep into rectifiers, 2015.
pub const fn kaiming_uniform(fan: FanInOut, non_linearity: NonLinearity) -> Init {
    Init::Kaiming { dist: NormalOrUniform::Uniform, fan, non_linearity }
}

/// Of a leaky rectifier, `gain = sqrt(2 / (1 + slope^2))`.
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

/// Normal with standard deviation `gain sqrt(2 / (fan_in + fan_out))`, the fans being those of
/// [`kaiming_normal`].
///
/// # Errors
///
/// Where the shape has fewer than two axes.
///
/// # References
///
/// Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks,
/// 2010.
pub fn xavier_normal(shape: impl Into<Shape>, gain: f64) -> candle_core::Result<Init> {
    Ok(Init::Randn { mean: 0.0, stdev: gain * xavier_std(&shape.into())? })
}

/// Uniform within `gain sqrt(6 / (fan_in + fan_out))` of zero, which has the standard deviation of
/// [`xavier_normal`].
///
/// # Errors
///
/// Where the shape has fewer than two axes.
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

/// Normal, but for values outside `low` to `high`: these are drawn again. The default is PyTorch's.
///
/// `mean`, `std`, `low` and `high` are `trunc_normal_`'s `mean`, `std`, `a` and `b`, the bounds
/// being values and not multiples of `std`. Other than there, the mean has to lie within the
/// bounds, as one seldom means anything else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruncatedNormal {
    /// The mean before truncation.
    pub mean: f64,
    /// The standard deviation before truncation, above 0.
    pub std: f64,
    /// The least value.
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
    /// Values for the variable `name`, which is like `like`.
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
