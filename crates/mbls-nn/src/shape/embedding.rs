//! Checks of a table look-up.

use candle_core::{DType, Result, Tensor, bail};

/// A look-up in a table `[V, D]` whose indices have been checked.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    pub(crate) indices: Vec<u32>,
    /// The row that gets no gradient.
    pub(crate) padding_idx: Option<u32>,
    /// The shape of the result `[.., D]`.
    pub(crate) shape: Vec<usize>,
}

impl Lookup {
    pub(crate) fn new(weight: &Tensor, indices: &Tensor, padding_idx: Option<u32>) -> Result<Self> {
        let values = check_indices(weight, indices)?;
        let shape = [indices.dims(), &[weight.dim(1)?]].concat();
        Ok(Self { indices: values, padding_idx, shape })
    }
}

/// Returns the indices after checking that each of them is a row of `weight`.
fn check_indices(weight: &Tensor, indices: &Tensor) -> Result<Vec<u32>> {
    let (rows, _) = weight.dims2()?;
    if indices.dtype() != DType::U32 {
        bail!("embedding: indices of type {:?}, expected U32", indices.dtype());
    }
    let values = indices.flatten_all()?.to_vec1::<u32>()?;
    match values.iter().position(|&v| v as usize >= rows) {
        Some(at) => bail!(
            "embedding: index {} at position {at} of {:?}, expected less than the {rows} rows",
            values[at],
            indices.shape()
        ),
        None => Ok(values),
    }
}
