//! Stochastic gradient descent.

use super::{Optimizer, at_least_zero, check_names, elementwise, gradients, load, zeros_like};
use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of [`Sgd`]; all zero by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SgdConfig {
    /// Share of the previous step that is kept.
    pub momentum: f64,
    /// Factor of the parameter that is added to its gradient (L2).
    pub weight_decay: f64,
    /// Whether to step from where the momentum leads.
    pub nesterov: bool,
}

/// Stochastic gradient descent with momentum, as `torch.optim.SGD`.
///
/// With `d = g + weight_decay p`: `v <- momentum v + d`, then `p <- p - lr v`, or `p <- p - lr (d + momentum v)` with
/// Nesterov's momentum; `p <- p - lr d` without momentum. The state is `<parameter>.momentum_buffer`, nothing without
/// momentum.
///
/// # References
///
/// Sutskever et al., On the importance of initialization and momentum in deep learning, 2013, in PyTorch's form, where the
/// learning rate multiplies the momentum too.
///
/// ```
/// use candle_core::{Device, Var};
/// use mbls_nn::{Optimizer, Sgd, SgdConfig};
///
/// let p = Var::new(&[1f64, 2.0], &Device::Cpu)?;
/// let mut sgd = Sgd::new(vec![("p".into(), p.clone())], SgdConfig { momentum: 0.9, ..Default::default() })?;
/// for _ in 0..2 {
///     sgd.step(&p.sum_all()?.backward()?, 0.1)?;
/// }
/// // The second step is 1 + 0.9 times as long as the first.
/// assert!((p.to_vec1::<f64>()?[0] - (1.0 - 0.1 - 0.19)).abs() < 1e-12);
/// # Ok::<(), mbls_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Sgd {
    parameters: Vec<(String, Var)>,
    /// One per parameter; empty without momentum.
    momentum: Vec<Var>,
    config: SgdConfig,
}

impl Sgd {
    /// An optimizer of these parameters.
    ///
    /// # Errors
    ///
    /// Where a setting is negative or not finite, Nesterov's momentum is wanted without momentum, or a name occurs twice.
    pub fn new(parameters: Vec<(String, Var)>, config: SgdConfig) -> Result<Self> {
        at_least_zero("momentum", config.momentum)?;
        at_least_zero("weight_decay", config.weight_decay)?;
        if config.nesterov && config.momentum == 0.0 {
            let expected = "false where momentum is 0";
            return Err(Error::Setting { field: "nesterov", value: "true".into(), expected });
        }
        check_names(&parameters)?;
        let momentum = if config.momentum > 0.0 { zeros_like(&parameters)? } else { Vec::new() };
        Ok(Self { parameters, momentum, config })
    }

    fn slots(&self) -> Vec<(String, &Var)> {
        let name = |name: &String| format!("{name}.momentum_buffer");
        self.parameters.iter().zip(&self.momentum).map(|((p, _), v)| (name(p), v)).collect()
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, grads: &GradStore, learning_rate: f64) -> Result<()> {
        at_least_zero("learning_rate", learning_rate)?;
        let grads = gradients(&self.parameters, grads)?;
        for (i, ((_, p), g)) in self.parameters.iter().zip(grads).enumerate() {
            let Some(g) = g else { continue };
            let v = self.momentum.get(i);
            match elementwise::supports(p) {
                true => step_elements(p, v, &g, learning_rate, &self.config)?,
                false => step_tensors(p, v, &g, learning_rate, &self.config)?,
            }
        }
        Ok(())
    }

    fn state(&self) -> BTreeMap<String, Tensor> {
        self.slots().into_iter().map(|(name, var)| (name, var.as_detached_tensor())).collect()
    }

    fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        load("the state of SGD", &self.slots(), state)
    }
}

fn step_elements(p: &Var, v: Option<&Var>, g: &Tensor, lr: f64, config: &SgdConfig) -> Result<()> {
    let &SgdConfig { momentum, weight_decay, nesterov } = config;
    match v {
        None => elementwise::update(p, g, g, |p, g, _| p - lr * (g + weight_decay * p))?,
        Some(v) => {
            elementwise::update(v, p, g, |v, p, g| momentum * v + (g + weight_decay * p))?;
            match nesterov {
                true => elementwise::update(p, v, g, |p, v, g| p - lr * (g + weight_decay * p + momentum * v))?,
                false => elementwise::update(p, v, g, |p, v, _| p - lr * v)?,
            }
        }
    }
    Ok(())
}

fn step_tensors(p: &Var, v: Option<&Var>, g: &Tensor, lr: f64, config: &SgdConfig) -> Result<()> {
    let old = p.as_detached_tensor();
    let d = (g + (&old * config.weight_decay)?)?;
    let direction = match v {
        None => d,
        Some(v) => {
            v.set(&((v.as_detached_tensor() * config.momentum)? + &d)?)?;
            match config.nesterov {
                true => (d + (v.as_detached_tensor() * config.momentum)?)?,
                false => v.as_detached_tensor(),
            }
        }
    };
    Ok(p.set(&(old - (direction * lr)?)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn both_forms_of_the_step_agree() -> Result<()> {
        for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
            let config = SgdConfig { momentum, weight_decay: 0.1, nesterov };
            let start = [1f64, -2.0, 0.5];
            let make =
                || -> Result<(Var, Var)> { Ok((Var::new(&start, &Device::Cpu)?, Var::new(&[0f64; 3], &Device::Cpu)?)) };
            let ((p, v), (q, w)) = (make()?, make()?);
            for k in 0..4 {
                let g = Tensor::new(&[0.3 * k as f64, 1.0, -0.7], &Device::Cpu)?;
                step_elements(&p, (momentum > 0.0).then_some(&v), &g, 0.05, &config)?;
                step_tensors(&q, (momentum > 0.0).then_some(&w), &g, 0.05, &config)?;
                let worst = (p.as_tensor() - q.as_tensor())?.abs()?.max(0)?.to_scalar::<f64>()?;
                assert!(worst < 1e-14, "{config:?}: {worst}");
            }
            assert_ne!(p.to_vec1::<f64>()?, start);
        }
        Ok(())
    }
}
