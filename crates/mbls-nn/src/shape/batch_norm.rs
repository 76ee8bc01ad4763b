//! Statistics, epilogue and result of a batch normalisation, and the checks of its tensors.

use super::place::check_places;
use candle_core::{DType, Result, Tensor, bail};

/// The statistics that a batch normalisation uses.
#[derive(Clone, Copy, Debug)]
pub enum Statistics<'a> {
    /// The mean and the biased variance of the input, through which the gradient flows.
    OfBatch,
    /// Given statistics `[C]`, which get no gradient.
    Given {
        /// The mean of each channel.
        mean: &'a Tensor,
        /// The variance of each channel.
        variance: &'a Tensor,
    },
}

/// An epilogue that is fused with a batch normalisation.
#[derive(Clone, Copy, Debug)]
pub enum BatchNormEpilogue<'a> {
    /// No epilogue: returns the normalised values.
    Nothing,
    /// Adds a residual, if there is one, then applies ReLU.
    Relu(Option<&'a Tensor>),
}

impl<'a> BatchNormEpilogue<'a> {
    /// Returns the residual that is added.
    pub(crate) fn residual(&self) -> Option<&'a Tensor> {
        match self {
            Self::Nothing => None,
            Self::Relu(residual) => *residual,
        }
    }
}

/// The result of a batch normalisation.
#[derive(Clone, Debug)]
pub struct BatchNormOutput {
    /// The normalised input `[N, C, ..]`, after the epilogue.
    pub output: Tensor,
    /// The mean of each channel `[C]` used for the normalisation, without gradient.
    pub mean: Tensor,
    /// The variance of each channel `[C]` used for the normalisation, without gradient.
    pub variance: Tensor,
}

/// Returns the type of scale, shift and statistics for activations of `dtype`.
pub(crate) fn statistics_type(dtype: DType) -> DType {
    match dtype {
        DType::F16 | DType::BF16 => DType::F32,
        other => other,
    }
}

/// Checks that the tensors of a batch normalisation fit its input, and that a batch normalised by
/// its own statistics has a variance.
pub(crate) fn check_batch_norm(
    x: &Tensor,
    affine: [&Tensor; 2],
    statistics: Statistics,
    epilogue: BatchNormEpilogue,
) -> Result<()> {
    let per_channel = match statistics {
        Statistics::OfBatch => affine.to_vec(),
        Statistics::Given { mean, variance } => [affine, [mean, variance]].concat(),
    };
    if x.rank() < 2 {
        bail!("batch norm: input of shape {:?}, expected [N, C, ..]", x.shape());
    }
    if x.elem_count() == 0 {
        bail!("batch norm: input of shape {:?} is empty", x.shape());
    }
    let c = x.dim(1)?;
    for tensor in &per_channel {
        if tensor.dims() != [c] {
            bail!(
                "batch norm: input of shape {:?}, but the layer has {:?} channels",
                x.shape(),
                tensor.shape()
            );
        }
    }
    let types = [x.dtype(), statistics_type(x.dtype())];
    let types = if types[0] == types[1] { &types[..1] } else { &types };
    for tensor in &per_channel {
        check_places("batch norm", x, types, &[("a tensor per channel", Some(tensor))])?;
    }
    if matches!(statistics, Statistics::OfBatch) && x.elem_count() == c {
        bail!(
            "batch norm: input of shape {:?}: training needs more than one value per channel",
            x.shape()
        );
    }
    match epilogue.residual() {
        Some(residual) => check_residual(x, residual),
        None => Ok(()),
    }
}

/// Checks that a residual fits the normalised input.
fn check_residual(x: &Tensor, residual: &Tensor) -> Result<()> {
    if residual.shape() != x.shape() {
        bail!(
            "batch norm: residual of shape {:?}, expected {:?} like the input",
            residual.shape(),
            x.shape()
        );
    }
    if residual.dtype() != x.dtype() {
        bail!(
            "batch norm: residual of type {:?}, expected {:?} like the input",
            residual.dtype(),
            x.dtype()
        );
    }
    Ok(())
}
