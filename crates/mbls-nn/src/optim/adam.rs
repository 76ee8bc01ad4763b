//! Adam.

use super::{Optimizer, at_least_zero, check_names, elementwise, gradients, load, setting, zeros_like};
use crate::Result;
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of [`Adam`]; by default PyTorch's: 0.9, 0.999, 1e-8, no weight decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Share of the mean gradient that is kept.
    pub beta1: f64,
    /// Share of the mean squared gradient that is kept.
    pub beta2: f64,
    /// Added to the root of the mean squared gradient.
    pub eps: f64,
    /// Factor of the parameter that is added to its gradient (L2, not decoupled).
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// Adam, as `torch.optim.Adam`: weight decay is added to the gradient.
///
/// With `d = g + weight_decay p`: `m <- beta1 m + (1 - beta1) d`, `s <- beta2 s + (1 - beta2) d^2`, and at step `t`
/// `p <- p - lr / (1 - beta1^t) m / (sqrt(s / (1 - beta2^t)) + eps)`.
///
/// The state is `<parameter>.exp_avg` (m), `<parameter>.exp_avg_sq` (s) and the scalar `step` (t), one for all parameters.
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
    parameters: Vec<(String, Var)>,
    mean: Vec<Var>,
    square: Vec<Var>,
    /// Number of steps taken, an `i64` scalar.
    step: Var,
    config: AdamConfig,
}

/// The factors of one step.
struct Factors {
    config: AdamConfig,
    /// `lr / (1 - beta1^t)`.
    step_size: f64,
    /// `sqrt(1 - beta2^t)`.
    root: f64,
}

impl Adam {
    /// An optimizer of these parameters.
    ///
    /// # Errors
    ///
    /// Where a beta lies outside `[0, 1)`, another setting is negative or not finite, or a name occurs twice.
    pub fn new(parameters: Vec<(String, Var)>, config: AdamConfig) -> Result<Self> {
        for (field, beta) in [("beta1", config.beta1), ("beta2", config.beta2)] {
            setting(field, beta, (0.0..1.0).contains(&beta), "at least 0 and less than 1")?;
        }
        at_least_zero("eps", config.eps)?;
        at_least_zero("weight_decay", config.weight_decay)?;
        check_names(&parameters)?;
        let (mean, square) = (zeros_like(&parameters)?, zeros_like(&parameters)?);
        Ok(Self { parameters, mean, square, step: Var::new(0i64, &Device::Cpu)?, config })
    }

    fn slots(&self) -> Vec<(String, &Var)> {
        let moments = self.parameters.iter().zip(&self.mean).zip(&self.square);
        moments
            .flat_map(|(((name, _), m), s)| [(format!("{name}.exp_avg"), m), (format!("{name}.exp_avg_sq"), s)])
            .chain([("step".to_string(), &self.step)])
            .collect()
    }
}

impl Optimizer for Adam {
    fn step(&mut self, grads: &GradStore, learning_rate: f64) -> Result<()> {
        at_least_zero("learning_rate", learning_rate)?;
        let grads = gradients(&self.parameters, grads)?;
        let t = self.step.to_scalar::<i64>()? + 1;
        self.step.set(&Tensor::new(t, &Device::Cpu)?)?;
        let config = self.config;
        let correction = |beta: f64| 1.0 - beta.powf(t as f64);
        let step_size = learning_rate / correction(config.beta1);
        let factors = Factors { config, step_size, root: correction(config.beta2).sqrt() };
        for (((_, p), g), (m, s)) in self.parameters.iter().zip(grads).zip(self.mean.iter().zip(&self.square)) {
            let Some(g) = g else { continue };
            match elementwise::supports(p) {
                true => step_elements(p, m, s, &g, &factors)?,
                false => step_tensors(p, m, s, &g, &factors)?,
            }
        }
        Ok(())
    }

    fn state(&self) -> BTreeMap<String, Tensor> {
        self.slots().into_iter().map(|(name, var)| (name, var.as_detached_tensor())).collect()
    }

    fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        load("the state of Adam", &self.slots(), state)
    }
}

fn step_elements(p: &Var, m: &Var, s: &Var, g: &Tensor, factors: &Factors) -> Result<()> {
    let &Factors { config: AdamConfig { beta1, beta2, eps, weight_decay }, step_size, root } = factors;
    let gradient = |p: f64, g: f64| g + weight_decay * p;
    elementwise::update(m, p, g, |m, p, g| beta1 * m + (1.0 - beta1) * gradient(p, g))?;
    elementwise::update(s, p, g, |s, p, g| beta2 * s + (1.0 - beta2) * gradient(p, g).powi(2))?;
    elementwise::update(p, m, s, |p, m, s| p - step_size * m / (s.sqrt() / root + eps))?;
    Ok(())
}

fn step_tensors(p: &Var, m: &Var, s: &Var, g: &Tensor, factors: &Factors) -> Result<()> {
    let &Factors { config: AdamConfig { beta1, beta2, eps, weight_decay }, step_size, root } = factors;
    let old = p.as_detached_tensor();
    let d = (g + (&old * weight_decay)?)?;
    m.set(&((m.as_detached_tensor() * beta1)? + (&d * (1.0 - beta1))?)?)?;
    s.set(&((s.as_detached_tensor() * beta2)? + (d.sqr()? * (1.0 - beta2))?)?)?;
    let denominator = ((s.as_detached_tensor().sqrt()? / root)? + eps)?;
    Ok(p.set(&(old - ((m.as_detached_tensor() * step_size)? / denominator)?)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_step_agree() -> Result<()> {
        let config = AdamConfig { weight_decay: 0.1, ..AdamConfig::default() };
        let var = |values: [f64; 3]| Var::new(&values, &Device::Cpu);
        let zeros = [0.0; 3];
        let a = [var([1.0, -2.0, 0.5])?, var(zeros)?, var(zeros)?];
        let b = [var([1.0, -2.0, 0.5])?, var(zeros)?, var(zeros)?];
        for k in 0..4 {
            let g = Tensor::new(&[0.3 * k as f64, 1.0, -0.7], &Device::Cpu)?;
            let factors = Factors { config, step_size: 0.1, root: 0.5 };
            step_elements(&a[0], &a[1], &a[2], &g, &factors)?;
            step_tensors(&b[0], &b[1], &b[2], &g, &factors)?;
            let worst = (a[0].as_tensor() - b[0].as_tensor())?.abs()?.max(0)?.to_scalar::<f64>()?;
            assert!(worst < 1e-14, "{worst}");
        }
        Ok(())
    }
}
