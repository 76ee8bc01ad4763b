//! Table look-up by index.

use crate::shape::Lookup;
use candle_core::{Result, Tensor};

pub(crate) fn embedding(weight: &Tensor, lookup: Lookup) -> Result<Tensor> {
    let Lookup { indices, padding_idx, shape } = lookup;
    let count = indices.len();
    let indices = Tensor::from_vec(indices, count, weight.device())?;
    let rows = weight.contiguous()?.index_select(&indices, 0)?;
    let rows = match padding_idx {
        Some(padding) => {
            let is_padding =
                indices.eq(padding)?.unsqueeze(1)?.broadcast_as(rows.shape())?.contiguous()?;
            is_padding.where_cond(&rows.detach(), &rows)?
        }
        None => rows,
    };
    rows.reshape(shape)
}
