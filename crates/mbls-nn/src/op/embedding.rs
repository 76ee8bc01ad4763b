//! Table look-up by index.

use super::Backend;
use super::backend::dispatch;
use crate::shape::Lookup;
use candle_core::{Result, Tensor};

impl Backend {
    /// Returns the rows of `weight` at `indices`; the row `padding_idx` gets no gradient.
    ///
    /// Indices are checked on the host, so on a CUDA device this waits for them.
    ///
    /// # Shapes
    ///
    /// `weight` `[V, D]`, `indices` `[..]` of `u32`; the result `[.., D]`.
    ///
    /// # Errors
    ///
    /// Fails if an index is not a row (the message names value and position) or has another type.
    pub fn embedding(
        self,
        weight: &Tensor,
        indices: &Tensor,
        padding_idx: Option<u32>,
    ) -> Result<Tensor> {
        let lookup = Lookup::new(weight, indices, padding_idx)?;
        dispatch!(self, embedding(weight, lookup))
    }
}
