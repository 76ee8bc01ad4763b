use crate::Result;
use crate::loss::cross_entropy::{TERM, negative_log_likelihood};
use crate::loss::fused::{self, Base, Plan, Second};
use crate::loss::ops::{constant, log_softmax, maximum};
use crate::loss::{
    ClassReduction, LogitBatch, LogitPenalty, Loss, LossOutput, PenaltyShape, setting,
};
use candle_core::{D, Tensor};

/// Adaptive and conditional label smoothing (ACLS):
/// `CE + alpha (pos_lambda mean_n max(0, z_n - m)² + neg_lambda mean_{n, k != w} max(0, sg(z_n) -
/// l_nk - m)²)`.
///
/// z is the row's largest logit, w its (first) class, m the margin, and sg stops the gradient. The
/// second mean is over the N (C - 1) other classes: a quadratic [`LogitPenalty`] with a detached
/// anchor. The first term depends on the top logit itself, so this loss is not invariant to a shift
/// of a row's logits.
///
/// The formula is that of the published code. They differ only if several logits tie for the
/// maximum: the code counts the first term for each of them.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{Acls, LogitBatch, Loss};
///
/// let logits = Tensor::new(&[[12f32, 0., 4.]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0u32], &Device::Cpu)?;
/// let loss = Acls::new(10.0, 0.1)?.forward(&LogitBatch::new(&logits, &labels, None)?)?;
/// // The top logit exceeds the margin by 2, and so does one of the two distances.
/// assert_eq!(loss.terms[1].value.to_scalar::<f32>()?, 4.0);
/// assert_eq!(loss.terms[2].value.to_scalar::<f32>()?, 2.0);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Park et al., ACLS: Adaptive and Conditional Label Smoothing for Network Calibration, ICCV 2023
/// (arXiv 2308.11911); code cvlab-yonsei/ACLS, `calibrate/losses/acls.py`.
#[derive(Clone, Debug, PartialEq)]
pub struct Acls {
    penalty: LogitPenalty,
    margin: f64,
    alpha: f64,
    positive: f64,
    negative: f64,
}

/// The names of its terms besides cross-entropy.
const TOP_LOGIT: &str = "winner-logit";
const OTHERS: &str = "logit-margin";

impl Acls {
    /// Adds the two penalties beyond `margin` with weight `alpha`, both 0 or greater, with
    /// `pos_lambda` 1 and `neg_lambda` 0.1; published with margin 10 and alpha 0.1.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for invalid settings.
    pub fn new(margin: f64, alpha: f64) -> Result<Self> {
        let penalty = LogitPenalty::new(margin)?
            .with_shape(PenaltyShape::Quadratic)?
            .with_detached_anchor()
            .with_class_reduction(ClassReduction::Sum);
        Ok(Self {
            penalty,
            margin,
            alpha: setting::non_negative("alpha", alpha)?,
            positive: 1.0,
            negative: 0.1,
        })
    }

    /// Returns this loss with other weights of its two terms, 0 or greater.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) for invalid weights.
    pub fn with_lambdas(mut self, positive: f64, negative: f64) -> Result<Self> {
        self.positive = setting::non_negative("pos_lambda", positive)?;
        self.negative = setting::non_negative("neg_lambda", negative)?;
        Ok(self)
    }

    /// Computes `max(0, z_n - m)²` of each row.
    fn top_logits(&self, logits: &Tensor) -> candle_core::Result<Tensor> {
        let top_logit = maximum(logits)?.squeeze(D::Minus1)?;
        let beyond = top_logit.affine(1.0, -self.margin)?;
        top_logit.le(self.margin)?.where_cond(&constant(0.0, &top_logit)?, &beyond)?.sqr()
    }
}

impl Loss for Acls {
    fn name(&self) -> &'static str {
        "acls"
    }

    fn margin(&self) -> Option<f64> {
        Some(self.margin)
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        let (top_logit, others) = (self.alpha * self.positive, self.alpha * self.negative);
        // The top logit's own distance is 0, so it adds nothing to the sum over all classes.
        let mean = 1.0 / (batch.classes() - 1) as f64;
        let penalty = self.penalty.clone().with_class_weights(vec![mean; batch.classes()])?;
        let plan = Plan::new(TERM, 1.0, Base::CrossEntropy)
            .with_top_logit(TOP_LOGIT, top_logit, self.margin)
            .with_second(OTHERS, others, Second::Penalty(penalty));
        if let Some(output) = fused::forward(batch, &plan)? {
            return Ok(output);
        }
        let logits = batch.logits()?;
        let cross_entropy =
            batch.reduce(&negative_log_likelihood(&log_softmax(logits)?, batch)?)?;
        let distances = self.penalty.per_row(batch)?.affine(mean, 0.0)?;
        LossOutput::new(TERM, 1.0, &cross_entropy)?
            .plus(TOP_LOGIT, top_logit, &batch.reduce(&self.top_logits(logits)?)?)?
            .plus(OTHERS, others, &batch.reduce(&distances)?)
    }
}
