//! Saved states: tensors by name that replace the values of variables, all of them or none.

use crate::{Error, Fit, LoadReport, Result};
use candle_core::{DType, Device, Tensor, Var};
use std::collections::BTreeMap;

/// Sets variables to their tensors in `state`, converted to the variable's type and device, if
/// these fit as `fit` requires.
///
/// Any floating-point type converts to any other, as in PyTorch. Integers convert only to integers.
/// An integer variable is a counter: its values are non-negative integers, which may be stored as
/// floating-point numbers, as PyTorch stores its steps.
pub(crate) fn restore(
    what: &str,
    slots: &[(String, &Var)],
    state: &BTreeMap<String, Tensor>,
    fit: Fit,
) -> Result<LoadReport> {
    let report =
        fit.compare(what, slots.iter().map(|(name, var)| (name.as_str(), var.shape())), state)?;
    let (mut problems, mut values) = (Vec::new(), Vec::new());
    for (name, var) in slots {
        let Some(tensor) = state.get(name).filter(|_| report.loaded.binary_search(name).is_ok())
        else {
            continue;
        };
        if var.dtype().is_float() && !tensor.dtype().is_float() {
            problems.push(format!("{name}: type {:?}, expected {:?}", tensor.dtype(), var.dtype()));
            continue;
        }
        if !var.dtype().is_float() {
            let numbers = tensor
                .to_device(&Device::Cpu)?
                .to_dtype(DType::F64)?
                .flatten_all()?
                .to_vec1::<f64>()?;
            let wrong = numbers.into_iter().find(|&n| n.fract() != 0.0 || n < 0.0);
            problems.extend(
                wrong.map(|n| format!("{name}: {n}, expected a whole number of at least 0")),
            );
        }
        // A separate copy: `Var::set` refuses a tensor that shares the variable's storage.
        let value = tensor.detach().to_dtype(var.dtype())?.to_device(var.device())?.copy()?;
        values.push((*var, value));
    }
    if !problems.is_empty() {
        return Err(Error::Values { what: what.to_owned(), problems });
    }
    // Everything is converted and fits, so nothing can fail half-way.
    values.into_iter().try_for_each(|(var, value)| var.set(&value))?;
    Ok(report)
}
