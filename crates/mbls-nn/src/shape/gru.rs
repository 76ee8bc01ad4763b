//! The sizes of a GRU recurrence.

use super::place::check_places;
use candle_core::{Result, Tensor, bail};

/// The maximum size of the state, which keeps sums and products of sizes from overflowing.
pub(crate) const WIDEST_STATE: usize = 1 << 16;

/// The sizes of a GRU recurrence whose shapes fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GruDims {
    pub(crate) sequences: usize,
    pub(crate) length: usize,
    pub(crate) hidden: usize,
}

impl GruDims {
    pub(crate) fn new(
        gates: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        padding: &[usize],
    ) -> Result<Self> {
        const NAME: &str = "GRU";
        let (&[sequences, length, rows], &[outputs, hidden]) = (gates.dims(), weight.dims()) else {
            bail!(
                "{NAME}: gates of shape {:?} and weight of shape {:?}, expected [N, L, 3 hidden] and [3 hidden, hidden]",
                gates.shape(),
                weight.shape()
            );
        };
        let empty = gates.elem_count() == 0 || weight.elem_count() == 0;
        if empty
            || hidden > WIDEST_STATE
            || rows != 3 * hidden
            || outputs != rows
            || bias.dims() != [rows]
        {
            bail!(
                "{NAME}: gates of shape {:?}, weight {:?} and bias {:?}, expected [N, L, 3 hidden], [3 hidden, hidden] and [3 hidden]",
                gates.shape(),
                weight.shape(),
                bias.shape()
            );
        }
        check_places(
            NAME,
            gates,
            &[gates.dtype()],
            &[("weight", Some(weight)), ("bias", Some(bias))],
        )?;
        if padding.len() != sequences || padding.iter().any(|&count| count > length) {
            bail!(
                "{NAME}: padding = {padding:?}, expected {sequences} numbers of at most {length}"
            );
        }
        Ok(Self { sequences, length, hidden })
    }
}
