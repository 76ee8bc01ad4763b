use crate::Result;
use crate::loss::neighbourhood::Neighbourhood;
use crate::loss::ops::{from_host, log_softmax};
use crate::loss::{LogitBatch, Loss, LossOutput, setting};
use candle_core::D;

/// Spatially varying label smoothing (SVLS) for dense predictions: cross-entropy with the labels
/// around a position, `mean_n -sum_o w_o log p_n[y_{n+o}]`.
///
/// o runs over the positions of a window of three along each spatial dimension. The position itself
/// has weight 1/2; its neighbours share the other half in proportion to `exp(-|o|² / (2 sigma²))`.
/// Targets are therefore soft only at the borders of objects. A position outside of the image is
/// replaced by the nearest one inside, as published; an ignored neighbour counts as the position
/// itself.
///
/// # Shapes
///
/// Logits `[N, C, d1, ...]` with one to three spatial dimensions.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{LogitBatch, Loss, SpatialLabelSmoothing};
///
/// // Three positions in a row, probabilities 3/4 and 1/4 on each.
/// let logits = Tensor::new(&[[[3f64.ln(); 3], [0.; 3]]], &Device::Cpu)?;
/// let labels = Tensor::new(&[[0u32, 0, 1]], &Device::Cpu)?;
/// let loss =
///     SpatialLabelSmoothing::new(1.0)?.forward(&LogitBatch::new(&logits, &labels, None)?)?;
/// // The targets of class 0 are 1, 3/4 and 1/4.
/// let expected = -(2.0 * 0.75f64.ln() + 0.25f64.ln()) / 3.0;
/// assert!((loss.total.to_scalar::<f64>()? - expected).abs() < 1e-12);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Islam and Glocker, Spatially Varying Label Smoothing: Capturing Uncertainty from Expert
/// Annotations, IPMI 2021 (arXiv 2104.05788); code mobarakol/SVLS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpatialLabelSmoothing {
    sigma: f64,
}

impl SpatialLabelSmoothing {
    /// Smooths with a Gaussian of standard deviation `sigma` in positions, positive; published with
    /// 1.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for an invalid `sigma`.
    pub fn new(sigma: f64) -> Result<Self> {
        Ok(Self { sigma: setting::positive("sigma", sigma)? })
    }

    /// Returns the weights of a window, computed from the squared distances of its positions.
    fn weights(&self, squared_distances: &[usize]) -> Vec<f64> {
        // Relative to the nearest neighbours, so that their weights do not vanish for a small
        // sigma.
        let gaussian = |&d: &usize| match d {
            0 => 0.0,
            _ => (-(d as f64 - 1.0) / (2.0 * self.sigma * self.sigma)).exp(),
        };
        let neighbours: f64 = squared_distances.iter().map(gaussian).sum();
        squared_distances
            .iter()
            .map(|d| if *d == 0 { 0.5 } else { gaussian(d) / (2.0 * neighbours) })
            .collect()
    }
}

impl Loss for SpatialLabelSmoothing {
    fn name(&self) -> &'static str {
        "spatial-label-smoothing"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let Neighbourhood { labels, squared_distances } = Neighbourhood::new(batch)?;
        let log_probs = log_softmax(batch.logits()?)?.gather(&labels, D::Minus1)?;
        let weights =
            from_host(&self.weights(&squared_distances), (1, squared_distances.len()), &log_probs)?;
        let losses = log_probs.broadcast_mul(&weights)?.sum(D::Minus1)?.neg()?;
        LossOutput::new("smoothed-cross-entropy", 1.0, &batch.reduce(&losses)?)
    }
}
