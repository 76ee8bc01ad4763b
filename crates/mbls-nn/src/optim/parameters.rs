//! The parameters that an optimizer trains, and parameter groups with different settings.

use super::at_least_zero;
#[cfg(feature = "cuda")]
use crate::cuda;
use crate::{Error, Result};
use candle_core::{DType, Tensor, Var};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Parameters with their own learning rate or weight decay, as written in a recipe file.
///
/// A parameter belongs to the group if it meets every given condition. Settings that the group
/// omits are those of the optimizer.
///
/// ```
/// use mbls_nn::ParamGroup;
///
/// // No decay for biases and normalisation weights; the head has ten times the learning rate.
/// let json = r#"[{"max_dims": 1, "weight_decay": 0}, {"prefix": "fc.", "learning_rate_factor": 10}]"#;
/// let groups: Vec<ParamGroup> = serde_json::from_str(json)?;
/// assert_eq!(groups[0], ParamGroup { max_dims: Some(1), weight_decay: Some(0.0), ..Default::default() });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParamGroup {
    /// Condition: a prefix of the name, character by character (`"fc."`, because `"fc"` is also a
    /// prefix of `fc2.weight`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Condition: a suffix of the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Condition: at most this many dimensions; 1 selects biases and the weights of normalisation
    /// layers whatever their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_dims: Option<usize>,
    /// Setting: multiplies the learning rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate_factor: Option<f64>,
    /// Setting: replaces the optimizer's weight decay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

impl ParamGroup {
    /// Checks the fields, before the parameters are known.
    ///
    /// # Errors
    ///
    /// [`Error::Group`] if there is no condition or no setting, or a setting is negative or not
    /// finite.
    pub fn validate(&self) -> Result<()> {
        if self.prefix.is_none() && self.suffix.is_none() && self.max_dims.is_none() {
            return Err(self.error("expected at least one of prefix, suffix and max_dims"));
        }
        self.validate_settings()
    }

    fn validate_settings(&self) -> Result<()> {
        if self.learning_rate_factor.is_none() && self.weight_decay.is_none() {
            return Err(self.error("expected a learning_rate_factor or a weight_decay"));
        }
        let settings = [
            ("learning_rate_factor", self.learning_rate_factor),
            ("weight_decay", self.weight_decay),
        ];
        for (field, value) in settings {
            let valid = value.map_or(Ok(()), |value| at_least_zero(field, value));
            valid.map_err(|error| self.error(error.to_string()))?;
        }
        Ok(())
    }

    fn selects(&self, name: &str, var: &Var) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix.as_str()))
            && self.suffix.as_ref().is_none_or(|suffix| name.ends_with(suffix.as_str()))
            && self.max_dims.is_none_or(|dims| var.rank() <= dims)
    }

    fn error(&self, problem: impl Into<String>) -> Error {
        let text = |value: &Option<String>| value.as_ref().map(|text| format!("{text:?}"));
        let number = |value: Option<f64>| value.map(|number| number.to_string());
        let fields = [
            ("prefix", text(&self.prefix)),
            ("suffix", text(&self.suffix)),
            ("max_dims", self.max_dims.map(|dims| dims.to_string())),
            ("learning_rate_factor", number(self.learning_rate_factor)),
            ("weight_decay", number(self.weight_decay)),
        ];
        let given: Vec<String> =
            fields.into_iter().filter_map(|(name, v)| Some(format!("{name} = {}", v?))).collect();
        Error::Group { group: given.join(", "), problem: problem.into() }
    }
}

/// The parameters that an optimizer trains: variables by name, each with the settings of its
/// groups.
///
/// A plain list of names and variables converts to one without groups.
///
/// A parameter in no group is trained with the optimizer's settings. A parameter may be in several
/// groups as long as no two of them set the same thing: a bias of the head can get its decay from
/// one group and its learning rate from another.
///
/// ```
/// use candle_core::{DType, Device};
/// use mbls_nn::{Linear, OptimizerConfig, ParamGroup, ParamStore, Parameters, SgdConfig};
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// Linear::new(8, 8, store.var_builder().pp("body"))?;
/// Linear::new(8, 3, store.var_builder().pp("fc"))?;
/// let parameters = Parameters::from(store.parameters()).with_groups(&[
///     ParamGroup { max_dims: Some(1), weight_decay: Some(0.0), ..Default::default() },
///     ParamGroup {
///         prefix: Some("fc.".into()),
///         learning_rate_factor: Some(10.0),
///         ..Default::default()
///     },
/// ])?;
/// let config = OptimizerConfig::Sgd(SgdConfig {
///     momentum: 0.9,
///     weight_decay: 5e-4,
///     ..Default::default()
/// });
/// let optimizer = config.build(parameters)?;
/// # Ok::<(), mbls_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Parameters(Vec<Parameter>);

