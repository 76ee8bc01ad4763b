//! The recurrence of gated recurrent units, step by step.

use crate::shape::GruDims;
use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;

pub(crate) fn gru(
    gates: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    padding: &[usize],
    backwards: bool,
    dims: GruDims,
) -> Result<Tensor> {
    let GruDims { sequences, length, hidden } = dims;
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
        let inside = Tensor::from_vec(inside, (sequences, 1), gates.device())?
            .broadcast_as(mixed.shape())?
            .contiguous()?;
        state = inside.where_cond(&mixed, &mixed.zeros_like()?)?;
        states.push(state.clone());
    }
    if backwards {
        states.reverse();
    }
    Tensor::stack(&states, 1)
}
