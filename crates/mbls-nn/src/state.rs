//! Saved states: tensors by name that take the place of variables, all of them or none.

use crate::{Error, Result};
use candle_core::{DType, Device, Tensor, Var};
use std::collections::BTreeMap;

/// Sets every variable to its tensor in `state`, converted to the variable's type and device.
///
/// Floating-point types stand for one another, as in PyTorch; integers for nothing but integers. An integer variable counts
/// something: whole numbers of at least 0, which may be written as floating-point numbers, as PyTorch writes its steps.
pub(crate) fn restore(what: &'static str, slots: &[(String, &Var)], state: &BTreeMap<String, Tensor>) -> Result<()> {
    let (mut missing, mut different, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (name, var) in slots {
        let Some(tensor) = state.get(name) else {
            missing.push(name.clone());
            continue;
        };
        if tensor.shape() != var.shape() {
            different.push(format!("{name}: shape {:?}, expected {:?}", tensor.shape(), var.shape()));
        } else if var.dtype().is_float() && !tensor.dtype().is_float() {
            different.push(format!("{name}: type {:?}, expected {:?}", tensor.dtype(), var.dtype()));
        } else {
            if !var.dtype().is_float() {
                let numbers = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
                let wrong = numbers.into_iter().find(|&n| n.fract() != 0.0 || n < 0.0);
                different.extend(wrong.map(|n| format!("{name}: {n}, expected a whole number of at least 0")));
            }
            // A copy of its own: `Var::set` refuses a tensor that shares the variable's storage.
            let value = tensor.detach().to_dtype(var.dtype())?.to_device(var.device())?.copy()?;
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
