use super::ops::mean_over_classes;
use super::{LogitBatch, setting};
use crate::Result;
use candle_core::{D, Tensor};

/// A penalty on logit distances beyond a margin: `mean_{n,k} max(0, max_j l_nj - l_nk - margin)`.
///
/// The mean is over rows and classes, the winner included. The gradient of the maximum goes to the first of tied logits;
/// a distance of exactly the margin has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitPenalty {
    margin: f64,
}

impl LogitPenalty {
    /// Penalises distances greater than `margin`, 0 or greater.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for another `margin`.
    pub fn new(margin: f64) -> Result<Self> {
        Ok(Self { margin: setting::non_negative("margin", margin)? })
    }

    /// The distance up to which nothing is penalised.
    pub fn margin(&self) -> f64 {
        self.margin
    }

    /// The penalty of each row that counts, `[rows]`, its mean over classes.
    ///
    /// # Errors
    ///
    /// Where candle fails.
    pub fn per_row(&self, batch: &LogitBatch) -> Result<Tensor> {
        let logits = batch.logits()?;
        let max = logits.gather(&first_maximum(logits)?, D::Minus1)?;
        let distance = max.broadcast_sub(logits)?;
        // candle's relu has derivative 1 at 0. The comparison is false for NaN, which so stays.
        let excess =
            distance.le(self.margin)?.where_cond(&logits.zeros_like()?, &distance.affine(1.0, -self.margin)?)?;
        Ok(mean_over_classes(&excess)?)
    }
}

/// The first index of each row's maximum, `[rows, classes]` to `[rows, 1]`.
///
/// candle's argmax takes the first on the CPU only: on GPUs its order is that of a parallel reduction.
fn first_maximum(logits: &Tensor) -> candle_core::Result<Tensor> {
    let (logits, shape) = (logits.detach(), logits.shape());
    let classes = shape.dims()[1] as u32;
    let is_maximum = logits.broadcast_eq(&logits.max_keepdim(D::Minus1)?)?;
    let index = Tensor::arange(0, classes, logits.device())?.broadcast_as(shape)?;
    // The last class for all others: a row of NaN, which has no maximum, gets an index within range too.
    let last = Tensor::full(classes - 1, shape, logits.device())?;
    is_maximum.where_cond(&index, &last)?.min_keepdim(D::Minus1)
}
