//! Rows of a table by index.

use crate::layer::check_indices;
use candle_core::{Result, Tensor};

/// The rows of `weight` at `indices`; the row `padding_idx` gets no gradient.
///
/// # Shapes
///
/// `weight` `[V, D]`, `indices` `[..]` of `u32`; the result `[.., D]`.
///
/// # Errors
///
/// Where an index is not a row (the message names value and position) or has another type.
pub fn embedding(weight: &Tensor, indices: &Tensor, padding_idx: Option<u32>) -> Result<Tensor> {
    let values = check_indices(weight, indices)?;
    let mut shape = indices.dims().to_vec();
    shape.push(weight.dim(1)?);
    let indices = Tensor::from_vec(values, indices.elem_count(), weight.device())?;
    let rows = weight.contiguous()?.index_select(&indices, 0)?;
    let rows = match padding_idx {
        Some(padding) => {
            let is_padding = indices.eq(padding)?.unsqueeze(1)?.broadcast_as(rows.shape())?.contiguous()?;
            is_padding.where_cond(&rows.detach(), &rows)?
        }
        None => rows,
    };
    rows.reshape(shape)
}
