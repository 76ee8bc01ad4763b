//! Optimizers with PyTorch's semantics, learning rate schedules and gradient clipping.

mod adam;
mod clip;
mod elementwise;
mod schedule;
mod sgd;

pub use adam::{Adam, AdamConfig};
pub use clip::clip_grad_norm;
pub use schedule::Schedule;
pub use sgd::{Sgd, SgdConfig};

use crate::param_store::{check_names_and_shapes, set};
use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Moves parameters along their gradients.
///
/// After [`load_state`](Self::load_state) of a [`state`](Self::state), the steps that follow are bit-identical to those of
/// an uninterrupted run.
pub trait Optimizer: Send {
    /// One update with this learning rate. A parameter without gradient stays as it is, as in PyTorch.
    ///
    /// # Errors
    ///
    /// Where the learning rate is not a finite number of at least 0, or a gradient's shape or type is not its parameter's;
    /// nothing has changed then.
    fn step(&mut self, grads: &GradStore, learning_rate: f64) -> Result<()>;

    /// What the next step depends on besides parameters and gradients, by `<parameter>.<PyTorch's name>`.
    ///
    /// The tensors share the optimizer's memory; [`Tensor::copy`] them to keep the present values.
    fn state(&self) -> BTreeMap<String, Tensor>;

    /// Restores a state.
    ///
    /// # Errors
    ///
    /// [`Error::State`] lists names that are missing, unexpected or of another shape; nothing has changed then.
    fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()>;
}

/// An optimizer and its settings, as a recipe file states them.
///
/// ```
/// use mbls_nn::{OptimizerConfig, SgdConfig};
///
/// let json = r#"{"kind": "sgd", "momentum": 0.9, "weight_decay": 0.0005}"#;
/// let config: OptimizerConfig = serde_json::from_str(json)?;
/// assert_eq!(config, OptimizerConfig::Sgd(SgdConfig { momentum: 0.9, weight_decay: 5e-4, nesterov: false }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OptimizerConfig {
    /// [`Sgd`].
    Sgd(SgdConfig),
    /// [`Adam`].
    Adam(AdamConfig),
}

impl OptimizerConfig {
    /// The optimizer of these parameters.
    ///
    /// # Errors
    ///
    /// Where a setting is out of range or a name occurs twice.
    pub fn build(&self, parameters: Vec<(String, Var)>) -> Result<Box<dyn Optimizer>> {
        Ok(match *self {
            Self::Sgd(config) => Box::new(Sgd::new(parameters, config)?),
            Self::Adam(config) => Box::new(Adam::new(parameters, config)?),
        })
    }
}

fn setting(field: &'static str, value: f64, valid: bool, expected: &'static str) -> Result<()> {
    match valid {
        true => Ok(()),
        false => Err(Error::Setting { field, value: value.to_string(), expected }),
    }
}

fn at_least_zero(field: &'static str, value: f64) -> Result<()> {
    setting(field, value, value.is_finite() && value >= 0.0, "a finite number of at least 0")
}

fn check_names(parameters: &[(String, Var)]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (name, _) in parameters {
        if !seen.insert(name) {
            return Err(Error::Setting { field: "parameter", value: name.clone(), expected: "every name once" });
        }
    }
    Ok(())
}

/// The gradients of `parameters`, `None` where there is none.
fn gradients(parameters: &[(String, Var)], grads: &GradStore) -> Result<Vec<Option<Tensor>>> {
    let one = |(name, var): &(String, Var)| {
        let Some(grad) = grads.get(var) else { return Ok(None) };
        if grad.shape() != var.shape() || grad.dtype() != var.dtype() {
            return Err(Error::Gradient {
                name: name.clone(),
                found: format!("{:?} of {:?}", grad.shape(), grad.dtype()),
                expected: format!("{:?} of {:?}", var.shape(), var.dtype()),
            });
        }
        Ok(Some(grad.detach().contiguous()?))
    };
    parameters.iter().map(one).collect()
}

/// Zeros like each parameter.
fn zeros_like(parameters: &[(String, Var)]) -> Result<Vec<Var>> {
    parameters.iter().map(|(_, var)| Ok(Var::zeros(var.shape(), var.dtype(), var.device())?)).collect()
}

/// Sets the variables of an optimizer from a saved state, or none of them.
fn load(what: &'static str, slots: &[(String, &Var)], state: &BTreeMap<String, Tensor>) -> Result<()> {
    check_names_and_shapes(what, slots.iter().map(|(name, var)| (name.as_str(), var.shape())), state)?;
    for (name, var) in slots {
        if let Some(tensor) = state.get(name) {
            set(var, tensor)?;
        }
    }
    Ok(())
}
