//! Adam and AdamW.

use super::parameters::{Parameters, Trained};
use super::{Optimizer, at_least_zero, elementwise, gradients, setting, tensors};
#[cfg(feature = "cuda")]
use crate::cuda;
use crate::{Fit, Result, state};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of [`Adam`]. The defaults are PyTorch's: 0.9, 0.999, 1e-8, no weight decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Decay rate of the running mean of the gradient.
    pub beta1: f64,
    /// Decay rate of the running mean of the squared gradient.
    pub beta2: f64,
    /// Added to the square root of the mean squared gradient.
    pub eps: f64,
    /// Weight decay: this multiple of the parameter is added to its gradient (L2, not decoupled).
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// Settings of [`AdamW`]. The defaults are PyTorch's: 0.9, 0.999, 1e-8, weight decay 0.01.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay rate of the running mean of the gradient.
    pub beta1: f64,
    /// Decay rate of the running mean of the squared gradient.
    pub beta2: f64,
    /// Added to the square root of the mean squared gradient.
    pub eps: f64,
    /// Decoupled weight decay: a step at learning rate 1 subtracts this fraction of the parameter,
    /// independent of the gradient.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 }
    }
}

/// Adam, as in `torch.optim.Adam`: weight decay is added to the gradient.
///
/// With `d = g + weight_decay p`: `m <- beta1 m + (1 - beta1) d`, `s <- beta2 s + (1 - beta2) d^2`.
/// At step `t` of the parameter, `p <- p - lr / (1 - beta1^t) m / (sqrt(s / (1 - beta2^t)) + eps)`.
///
/// The state of a parameter is `<parameter>.exp_avg` (m), `<parameter>.exp_avg_sq` (s) and the
/// scalar `<parameter>.step` (t), which counts the steps with a gradient. A parameter of half
/// precision also has `<parameter>.master`, its `f32` weights.
///
/// # References
///
/// Kingma and Ba, Adam: a method for stochastic optimization, 2015.
///
/// ```
/// use candle_core::{Device, Var};
/// use mbls_nn::{Adam, AdamConfig, Optimizer};
///
/// let p = Var::new(&[1f64, 2.0], &Device::Cpu)?;
/// let mut adam = Adam::new(vec![("p".into(), p.clone())], AdamConfig::default())?;
/// adam.step(&(p.as_tensor() * 5.0)?.sum_all()?.backward()?, 0.1)?;
/// // The first step is as long as the learning rate, whatever the gradient.
/// assert!((p.to_vec1::<f64>()?[0] - 0.9).abs() < 1e-8);
/// # Ok::<(), mbls_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Adam {
    parameters: Vec<Trained>,
    mean: Vec<Var>,
    square: Vec<Var>,
    /// Numbers of steps taken, `i64` scalars.
    steps: Vec<Var>,
    config: AdamConfig,
    /// Whether the weight decay is decoupled.
    decoupled: bool,
}

/// The factors of one step of one parameter.
struct Factors {
    beta1: f64,
    beta2: f64,
    eps: f64,
    /// The multiple of the parameter that is added to its gradient.
    decay: f64,
    /// The factor of the parameter.
    shrink: f64,
    /// `lr / (1 - beta1^t)`.
    step_size: f64,
    /// `sqrt(1 - beta2^t)`.
    root: f64,
}

#[cfg(feature = "cuda")]
impl Factors {
    fn on_cuda(&self) -> cuda::Adam {
        let &Self { beta1, beta2, eps, decay, shrink, step_size, root } = self;
        cuda::Adam { beta1, beta2, eps, decay, shrink, step_size, root }
    }
}

