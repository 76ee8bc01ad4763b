//! Optimizers with PyTorch's semantics, learning rate schedules, gradient clipping and averages of
//! weights.

mod adam;
mod clip;
mod elementwise;
mod ema;
mod parameters;
mod plateau;
mod schedule;
mod sgd;

pub use adam::{Adam, AdamConfig, AdamW, AdamWConfig};
pub use clip::{clip_grad_norm, clip_grad_value};
pub use ema::{Ema, EmaConfig, SwappedIn};
pub use parameters::{ParamGroup, Parameters};
pub use plateau::{PlateauMode, ReduceOnPlateau, ThresholdMode};
pub use schedule::Schedule;
pub use sgd::{Sgd, SgdConfig};

use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use parameters::gradients;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Updates parameters along their gradients.
///
/// A parameter of half precision (`bf16`, `f16`) is updated in `f32`: the optimizer keeps the
/// parameter and the state in `f32` and rounds after each step, so small steps accumulate. If the
/// parameter was set from elsewhere since the last step, the optimizer continues from that value.
///
/// After [`load_state`](Self::load_state) with a saved [`state`](Self::state), the following steps
/// are bit-identical to those of an uninterrupted run. A state is saved like any other tensors by
/// name:
///
/// ```no_run
/// use candle_core::{DType, Device};
/// use mbls_nn::{Adam, AdamConfig, Linear, Optimizer, ParamStore};
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// Linear::new(8, 3, store.var_builder().pp("fc"))?;
/// let mut adam = Adam::new(store.parameters(), AdamConfig::default())?;
/// candle_core::safetensors::save(&adam.state().into_iter().collect(), "adam.safetensors")?;
/// let state = candle_core::safetensors::load("adam.safetensors", &Device::Cpu)?;
/// adam.load_state(&state.into_iter().collect())?;
/// # Ok::<(), mbls_nn::Error>(())
/// ```
pub trait Optimizer: Send {
    /// Performs one update with this learning rate. A parameter without gradient stays unchanged,
    /// as in PyTorch.
    ///
    /// # Errors
    ///
    /// Fails if the learning rate is negative or not finite, or if a gradient's shape, type or
    /// device differs from its parameter's. In these cases nothing has changed.
    fn step(&mut self, grads: &GradStore, learning_rate: f64) -> Result<()>;

    /// Returns the state that the next step depends on besides parameters and gradients, by
    /// `<parameter>.<PyTorch's name>`.
    ///
    /// The tensors share the optimizer's memory; [`Tensor::copy`] them to keep the current values.
    fn state(&self) -> BTreeMap<String, Tensor>;

    /// Restores a state, converted to the types of this optimizer's state.
    ///
    /// # Errors
    ///
    /// [`Error::State`] lists names that are missing, unexpected or of another shape, integers in
    /// place of floating-point numbers, and counts that are not non-negative integers. In these
    /// cases nothing has changed.
    fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()>;
}

/// An optimizer and its settings, as written in a recipe file.
///
/// ```
/// use mbls_nn::{OptimizerConfig, SgdConfig};
///
/// let json = r#"{"kind": "sgd", "momentum": 0.9, "weight_decay": 0.0005}"#;
/// let config: OptimizerConfig = serde_json::from_str(json)?;
/// assert_eq!(
///     config,
///     OptimizerConfig::Sgd(SgdConfig {
///         momentum: 0.9,
///         weight_decay: 5e-4,
///         ..Default::default()
///     })
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OptimizerConfig {
    /// [`Sgd`].
    Sgd(SgdConfig),
    /// [`Adam`].
    Adam(AdamConfig),
    /// [`AdamW`].
    #[serde(rename = "adamw")]
    AdamW(AdamWConfig),
}

impl OptimizerConfig {
    /// Creates the optimizer of these parameters.
    ///
    /// # Errors
    ///
    /// Fails if a setting is out of range or a name or variable occurs twice.
    pub fn build(&self, parameters: impl Into<Parameters>) -> Result<Box<dyn Optimizer>> {
        Ok(match *self {
            Self::Sgd(config) => Box::new(Sgd::new(parameters, config)?),
            Self::Adam(config) => Box::new(Adam::new(parameters, config)?),
            Self::AdamW(config) => Box::new(AdamW::new(parameters, config)?),
        })
    }
}

fn setting(name: &'static str, value: f64, valid: bool, expected: &'static str) -> Result<()> {
    if valid { Ok(()) } else { Err(Error::Setting { name, value: value.to_string(), expected }) }
}

fn at_least_zero(field: &'static str, value: f64) -> Result<()> {
    setting(field, value, value.is_finite() && value >= 0.0, "a finite number of at least 0")
}

/// Returns the tensors of these variables.
fn tensors(slots: Vec<(String, &Var)>) -> BTreeMap<String, Tensor> {
    slots.into_iter().map(|(name, var)| (name, var.as_detached_tensor())).collect()
}
