//! The sizes of an affine map.

use super::place::check_places;
use candle_core::{Result, Shape, Tensor, bail};

/// The sizes of an affine map whose shapes fit.
#[derive(Clone, Debug)]
pub(crate) struct LinearDims {
    pub(crate) rows: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// The shape of the result.
    pub(crate) shape: Shape,
}

impl LinearDims {
    pub(crate) fn new(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        if x.dims().last() != Some(&inputs) {
            bail!(
                "linear: input of shape {:?}, expected the last dimension to be {inputs}",
                x.shape()
            );
        }
        if x.elem_count() == 0 {
            bail!("linear: input of shape {:?} is empty", x.shape());
        }
        if let Some(bias) = bias
            && bias.dims() != [outputs]
        {
            bail!("linear: bias of shape {:?}, expected [{outputs}]", bias.shape());
        }
        check_places("linear", x, &[x.dtype()], &[("weight", Some(weight)), ("bias", bias)])?;
        let mut shape = x.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        Ok(Self { rows: x.elem_count() / inputs, inputs, outputs, shape: Shape::from(shape) })
    }
}
