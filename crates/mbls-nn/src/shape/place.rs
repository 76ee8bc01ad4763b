//! Types and devices of the tensors of one layer.

use candle_core::{DType, Result, Tensor, bail};

/// Checks that tensors are on the device of `x` and have one of `types`.
pub(super) fn check_places(
    layer: &str,
    x: &Tensor,
    types: &[DType],
    tensors: &[(&str, Option<&Tensor>)],
) -> Result<()> {
    for &(what, tensor) in tensors {
        if let Some(tensor) = tensor
            && !(types.contains(&tensor.dtype()) && tensor.device().same_device(x.device()))
        {
            bail!(
                "{layer}: {what} in {:?} on {:?}, expected {} on {:?}, for an input in {:?}",
                tensor.dtype(),
                tensor.device().location(),
                types.iter().map(|t| format!("{t:?}")).collect::<Vec<_>>().join(" or "),
                x.device().location(),
                x.dtype()
            );
        }
    }
    Ok(())
}
