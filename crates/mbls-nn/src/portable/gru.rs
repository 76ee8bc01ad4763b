//! The recurrence of gated units, step by step.

use crate::layer::GruDims;
use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;

/// The states of gated recurrent units, from what their gates see of the input; as [`cpu::gru`](crate::cpu::gru).
///
/// `backwards` runs from the last entry to the first. The states of the first `padding[n]` entries are zeros and no others see them.
///
/// # Shapes
///
/// `gates` `[N, L, 3 H]` (`W_i x + b_i`, in the order r, z, n), `weight` `[3 H, H]`, `bias` `[3 H]`; the result `[N, L, H]`.
///
/// # Errors
///
/// Where the shapes or types do not fit, the input is empty, or `padding` has not a number for each sequence, at most its length.
pub fn gru(gates: &Tensor, weight: &Tensor, bias: &Tensor, padding: &[usize], backwards: bool) -> Result<Tensor> {
    let GruDims { sequences, length, hidden } = GruDims::new(gates, weight, bias, padding)?;
    let weight = weight.t()?.contiguous()?;
    let mut state = Tensor::zeros((sequences, hidden), gates.dtype(), gates.device())?;
    let mut states = Vec::with_capacity(length);
    for step in 0..length {
        let t = if backwards { length - 1 - step } else { step };
        let input = gates.narrow(1, t, 1)?.squeeze(1)?;
        let before = state.matmul(&weight)?.broadcast_add(bias)?;
        let part = |t: &Tensor, i: usize| t.narrow(1, i * hidden, hidden);
        let reset = sigmoid(&(part(&input, 0)? + part(&before, 0)?)?)?;
        let update = sigmoid(&(part(&input, 1)? + part(&before, 1)?)?)?;
        let new = (part(&input, 2)? + (reset * part(&before, 2)?)?)?.tanh()?;
        let mixed = (&new + (update * (&state - &new)?)?)?;
        let inside: Vec<u8> = padding.iter().map(|&count| u8::from(t >= count)).collect();
        let inside =
            Tensor::from_vec(inside, (sequences, 1), gates.device())?.broadcast_as(mixed.shape())?.contiguous()?;
        state = inside.where_cond(&mixed, &mixed.zeros_like()?)?;
        states.push(state.clone());
    }
    if backwards {
        states.reverse();
    }
    Tensor::stack(&states, 1)
}
