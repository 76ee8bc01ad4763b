//! Stochastic gradient descent.

use super::parameters::{Parameters, Trained};
use super::{Optimizer, at_least_zero, elementwise, gradients, tensors};
#[cfg(feature = "cuda")]
use crate::cuda;
use crate::{Error, Fit, Result, state};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of [`Sgd`]; all zero by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SgdConfig {
    /// The fraction of the previous step that is kept.
    pub momentum: f64,
    /// The fraction of the gradient that is left out of the momentum.
    pub dampening: f64,
    /// L2 weight decay: this multiple of the parameter is added to its gradient.
    pub weight_decay: f64,
    /// Whether to use Nesterov momentum.
    pub nesterov: bool,
}

/// Stochastic gradient descent with momentum, as in `torch.optim.SGD`.
///
/// With `d = g + weight_decay p`: `v <- momentum v + (1 - dampening) d`, then `p <- p - lr v`, or
/// `p <- p - lr (d + momentum v)` with Nesterov momentum; `p <- p - lr d` without momentum. As in
/// PyTorch, the first `v` is `d`, with or without dampening.
///
/// The state of a parameter is `<parameter>.momentum_buffer`, or nothing without momentum. With
/// dampening it also has `<parameter>.step`, the number of steps taken. A parameter of half
/// precision has `<parameter>.master`, its `f32` weights.
///
/// # References
///
/// Sutskever et al., On the importance of initialization and momentum in deep learning, 2013, in
/// PyTorch's form, where the learning rate also multiplies the momentum.
///
/// ```
/// use candle_core::{Device, Var};
/// use mbls_nn::{Optimizer, Sgd, SgdConfig};
///
/// let p = Var::new(&[1f64, 2.0], &Device::Cpu)?;
/// let mut sgd = Sgd::new(
///     vec![("p".into(), p.clone())],
///     SgdConfig { momentum: 0.9, ..Default::default() },
/// )?;
/// for _ in 0..2 {
///     sgd.step(&p.sum_all()?.backward()?, 0.1)?;
/// }
/// // The second step is 1 + 0.9 times as long as the first.
/// assert!((p.to_vec1::<f64>()?[0] - (1.0 - 0.1 - 0.19)).abs() < 1e-12);
/// # Ok::<(), mbls_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Sgd {
    parameters: Vec<Trained>,
    /// One per parameter; empty without momentum.
    momentum: Vec<Var>,
    /// Numbers of steps taken, `i64` scalars; empty without dampening. They are needed because
    /// dampening does not apply to the first step.
    steps: Vec<Var>,
    config: SgdConfig,
}

/// The factors of one step of one parameter.
struct Factors {
    learning_rate: f64,
    momentum: f64,
    /// The fraction of the gradient that enters the momentum.
    share: f64,
    weight_decay: f64,
    nesterov: bool,
}

#[cfg(feature = "cuda")]
impl Factors {
    fn on_cuda(&self) -> cuda::Sgd {
        let &Self { learning_rate, momentum, share, weight_decay, nesterov } = self;
        cuda::Sgd { learning_rate, momentum, share, weight_decay, nesterov: nesterov.into() }
    }
}

impl Sgd {
    /// Creates an optimizer of these parameters.
    ///
    /// # Errors
    ///
    /// Fails if a setting is negative or not finite, if Nesterov momentum is enabled without
    /// momentum or with dampening, or if a name or variable occurs twice.
    pub fn new(parameters: impl Into<Parameters>, config: SgdConfig) -> Result<Self> {
        at_least_zero("momentum", config.momentum)?;
        at_least_zero("dampening", config.dampening)?;
        at_least_zero("weight_decay", config.weight_decay)?;
        if config.nesterov && (config.momentum == 0.0 || config.dampening != 0.0) {
            let expected = "false if momentum is 0 or dampening is not 0";
            return Err(Error::Setting { name: "nesterov", value: "true".into(), expected });
        }
        let parameters = parameters.into().trained(config.weight_decay)?;
        let (mut momentum, mut steps) = (Vec::new(), Vec::new());
        for parameter in &parameters {
            if config.momentum > 0.0 {
                momentum.push(parameter.zeros()?);
            }
            if config.momentum > 0.0 && config.dampening > 0.0 {
                steps.push(Var::new(0i64, &Device::Cpu)?);
            }
        }
        Ok(Self { parameters, momentum, steps, config })
    }

