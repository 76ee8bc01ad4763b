//! Averages of the weights during training.

use super::parameters::distinct;
use super::{elementwise, setting, tensors};
use crate::{Fit, ParamStore, Result, state};
use candle_core::{DType, Device, Tensor, Var};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of [`Ema`]. The defaults are PyTorch's: decay 0.999, no warm-up, buffers copied.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmaConfig {
    /// The fraction of the average that an update keeps, from 0 to 1.
    pub decay: f64,
    /// Whether the decay of the `t`-th update, counted from 0, is at most `(1 + t) / (10 + t)`.
    pub warmup: bool,
    /// Whether running statistics are averaged instead of copied.
    pub average_buffers: bool,
}

impl Default for EmaConfig {
    fn default() -> Self {
        Self { decay: 0.999, warmup: false, average_buffers: false }
    }
}

/// Exponential moving average of a network's weights, as in `torch.optim.swa_utils.AveragedModel`
/// with `get_ema_multi_avg_fn`.
///
/// The first update copies the weights. Every later one sets `a <- decay a + (1 - decay) p`. With
/// warm-up the decay of the `t`-th update is `min(decay, (1 + t) / (10 + t))`, where the copy is
/// number 0, so the average soon forgets the first weights.
///
/// Buffers (running statistics) are copied, as PyTorch does by default, because they are already
/// averages. With `average_buffers` they are averaged like weights, as with PyTorch's `use_buffers`
/// and in most published code for images (timm). Counters are always copied.
///
/// Averages of `f64` weights are `f64`, all others `f32`. The result is bit-identical for any
/// number of threads, and after saving with [`state`](Self::state) and restoring with
/// [`load_state`](Self::load_state).
///
/// # References
///
/// Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992; Tarvainen and
/// Valpola, Mean teachers are better role models, 2017. The warm-up is that of TensorFlow's
/// `ExponentialMovingAverage`.
///
/// ```
/// use candle_core::{DType, Device};
/// use mbls_nn::{Ema, EmaConfig, Linear, ParamStore};
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let layer = Linear::new(3, 2, store.var_builder().pp("fc"))?;
/// let mut ema = Ema::new(&store, EmaConfig { decay: 0.5, ..Default::default() })?;
/// for value in [0f32, 1.0] {
///     // Stands in for an optimizer step.
///     store.parameters()[0].1.set(&candle_core::Tensor::full(value, 2, &Device::Cpu)?)?;
///     ema.update()?;
/// }
/// let averaged = ema.swap_in()?;
/// assert_eq!(layer.bias().unwrap().to_vec1::<f32>()?, [0.5; 2]);
/// averaged.swap_out()?;
/// assert_eq!(layer.bias().unwrap().to_vec1::<f32>()?, [1.0; 2]);
/// # Ok::<(), mbls_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Ema {
    entries: Vec<Entry>,
    /// Number of updates, an `i64` scalar.
    updates: Var,
    config: EmaConfig,
}

#[derive(Debug)]
struct Entry {
    name: String,
    var: Var,
    average: Var,
    /// Whether the variable is averaged; otherwise it is copied.
    averaged: bool,
}

impl Ema {
    /// Creates an average of the parameters and buffers that `store` has now; until the first
    /// update it is a copy of them.
    ///
    /// # Errors
    ///
    /// Fails if the decay is not between 0 and 1.
    pub fn new(store: &ParamStore, config: EmaConfig) -> Result<Self> {
        Self::of(store.parameters(), store.buffers(), config)
    }

    /// Creates an average of these variables.
    ///
    /// # Errors
    ///
    /// Fails if the decay is not between 0 and 1, or a name or variable occurs twice.
    pub fn of(
        parameters: Vec<(String, Var)>,
        buffers: Vec<(String, Var)>,
        config: EmaConfig,
    ) -> Result<Self> {
        setting("decay", config.decay, (0.0..=1.0).contains(&config.decay), "0 to 1")?;
        distinct(parameters.iter().chain(&buffers).map(|(name, var)| (name, var)))?;
        let entry = |(name, var): (String, Var), averaged: bool| {
            let float = var.dtype().is_float();
            let dtype = if float && var.dtype() != DType::F64 { DType::F32 } else { var.dtype() };
            let average = Var::from_tensor(&var.as_detached_tensor().to_dtype(dtype)?)?;
            Ok(Entry { name, var, average, averaged: averaged && float })
        };
        let parameters = parameters.into_iter().map(|parameter| entry(parameter, true));
        let buffers = buffers.into_iter().map(|buffer| entry(buffer, config.average_buffers));
        let entries = parameters.chain(buffers).collect::<Result<_>>()?;
        Ok(Self { entries, updates: Var::new(0i64, &Device::Cpu)?, config })
    }

