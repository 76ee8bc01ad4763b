use crate::Result;
use crate::loss::focal::{TERM, focal};
use crate::loss::ops::{abs, at_label, from_host, log_softmax};
use crate::loss::{LogitBatch, Loss, LossOutput, setting};
use candle_core::Tensor;

/// Focal loss plus the multi-class difference between confidence and accuracy (MDCA):
/// `FL + beta mean_k |mean_n p_nk - mean_n [y_n = k]|`.
///
/// With gamma 0 the first term is cross-entropy. The second term is a statistic of the batch: it
/// has no value per row and no class weights, and its sum is N times its mean. Its derivative is 0
/// where a class's mean probability equals its fraction of the labels.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{LogitBatch, Loss, Mdca};
///
/// let logits = Tensor::new(&[[0f64, 0.], [0., 0.]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0u32, 0], &Device::Cpu)?;
/// let loss = Mdca::new(0.0, 1.0)?.forward(&LogitBatch::new(&logits, &labels, None)?)?;
/// // Each class has half of the probability; all labels are of one class.
/// assert!((loss.terms[1].value.to_scalar::<f64>()? - 0.5).abs() < 1e-12);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Hebbalaguppe et al., A Stitch in Time Saves Nine: A Train-Time Regularizing Loss for Improved
/// Neural Network Calibration, CVPR 2022 (arXiv 2203.13834); code mdca-loss/MDCA-Calibration,
/// `solvers/loss.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mdca {
    gamma: f64,
    beta: f64,
}

impl Mdca {
    /// Adds the difference with weight `beta` to the focal loss with exponent `gamma`, both 0 or
    /// greater; published with gamma 1 and beta 1 (FL+MDCA), and with gamma 0 (NLL+MDCA).
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for invalid settings.
    pub fn new(gamma: f64, beta: f64) -> Result<Self> {
        Ok(Self {
            gamma: setting::non_negative("gamma", gamma)?,
            beta: setting::non_negative("beta", beta)?,
        })
    }
}

impl Loss for Mdca {
    fn name(&self) -> &'static str {
        "mdca"
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let log_probs = log_softmax(batch.logits()?)?;
        let difference = (log_probs.exp()?.mean(0)? - shares(batch, &log_probs)?)?;
        let difference = batch.reduce_statistic(&abs(&difference)?.mean_all()?)?;
        let losses = batch.reduce(&focal(&at_label(&log_probs, batch)?, self.gamma)?)?;
        LossOutput::new(TERM, 1.0, &losses)?.plus("mdca", self.beta, &difference)
    }
}

/// Returns the fraction of each class among the labels, `[classes]`.
fn shares(batch: &LogitBatch, like: &Tensor) -> candle_core::Result<Tensor> {
    let mut shares = vec![0.0; batch.classes()];
    for &target in batch.kept_targets() {
        shares[target as usize] += 1.0 / batch.rows() as f64;
    }
    from_host(&shares, batch.classes(), like)
}
