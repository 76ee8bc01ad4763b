//! The variables of a network, by name.

use crate::init::{self, TruncatedNormal};
use crate::{Error, Fit, LoadReport, Result, state, wrapper};
use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The last name components that denote a buffer, as in PyTorch: the forward pass updates it, an
/// optimizer never does.
pub const BUFFER_NAMES: [&str; 3] = ["running_mean", "running_var", "num_batches_tracked"];

/// Owns the variables of a network and creates them on demand, each seeded by its name.
///
/// Layers request tensors from the [`VarBuilder`]. A new name is initialised from a ChaCha8
/// generator seeded by `(seed, name)`, so values depend neither on the order of construction nor on
/// the device. Requesting a name again returns the same variable (shared weights); requesting it
/// with another shape is an error.
///
/// A store of `bf16` or `f16` uses mixed precision: weights and activations have that type. Scale,
/// shift and running statistics of batch normalisation are `f32` (its layers request this type),
/// sums are `f32`, and the optimizers keep master weights in `f32`.
///
/// A variable whose name ends in one of [`BUFFER_NAMES`] is a buffer, every other variable is a
/// parameter.
///
/// ```
/// use candle_core::{DType, Device};
/// use mbls_nn::{BatchNorm2d, ParamStore};
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let _bn = BatchNorm2d::new(8, store.var_builder().pp("bn1"))?;
/// let names =
///     |vars: Vec<(String, _)>| vars.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
/// assert_eq!(names(store.parameters()), ["bn1.bias", "bn1.weight"]);
/// assert_eq!(names(store.buffers()), ["bn1.running_mean", "bn1.running_var"]);
/// # Ok::<(), mbls_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ParamStore {
    seed: u64,
    dtype: DType,
    device: Device,
    vars: Arc<Mutex<Variables>>,
}

#[derive(Debug, Default)]
struct Variables {
    by_name: BTreeMap<String, Var>,
    /// The names in order of creation.
    names: Vec<String>,
}

impl ParamStore {
    /// Creates an empty store.
    pub fn new(seed: u64, dtype: DType, device: &Device) -> Self {
        Self { seed, dtype, device: device.clone(), vars: Arc::default() }
    }

