//! The recurrence of gated recurrent units.

use super::Backend;
use super::backend::dispatch;
use crate::shape::GruDims;
use candle_core::{Result, Tensor};

impl Backend {
    /// Computes the states of gated recurrent units from the input parts of their gates.
    ///
    /// `backwards` runs from the last entry to the first. The states of the first `padding[n]`
    /// entries are zeros and do not influence any others. Only the CPU has a fused operation. The
    /// backward pass of the composed one is suited to short sequences only.
    ///
    /// # Shapes
    ///
    /// `gates` `[N, L, 3 H]` (`W_i x + b_i`, in the order r, z, n), `weight` `[3 H, H]`, `bias`
    /// `[3 H]`; the result `[N, L, H]`.
    ///
    /// # Errors
    ///
    /// Fails if the shapes or types do not fit, the input is empty, or `padding` does not have one
    /// number per sequence, at most its length.
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
