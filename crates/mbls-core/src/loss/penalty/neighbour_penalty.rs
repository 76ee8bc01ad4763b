use crate::Result;
use crate::loss::cross_entropy::{TERM, negative_log_likelihood};
use crate::loss::neighbourhood::Neighbourhood;
use crate::loss::ops::{abs, log_softmax, mean_over_classes};
use crate::loss::{LogitBatch, Loss, LossOutput, setting};
use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};

/// Neighbour-aware calibration (NACL) for dense predictions: `CE + alpha mean_{n,k} |t_nk - l_nk|`,
/// where t_nk is the fraction of class k among the labels of a window around n.
///
/// The window has three positions along each spatial dimension, including its centre: logits are
/// drawn towards the local composition of the labels. The penalty is on the logits themselves, so
/// this loss is not invariant to a shift of a row's logits. A position outside of the image is
/// replaced by the nearest one inside (the published code counts it as class 0); an ignored
/// neighbour counts as the position itself. The derivative of the absolute value at 0 is 0.
///
/// # Shapes
///
/// Logits `[N, C, d1, ...]` with one to three spatial dimensions.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{LogitBatch, Loss, NeighbourNorm, NeighbourPenalty};
///
/// let logits = Tensor::zeros((1, 2, 3), candle_core::DType::F64, &Device::Cpu)?;
/// let labels = Tensor::new(&[[0u32, 0, 1]], &Device::Cpu)?;
/// let loss = NeighbourPenalty::new(0.1, NeighbourNorm::L1)?
///     .forward(&LogitBatch::new(&logits, &labels, None)?)?;
/// // Shares sum to 1, so the mean distance of zeros from them is 1 / C.
/// assert!((loss.terms[1].value.to_scalar::<f64>()? - 0.5).abs() < 1e-12);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Murugesan et al., Trust your neighbours: Penalty-based constraints for model calibration, MICCAI
/// 2023 (arXiv 2303.06268); code Bala93/MarginLoss, `calibrate/losses/spatial_adaptive_margin.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeighbourPenalty {
    alpha: f64,
    norm: NeighbourNorm,
}

/// The norm of a distance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NeighbourNorm {
    /// The absolute value.
    #[default]
    L1,
    /// The square.
    L2,
}

impl NeighbourPenalty {
    /// Penalises distances with weight `alpha`, 0 or greater; published with 0.1 and
    /// [`NeighbourNorm::L1`].
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for an invalid `alpha`.
    pub fn new(alpha: f64, norm: NeighbourNorm) -> Result<Self> {
        Ok(Self { alpha: setting::non_negative("alpha", alpha)?, norm })
    }
}

impl Loss for NeighbourPenalty {
    fn name(&self) -> &'static str {
        "neighbour-penalty"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let logits = batch.logits()?;
        let cross_entropy =
            batch.reduce(&negative_log_likelihood(&log_softmax(logits)?, batch)?)?;
        let difference = (shares(batch, logits)? - logits)?;
        let distances = match self.norm {
            NeighbourNorm::L1 => abs(&difference)?,
            NeighbourNorm::L2 => difference.sqr()?,
        };
        let penalty = batch.reduce(&mean_over_classes(&distances)?)?;
        LossOutput::new(TERM, 1.0, &cross_entropy)?.plus("neighbour-distance", self.alpha, &penalty)
    }
}

/// Returns the fraction of each class in each row's window, `[rows, classes]`.
fn shares(batch: &LogitBatch, logits: &Tensor) -> Result<Tensor> {
    let Neighbourhood { labels, squared_distances: window } = Neighbourhood::new(batch)?;
    let none = Tensor::zeros((batch.rows(), batch.classes()), logits.dtype(), logits.device())?;
    let one = Tensor::ones(labels.shape(), logits.dtype(), logits.device())?;
    Ok(none.scatter_add(&labels, &one, D::Minus1)?.affine(1.0 / window.len() as f64, 0.0)?)
}