    /// Returns a builder whose tensors are the variables of this store.
    pub fn var_builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), self.dtype, self.device.clone())
    }

    /// Returns the trainable variables, sorted by name.
    pub fn parameters(&self) -> Vec<(String, Var)> {
        self.select(|name| !is_buffer(name))
    }

    /// Returns the running statistics and their counts, sorted by name.
    pub fn buffers(&self) -> Vec<(String, Var)> {
        self.select(is_buffer)
    }

    /// Returns the names of parameters and buffers in the order in which layers first requested
    /// them.
    ///
    /// For a network built in the order of its PyTorch original, this is the order of
    /// `state_dict()` (without the counters `num_batches_tracked`). The parameters alone are then
    /// numbered as in the state of PyTorch's optimizers.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use mbls_nn::{BatchNorm2d, Linear, ParamStore};
    ///
    /// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    /// Linear::new(8, 3, store.var_builder().pp("fc"))?;
    /// BatchNorm2d::new(8, store.var_builder().pp("bn1"))?;
    /// let expected = [
    ///     "fc.weight",
    ///     "fc.bias",
    ///     "bn1.weight",
    ///     "bn1.bias",
    ///     "bn1.running_mean",
    ///     "bn1.running_var",
    /// ];
    /// assert_eq!(store.names(), expected);
    /// # Ok::<(), mbls_nn::Error>(())
    /// ```
    pub fn names(&self) -> Vec<String> {
        self.lock().names.clone()
    }

    /// Initialises the variable `name` again from `init`, as if its layer had requested it with
    /// this hint.
    ///
    /// The values depend only on the store's seed, the name, the shape and `init`, not on the
    /// current values. For an embedding with a `padding_idx`, that row is initialised too, as
    /// PyTorch's initialisers do.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if there is no such variable. Also fails if `init` has numbers that are
    /// not finite or a negative spread, or if its fan is undefined for the variable's shape.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use candle_nn::Init;
    /// use mbls_nn::{Linear, ParamStore, init::TruncatedNormal};
    ///
    /// let store = ParamStore::new(0, DType::F32, &Device::Cpu);
    /// let layer = Linear::new(64, 10, store.var_builder().pp("head"))?;
    /// store.initialise("head.bias", Init::Const(0.0))?;
    /// store.initialise_truncated(
    ///     "head.weight",
    ///     TruncatedNormal { std: 0.02, ..Default::default() },
    /// )?;
    /// assert_eq!(layer.bias().unwrap().to_vec1::<f32>()?, [0.0; 10]);
    /// # Ok::<(), mbls_nn::Error>(())
    /// ```
    pub fn initialise(&self, name: &str, init: Init) -> Result<()> {
        let var = self.variable(name)?;
        Ok(var.set(&init::draw(self.seed, name, var.shape(), init, var.dtype(), var.device())?)?)
    }

    /// Same as [`initialise`](Self::initialise), from a truncated normal.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if there is no such variable, or a number is out of range.
    pub fn initialise_truncated(&self, name: &str, normal: TruncatedNormal) -> Result<()> {
        let var = self.variable(name)?;
        Ok(var.set(&normal.draw(self.seed, name, &var)?)?)
    }

    fn variable(&self, name: &str) -> Result<Var> {
        let unknown = || Error::Setting {
            name: "variable to initialise",
            value: name.to_owned(),
            expected: "a name that a layer of the store has requested",
        };
        self.lock().by_name.get(name).cloned().ok_or_else(unknown)
    }

    /// Returns parameters and buffers by name.
    ///
    /// The tensors share the variables' memory; [`Tensor::copy`] them to keep the current values.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        self.lock()
            .by_name
            .iter()
            .map(|(name, var)| (name.clone(), var.as_detached_tensor()))
            .collect()
    }

    /// Sets every variable to its tensor in `state`, converted to the store's type and device.
    ///
    /// Names may have a wrapper's prefix (see [`load`](Self::load)), such as those in the state of
    /// an [`Ema`](crate::Ema).
    ///
    /// # Errors
    ///
    /// [`Error::State`](crate::Error::State) lists names that are missing, unexpected or of another
    /// shape, [`Error::Values`](crate::Error::Values) integers in place of floating-point numbers.
    /// In these cases no variable has changed.
    pub fn load_state(&self, state: &BTreeMap<String, Tensor>) -> Result<LoadReport> {
        self.fit_part("", "the state of the network", state.clone(), Fit::Strict)
    }

    /// Sets the variables whose names begin with `part` to the tensors in `state` named by the rest
    /// of their names. Sets none if they do not fit as `fit` requires.
    pub(crate) fn fit_part(
        &self,
        part: &str,
        what: &str,
        state: BTreeMap<String, Tensor>,
        fit: Fit,
    ) -> Result<LoadReport> {
        let vars = self.lock();
        let slot = |(name, var): (&String, _)| Some((name.strip_prefix(part)?.to_owned(), var));
        let slots: BTreeMap<String, &Var> =
            vars.by_name.iter().filter_map(|(name, var)| slot((name, var))).collect();
        let prefix = wrapper::prefix(&state, |name| slots.contains_key(name));
        let state = wrapper::without(&prefix, state);
        let slots: Vec<(String, &Var)> = slots.into_iter().collect();
        match state::restore(what, &slots, &state, fit) {
            Ok(report) => Ok(LoadReport { prefix, ..report }),
            Err(Error::State { what, mut report }) => {
                report.prefix = prefix;
                Err(Error::State { what, report })
            }
            Err(error) => Err(error),
        }
    }

    fn select(&self, wanted: impl Fn(&str) -> bool) -> Vec<(String, Var)> {
        let vars = self.lock();
        vars.by_name
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, var)| (name.clone(), var.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Variables> {
        // Map and names are consistent between any two operations, so a panic in another thread
        // does not invalidate them.
        self.vars.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_buffer(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    BUFFER_NAMES.contains(&last)
}

impl SimpleBackend for ParamStore {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let mut vars = self.lock();
        if let Some(var) = vars.by_name.get(name) {
            if var.shape() != &shape || var.dtype() != dtype {
                candle_core::bail!(
                    "parameter {name} exists as {:?} of {:?}; requested {:?} of {dtype:?}",
                    var.shape(),
                    var.dtype(),
                    shape
                );
            }
            return Ok(var.as_tensor().clone());
        }
        let var = Var::from_tensor(&init::draw(self.seed, name, &shape, init, dtype, device)?)?;
        vars.names.push(name.to_string());
        vars.by_name.insert(name.to_string(), var.clone());
        Ok(var.into_inner())
    }

    fn get_unchecked(
        &self,
        name: &str,
        dtype: DType,
        _device: &Device,
    ) -> candle_core::Result<Tensor> {
        match self.lock().by_name.get(name) {
            Some(var) if var.dtype() == dtype => Ok(var.as_tensor().clone()),
            Some(var) => candle_core::bail!(
                "parameter {name} has type {:?}; requested {dtype:?}",
                var.dtype()
            ),
            None => candle_core::bail!(
                "parameter {name} does not exist and cannot be created without a shape"
            ),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.lock().by_name.contains_key(name)
    }
}
