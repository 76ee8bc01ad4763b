//! Saved states: tensors by name that take the place of variables, all of them or none.

use crate::{Error, Result};
use candle_core::{DType, Tensor, Var};
use std::collections::BTreeMap;

/// Which types a saved tensor may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Types {
    /// The variable's own: what follows must have the same bits.
    Same,
    /// Any floating-point type for a floating-point variable, and any integer type for an integer one.
    Convertible,
}

impl Types {
    fn allow(self, found: DType, expected: DType) -> bool {
        match self {
            Self::Same => found == expected,
            Self::Convertible => found.is_float() == expected.is_float(),
        }
    }
}

/// Sets every variable to its tensor in `state`, converted to the variable's type and device.
///
/// Integer variables count something, so a negative number is none of theirs.
pub(crate) fn restore(
    what: &'static str,
    slots: &[(String, &Var)],
    state: &BTreeMap<String, Tensor>,
    types: Types,
) -> Result<()> {
    let (mut missing, mut different, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (name, var) in slots {
        let Some(tensor) = state.get(name) else {
            missing.push(name.clone());
            continue;
        };
        if tensor.shape() != var.shape() {
            different.push(format!("{name}: shape {:?}, expected {:?}", tensor.shape(), var.shape()));
        } else if !types.allow(tensor.dtype(), var.dtype()) {
            different.push(format!("{name}: type {:?}, expected {:?}", tensor.dtype(), var.dtype()));
        } else {
            // A copy of its own: `Var::set` refuses a tensor that shares the variable's storage.
            let value = tensor.detach().to_dtype(var.dtype())?.to_device(var.device())?.copy()?;
            if var.dtype() == DType::I64 {
                let negative = value.flatten_all()?.to_vec1::<i64>()?.into_iter().find(|&count| count < 0);
                different.extend(negative.map(|count| format!("{name}: {count}, expected at least 0")));
            }
            values.push((*var, value));
        }
    }
    let known: std::collections::BTreeSet<&String> = slots.iter().map(|(name, _)| name).collect();
    let unexpected: Vec<String> = state.keys().filter(|name| !known.contains(name)).cloned().collect();
    if !(missing.is_empty() && unexpected.is_empty() && different.is_empty()) {
        return Err(Error::State { what, missing, unexpected, different });
    }
    // All is converted and fits: nothing is left that could fail half-way.
    values.into_iter().try_for_each(|(var, value)| Ok(var.set(&value)?))
}
