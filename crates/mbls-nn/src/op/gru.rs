//! The recurrence of gated units.

use super::Backend;
use super::backend::dispatch;
use crate::shape::GruDims;
use candle_core::{Result, Tensor};

impl Backend {
    /// The states of gated recurrent units, from what their gates see of the input.
    ///
    /// `backwards` runs from the last entry to the first. The states of the first `padding[n]`
    /// entries are zeros and no others see them. Only the CPU has an operation of its own; the
    /// composed one's backward pass suits short sequences.
    ///
    /// # Shapes
    ///
    /// `gates` `[N, L, 3 H]` (`W_i x + b_i`, in the order r, z, n), `weight` `[3 H, H]`, `bias`
    /// `[3 H]`; the result `[N, L, H]`.
    ///
    /// # Errors
    ///
    /// Where the shapes or types do not fit, the input is empty, or `padding` has not a number for
    /// each sequence, at most its length.
    pub fn gru(
        self,
        gates: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        padding: &[usize],
        backwards: bool,
    ) -> Result<Tensor> {
        let dims = GruDims::new(gates, weight, bias, padding)?;
        dispatch!(self, gru(gates, weight, bias, padding, backwards, dims))
    }
}