impl Adam {
    /// Creates an optimizer of these parameters.
    ///
    /// # Errors
    ///
    /// Fails if a beta is outside `[0, 1)`, another setting is negative or not finite, or a name or
    /// variable occurs twice.
    pub fn new(parameters: impl Into<Parameters>, config: AdamConfig) -> Result<Self> {
        for (field, beta) in [("beta1", config.beta1), ("beta2", config.beta2)] {
            setting(field, beta, (0.0..1.0).contains(&beta), "at least 0 and less than 1")?;
        }
        at_least_zero("eps", config.eps)?;
        at_least_zero("weight_decay", config.weight_decay)?;
        let parameters = parameters.into().trained(config.weight_decay)?;
        let zeros = || parameters.iter().map(Trained::zeros).collect::<Result<Vec<_>>>();
        let (mean, square) = (zeros()?, zeros()?);
        let steps = parameters
            .iter()
            .map(|_| Ok(Var::new(0i64, &Device::Cpu)?))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { parameters, mean, square, steps, config, decoupled: false })
    }

    fn slots(&self) -> Vec<(String, &Var)> {
        let named = |vars, suffix: &'static str| {
            let name = move |(p, var): (&Trained, _)| (format!("{}.{suffix}", p.name), var);
            self.parameters.iter().zip(vars).map(name)
        };
        let moments = named(&self.mean, "exp_avg").chain(named(&self.square, "exp_avg_sq"));
        moments
            .chain(named(&self.steps, "step"))
            .chain(self.parameters.iter().filter_map(Trained::slot))
            .collect()
    }

    fn factors(&self, parameter: &Trained, learning_rate: f64, t: i64) -> Factors {
        let AdamConfig { beta1, beta2, eps, .. } = self.config;
        let correction = |beta: f64| 1.0 - beta.powf(t as f64);
        let learning_rate = learning_rate * parameter.learning_rate_factor;
        let (decay, shrink) = if self.decoupled {
            (0.0, 1.0 - learning_rate * parameter.weight_decay)
        } else {
            (parameter.weight_decay, 1.0)
        };
        let step_size = learning_rate / correction(beta1);
        Factors { beta1, beta2, eps, decay, shrink, step_size, root: correction(beta2).sqrt() }
    }
}

impl Optimizer for Adam {
    fn step(&mut self, grads: &GradStore, learning_rate: f64) -> Result<()> {
        at_least_zero("learning_rate", learning_rate)?;
        let written =
            self.parameters.iter().flat_map(Trained::vars).chain(&self.mean).chain(&self.square);
        let grads = gradients(self.parameters.iter().map(|p| (&p.name, &p.var)), grads, written)?;
        for (i, (parameter, g)) in self.parameters.iter().zip(grads).enumerate() {
            let Some(g) = g else { continue };
            let (m, s, step) = (&self.mean[i], &self.square[i], &self.steps[i]);
            let t = step.to_scalar::<i64>()?.saturating_add(1);
            step.set(&Tensor::new(t, &Device::Cpu)?)?;
            let factors = self.factors(parameter, learning_rate, t);
            #[cfg(feature = "cuda")]
            if cuda::supports(&parameter.var) {
                parameter.update_on_cuda(&g, [Some(m), Some(s)], &factors.on_cuda())?;
                continue;
            }
            parameter.update(&g, |p, g| {
                if elementwise::supports(p) {
                    step_elements(p, m, s, g, &factors)
                } else {
                    step_tensors(p, m, s, g, &factors)
                }
            })?;
        }
        Ok(())
    }

    fn state(&self) -> BTreeMap<String, Tensor> {
        tensors(self.slots())
    }

    fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        state::restore("the state of Adam", &self.slots(), state, Fit::Strict).map(drop)
    }
}

/// Adam with decoupled weight decay, as in `torch.optim.AdamW`.
///
/// A step first sets `p <- (1 - lr weight_decay) p`, then applies the step of [`Adam`] without
/// weight decay, with the same state.
///
/// # References
///
/// Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
///
/// ```
/// use candle_core::{Device, Var};
/// use mbls_nn::{AdamW, AdamWConfig, Optimizer};
///
/// let p = Var::new(&[1f64, 2.0], &Device::Cpu)?;
/// let config = AdamWConfig { weight_decay: 0.5, ..Default::default() };
/// let mut adam = AdamW::new(vec![("p".into(), p.clone())], config)?;
/// adam.step(&p.sum_all()?.backward()?, 0.1)?;
/// // The decay subtracts 5 %, then the step is 0.1.
/// assert!((p.to_vec1::<f64>()?[0] - 0.85).abs() < 1e-8);
/// # Ok::<(), mbls_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct AdamW(Adam);