#[derive(Clone, Debug)]
struct Parameter {
    name: String,
    var: Var,
    learning_rate_factor: Option<f64>,
    weight_decay: Option<f64>,
}

impl From<Vec<(String, Var)>> for Parameters {
    fn from(parameters: Vec<(String, Var)>) -> Self {
        let one =
            |(name, var)| Parameter { name, var, learning_rate_factor: None, weight_decay: None };
        Self(parameters.into_iter().map(one).collect())
    }
}

impl Parameters {
    /// Adds the groups.
    ///
    /// # Errors
    ///
    /// [`Error::Group`] if a group has no condition, no setting or no member, if a setting is
    /// negative or not finite, or if another group has already set the same thing for one of its
    /// members.
    pub fn with_groups(mut self, groups: &[ParamGroup]) -> Result<Self> {
        for group in groups {
            group.validate()?;
            self = self.with_group_where(group, |_, _| true)?;
        }
        Ok(self)
    }

    /// Adds a group of the parameters that meet the group's conditions, if it has any, and that
    /// `selects` accepts.
    ///
    /// # Errors
    ///
    /// Same as [`with_groups`](Self::with_groups), except that the group needs no condition.
    pub fn with_group_where(
        mut self,
        group: &ParamGroup,
        selects: impl Fn(&str, &Var) -> bool,
    ) -> Result<Self> {
        group.validate_settings()?;
        let mut members = 0;
        for parameter in &mut self.0 {
            if !group.selects(&parameter.name, &parameter.var)
                || !selects(&parameter.name, &parameter.var)
            {
                continue;
            }
            members += 1;
            let name = &parameter.name;
            let set =
                |what: &str, place: &mut Option<f64>, value: Option<f64>| match (&place, value) {
                    (_, None) => Ok(()),
                    (None, _) => {
                        *place = value;
                        Ok(())
                    }
                    (Some(_), _) => {
                        Err(group.error(format!("another group sets the {what} of {name} too")))
                    }
                };
            set(
                "learning_rate_factor",
                &mut parameter.learning_rate_factor,
                group.learning_rate_factor,
            )?;
            set("weight_decay", &mut parameter.weight_decay, group.weight_decay)?;
        }
        match members {
            0 => {
                Err(group.error(format!("no parameter belongs to it; there are {}", self.names())))
            }
            _ => Ok(self),
        }
    }

    /// Returns the names for an error message, only the first few of many.
    fn names(&self) -> String {
        const SHOWN: usize = 12;
        let mut names: Vec<&str> =
            self.0.iter().map(|parameter| parameter.name.as_str()).take(SHOWN).collect();
        let more = format!("and {} more", self.0.len() - names.len());
        if self.0.len() > SHOWN {
            names.push(&more);
        }
        names.join(", ")
    }

    /// Returns the parameters, ready for training; `weight_decay` applies unless a group sets
    /// another one.
    pub(super) fn trained(self, weight_decay: f64) -> Result<Vec<Trained>> {
        distinct(self.0.iter().map(|parameter| (&parameter.name, &parameter.var)))?;
        self.0.into_iter().map(|parameter| Trained::new(parameter, weight_decay)).collect()
    }
}

/// Checks that every name and every variable occurs once.
pub(super) fn distinct<'a>(
    variables: impl IntoIterator<Item = (&'a String, &'a Var)>,
) -> Result<()> {
    let mut names = BTreeSet::new();
    let mut ids = HashMap::new();
    for (name, var) in variables {
        if !names.insert(name) {
            return Err(Error::Setting {
                name: "parameter",
                value: name.clone(),
                expected: "every name once",
            });
        }
        if let Some(other) = ids.insert(var.id(), name) {
            let value = format!("{other} and {name}");
            return Err(Error::Setting {
                name: "parameter",
                value,
                expected: "every variable under one name",
            });
        }
    }
    Ok(())
}