    /// Updates the average with the current weights. Call it after each optimizer step.
    ///
    /// # Errors
    ///
    /// Errors of candle only.
    pub fn update(&mut self) -> Result<()> {
        let t = self.updates.to_scalar::<i64>()?;
        let decay = if self.config.warmup {
            self.config.decay.min((1.0 + t as f64) / (10.0 + t as f64))
        } else {
            self.config.decay
        };
        for Entry { var, average, averaged, .. } in &self.entries {
            let value = var.as_detached_tensor().to_dtype(average.dtype())?.contiguous()?;
            if t == 0 || !averaged {
                average.set(&value)?;
            } else if elementwise::supports(average) {
                elementwise::update(
                    average,
                    &value,
                    [],
                    |_, _, []| [],
                    move |a, p, []| mean(a, p, decay),
                )?;
            } else {
                average
                    .set(&((average.as_detached_tensor() * decay)? + (value * (1.0 - decay))?)?)?;
            }
        }
        Ok(self.updates.set(&Tensor::new(t.saturating_add(1), &Device::Cpu)?)?)
    }

    /// Returns the averages by the names of parameters and buffers, in the form that
    /// [`ParamStore::load_state`] accepts.
    ///
    /// The tensors share this object's memory; [`Tensor::copy`] them to keep the current values.
    pub fn averages(&self) -> BTreeMap<String, Tensor> {
        self.entries
            .iter()
            .map(|entry| (entry.name.clone(), entry.average.as_detached_tensor()))
            .collect()
    }

    /// Replaces the network's weights with the averages, for evaluation, until the result is
    /// dropped or [swapped out](SwappedIn::swap_out).
    ///
    /// # Errors
    ///
    /// Errors of candle only; the weights are then in place.
    pub fn swap_in(&mut self) -> Result<SwappedIn<'_>> {
        let kept = self
            .entries
            .iter()
            .map(|entry| Ok((&entry.var, entry.var.as_detached_tensor().copy()?)));
        let swapped = SwappedIn { kept: kept.collect::<Result<_>>()? };
        for Entry { var, average, .. } in &self.entries {
            var.set(&average.as_detached_tensor().to_dtype(var.dtype())?)?;
        }
        Ok(swapped)
    }

    /// Returns the state that the next update depends on besides the weights: `module.<parameter>`
    /// and `n_averaged`, PyTorch's names.
    ///
    /// The tensors share this object's memory; [`Tensor::copy`] them to keep the current values.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        tensors(self.slots())
    }

    /// Restores a state.
    ///
    /// # Errors
    ///
    /// [`Error::State`](crate::Error::State) lists what does not fit, as for an
    /// [`Optimizer`](super::Optimizer::load_state). In this case nothing has changed.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        state::restore("the state of the average", &self.slots(), state, Fit::Strict).map(drop)
    }

    fn slots(&self) -> Vec<(String, &Var)> {
        let averages =
            self.entries.iter().map(|entry| (format!("module.{}", entry.name), &entry.average));
        averages.chain([("n_averaged".to_owned(), &self.updates)]).collect()
    }
}

/// Computes `decay a + (1 - decay) p` in the form of PyTorch's `lerp`, which is exact at both ends.
fn mean(a: f64, p: f64, decay: f64) -> f64 {
    let share = 1.0 - decay;
    if share < 0.5 { a + share * (p - a) } else { p - (p - a) * (1.0 - share) }
}

/// A network that carries averages. Dropping this value restores the weights bit-identically.
#[derive(Debug)]
#[must_use = "dropping this restores the weights immediately"]
pub struct SwappedIn<'a> {
    kept: Vec<(&'a Var, Tensor)>,
}

impl SwappedIn<'_> {
    /// Restores the weights.
    ///
    /// # Errors
    ///
    /// Errors of candle only.
    pub fn swap_out(mut self) -> Result<()> {
        Ok(std::mem::take(&mut self.kept)
            .into_iter()
            .try_for_each(|(var, value)| var.set(&value))?)
    }
}

impl Drop for SwappedIn<'_> {
    fn drop(&mut self) {
        for (var, value) in &self.kept {
            // `drop` cannot report an error; `swap_out` can.
            let _ = var.set(value);
        }
    }
}