impl AdamW {
    /// Creates an optimizer of these parameters.
    ///
    /// # Errors
    ///
    /// Same as [`Adam::new`].
    pub fn new(parameters: impl Into<Parameters>, config: AdamWConfig) -> Result<Self> {
        let AdamWConfig { beta1, beta2, eps, weight_decay } = config;
        let mut adam = Adam::new(parameters, AdamConfig { beta1, beta2, eps, weight_decay })?;
        adam.decoupled = true;
        Ok(Self(adam))
    }
}

impl Optimizer for AdamW {
    fn step(&mut self, grads: &GradStore, learning_rate: f64) -> Result<()> {
        self.0.step(grads, learning_rate)
    }

    fn state(&self) -> BTreeMap<String, Tensor> {
        self.0.state()
    }

    fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        self.0.load_state(state)
    }
}

fn step_elements(p: &Var, m: &Var, s: &Var, g: &Tensor, factors: &Factors) -> Result<()> {
    let &Factors { beta1, beta2, eps, decay, shrink, step_size, root } = factors;
    // One division instead of two, because divisions take most of the time.
    let (step_size, eps) = (step_size * root, eps * root);
    let next = move |p: f64, g: f64, [m, s]: [f64; 2]| {
        let d = g + decay * p;
        [beta1 * m + (1.0 - beta1) * d, beta2 * s + (1.0 - beta2) * (d * d)]
    };
    Ok(elementwise::update(p, g, [m, s], next, move |p, _, [m, s]| {
        shrink * p - step_size * m / (s.sqrt() + eps)
    })?)
}

fn step_tensors(p: &Var, m: &Var, s: &Var, g: &Tensor, factors: &Factors) -> Result<()> {
    let &Factors { beta1, beta2, eps, decay, shrink, step_size, root } = factors;
    let old = p.as_detached_tensor();
    let d = (g + (&old * decay)?)?;
    m.set(&((m.as_detached_tensor() * beta1)? + (&d * (1.0 - beta1))?)?)?;
    s.set(&((s.as_detached_tensor() * beta2)? + (d.sqr()? * (1.0 - beta2))?)?)?;
    let denominator = ((s.as_detached_tensor().sqrt()? / root)? + eps)?;
    Ok(p.set(&((old * shrink)? - ((m.as_detached_tensor() * step_size)? / denominator)?)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_step_agree() -> Result<()> {
        for (decay, shrink) in [(0.1, 1.0), (0.0, 0.9)] {
            let var = |values: [f64; 3]| Var::new(&values, &Device::Cpu);
            let zeros = [0.0; 3];
            let a = [var([1.0, -2.0, 0.5])?, var(zeros)?, var(zeros)?];
            let b = [var([1.0, -2.0, 0.5])?, var(zeros)?, var(zeros)?];
            for k in 0..4 {
                let g = Tensor::new(&[0.3 * k as f64, 1.0, -0.7], &Device::Cpu)?;
                let factors = Factors {
                    beta1: 0.9,
                    beta2: 0.999,
                    eps: 1e-8,
                    decay,
                    shrink,
                    step_size: 0.1,
                    root: 0.5,
                };
                step_elements(&a[0], &a[1], &a[2], &g, &factors)?;
                step_tensors(&b[0], &b[1], &b[2], &g, &factors)?;
                let worst =
                    (a[0].as_tensor() - b[0].as_tensor())?.abs()?.max(0)?.to_scalar::<f64>()?;
                assert!(worst < 1e-14, "{worst}");
            }
        }
        Ok(())
    }
}