/// A parameter with the settings and state for its updates.
#[derive(Debug)]
pub(super) struct Trained {
    pub(super) name: String,
    pub(super) var: Var,
    /// The parameter in `f32`, if its own type is too coarse for small steps to accumulate.
    master: Option<Var>,
    pub(super) learning_rate_factor: f64,
    pub(super) weight_decay: f64,
}

impl Trained {
    fn new(parameter: Parameter, weight_decay: f64) -> Result<Self> {
        let Parameter { name, var, .. } = parameter;
        let master = match var.dtype() {
            DType::BF16 | DType::F16 => Some(Var::from_tensor(&var.to_dtype(DType::F32)?)?),
            _ => None,
        };
        Ok(Self {
            name,
            var,
            master,
            learning_rate_factor: parameter.learning_rate_factor.unwrap_or(1.0),
            weight_decay: parameter.weight_decay.unwrap_or(weight_decay),
        })
    }

    /// Returns zeros with the shape, type and device of the updated variable: the master weights if
    /// there are any.
    pub(super) fn zeros(&self) -> Result<Var> {
        let like = self.master.as_ref().unwrap_or(&self.var);
        Ok(Var::zeros(like.shape(), like.dtype(), like.device())?)
    }

    /// Name and variable of the master weights.
    pub(super) fn slot(&self) -> Option<(String, &Var)> {
        self.master.as_ref().map(|master| (format!("{}.master", self.name), master))
    }

    /// The variables that a step writes, besides the optimizer's state.
    pub(super) fn vars(&self) -> impl Iterator<Item = &Var> {
        std::iter::once(&self.var).chain(&self.master)
    }

    /// Performs one step on a CUDA device, with one kernel.
    #[cfg(feature = "cuda")]
    pub(super) fn update_on_cuda<R: cuda::Rule>(
        &self,
        g: &Tensor,
        moments: [Option<&Var>; 2],
        rule: &R,
    ) -> Result<()> {
        let [first, second] = moments;
        Ok(cuda::update(&self.var, g, [self.master.as_ref(), first, second], rule)?)
    }

    /// Calls `step` with the variable to update and the gradient in its type.
    pub(super) fn update(
        &self,
        g: &Tensor,
        step: impl FnOnce(&Var, &Tensor) -> Result<()>,
    ) -> Result<()> {
        let Some(master) = &self.master else { return step(&self.var, g) };
        // Elements that were set from elsewhere since the last step (from a file, say) restart the
        // master weights.
        let old = master.as_detached_tensor();
        let unchanged = old.to_dtype(self.var.dtype())?.eq(self.var.as_tensor())?;
        master.set(
            &unchanged.where_cond(&old, &self.var.as_detached_tensor().to_dtype(DType::F32)?)?,
        )?;
        step(master, &g.to_dtype(DType::F32)?)?;
        Ok(self.var.set(&master.as_detached_tensor().to_dtype(self.var.dtype())?)?)
    }
}

/// Returns the gradients of the parameters, `None` for parameters without one. No gradient shares
/// memory with a variable that a step writes.
pub(super) fn gradients<'a>(
    parameters: impl IntoIterator<Item = (&'a String, &'a Var)>,
    grads: &candle_core::backprop::GradStore,
    written: impl IntoIterator<Item = &'a Var>,
) -> Result<Vec<Option<Tensor>>> {
    let written: HashSet<usize> = written.into_iter().map(|var| address(var)).collect();
    let one = |(name, var): (&String, &Var)| {
        let Some(grad) = grads.get(var) else { return Ok(None) };
        if grad.shape() != var.shape()
            || grad.dtype() != var.dtype()
            || !grad.device().same_device(var.device())
        {
            let text = |t: &Tensor| {
                format!("{:?} of {:?} on {:?}", t.shape(), t.dtype(), t.device().location())
            };
            return Err(Error::Gradient {
                name: name.clone(),
                found: text(grad),
                expected: text(var),
            });
        }
        let grad = grad.detach().contiguous()?;
        Ok(Some(if written.contains(&address(&grad)) { grad.copy()? } else { grad }))
    };
    parameters.into_iter().map(one).collect()
}

/// Returns the address of a tensor's storage, the same for all tensors that share it.
fn address(tensor: &Tensor) -> usize {
    let (storage, _) = tensor.storage_and_layout();
    std::ptr::from_ref(&*storage).addr()
}