    fn slots(&self) -> Vec<(String, &Var)> {
        let named = |vars, suffix: &'static str| {
            let name = move |(p, var): (&Trained, _)| (format!("{}.{suffix}", p.name), var);
            self.parameters.iter().zip(vars).map(name)
        };
        let masters = self.parameters.iter().filter_map(Trained::slot);
        named(&self.momentum, "momentum_buffer")
            .chain(named(&self.steps, "step"))
            .chain(masters)
            .collect()
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, grads: &GradStore, learning_rate: f64) -> Result<()> {
        at_least_zero("learning_rate", learning_rate)?;
        let written = self.parameters.iter().flat_map(Trained::vars).chain(&self.momentum);
        let grads = gradients(self.parameters.iter().map(|p| (&p.name, &p.var)), grads, written)?;
        let SgdConfig { momentum, dampening, nesterov, .. } = self.config;
        for (i, (parameter, g)) in self.parameters.iter().zip(grads).enumerate() {
            let Some(g) = g else { continue };
            let mut share = 1.0;
            if let Some(step) = self.steps.get(i) {
                let taken = step.to_scalar::<i64>()?;
                step.set(&Tensor::new(taken.saturating_add(1), &Device::Cpu)?)?;
                share = if taken > 0 { 1.0 - dampening } else { 1.0 };
            }
            let learning_rate = learning_rate * parameter.learning_rate_factor;
            let factors = Factors {
                learning_rate,
                momentum,
                share,
                weight_decay: parameter.weight_decay,
                nesterov,
            };
            let v = self.momentum.get(i);
            #[cfg(feature = "cuda")]
            if cuda::supports(&parameter.var) {
                parameter.update_on_cuda(&g, [v, None], &factors.on_cuda())?;
                continue;
            }
            parameter.update(&g, |p, g| {
                if elementwise::supports(p) {
                    step_elements(p, v, g, &factors)
                } else {
                    step_tensors(p, v, g, &factors)
                }
            })?;
        }
        Ok(())
    }

    fn state(&self) -> BTreeMap<String, Tensor> {
        tensors(self.slots())
    }

    fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        state::restore("the state of SGD", &self.slots(), state, Fit::Strict).map(drop)
    }
}

fn step_elements(p: &Var, v: Option<&Var>, g: &Tensor, factors: &Factors) -> Result<()> {
    let &Factors { learning_rate: lr, momentum, share, weight_decay, nesterov } = factors;
    let direction = move |p: f64, g: f64| g + weight_decay * p;
    match v {
        None => {
            elementwise::update(p, g, [], |_, _, []| [], move |p, g, []| p - lr * direction(p, g))?;
        }
        Some(v) => {
            let next = move |p, g, [v]: [f64; 1]| [momentum * v + share * direction(p, g)];
            if nesterov {
                elementwise::update(p, g, [v], next, move |p, g, [v]| {
                    p - lr * (direction(p, g) + momentum * v)
                })?;
            } else {
                elementwise::update(p, g, [v], next, move |p, _, [v]| p - lr * v)?;
            }
        }
    }
    Ok(())
}

fn step_tensors(p: &Var, v: Option<&Var>, g: &Tensor, factors: &Factors) -> Result<()> {
    let &Factors { learning_rate: lr, momentum, share, weight_decay, nesterov } = factors;
    let old = p.as_detached_tensor();
    let d = (g + (&old * weight_decay)?)?;
    let direction = match v {
        None => d,
        Some(v) => {
            v.set(&((v.as_detached_tensor() * momentum)? + (&d * share)?)?)?;
            if nesterov {
                (d + (v.as_detached_tensor() * momentum)?)?
            } else {
                v.as_detached_tensor()
            }
        }
    };
    Ok(p.set(&(old - (direction * lr)?)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_step_agree() -> Result<()> {
        for (momentum, share, nesterov) in
            [(0.0, 1.0, false), (0.9, 1.0, false), (0.9, 0.7, false), (0.9, 1.0, true)]
        {
            let factors =
                Factors { learning_rate: 0.05, momentum, share, weight_decay: 0.1, nesterov };
            let start = [1f64, -2.0, 0.5];
            let make = || -> Result<(Var, Var)> {
                Ok((Var::new(&start, &Device::Cpu)?, Var::new(&[0f64; 3], &Device::Cpu)?))
            };
            let ((p, v), (q, w)) = (make()?, make()?);
            for k in 0..4 {
                let g = Tensor::new(&[0.3 * k as f64, 1.0, -0.7], &Device::Cpu)?;
                step_elements(&p, (momentum > 0.0).then_some(&v), &g, &factors)?;
                step_tensors(&q, (momentum > 0.0).then_some(&w), &g, &factors)?;
                let worst = (p.as_tensor() - q.as_tensor())?.abs()?.max(0)?.to_scalar::<f64>()?;
                assert!(worst < 1e-14, "{momentum} {share} {nesterov}: {worst}");
            }
            assert_ne!(p.to_vec1::<f64>()?, start);
        }
        Ok(())
    }
}
