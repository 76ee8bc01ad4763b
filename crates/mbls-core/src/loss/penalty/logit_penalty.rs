use crate::loss::ops::{constant, from_host, maximum, mean_over_classes};
use crate::loss::{LogitBatch, setting};
use crate::{Error, Result};
use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};

/// A penalty on logit distances beyond a margin: `mean_k w_k s(max(0, a_n - l_nk - m_k))` for each
/// row n.
///
/// a is the [`Anchor`], by default the largest logit; m is the margin; s is the [`PenaltyShape`],
/// by default linear; w is the weight of a class, by default 1. The mean is over all classes,
/// including the top logit, and may be replaced by a sum: see [`ClassReduction`]. The gradient of
/// the maximum goes to the first of tied logits, unless the anchor is detached. At a distance of
/// exactly the margin the derivative is 0.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{LogitBatch, LogitPenalty, PenaltyShape};
///
/// let logits = Tensor::new(&[[12f32, 0., 3., 9.]], &Device::Cpu)?;
/// let batch = LogitBatch::new(&logits, &Tensor::new(&[0u32], &Device::Cpu)?, None)?;
/// // Distances 0, 12, 9 and 3: one exceeds the margin, by 3, and one equals it.
/// assert_eq!(LogitPenalty::new(9.0)?.per_row(&batch)?.to_vec1::<f32>()?, [0.75]);
/// let squared = LogitPenalty::new(9.0)?.with_shape(PenaltyShape::Quadratic)?;
/// assert_eq!(squared.per_row(&batch)?.to_vec1::<f32>()?, [2.25]);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Linear, from the maximum: Liu et al., The Devil is in the Margin, CVPR 2022 (arXiv 2111.15430),
/// equation 4. Quadratic, from a detached maximum: Park et al., ACLS, ICCV 2023 (arXiv 2308.11911).
#[derive(Clone, Debug, PartialEq)]
pub struct LogitPenalty {
    margin: Margin,
    anchor: Anchor,
    detached_anchor: bool,
    shape: PenaltyShape,
    class_weights: Option<Vec<f64>>,
    class_reduction: ClassReduction,
}

/// The distances up to which there is no penalty.
#[derive(Clone, Debug, PartialEq)]
pub enum Margin {
    /// One margin for all classes.
    Same(f64),
    /// One margin per class, as many as the logits have.
    PerClass(Vec<f64>),
}

/// The logit from which distances are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Anchor {
    /// The largest logit of the row, that of the predicted class.
    #[default]
    Max,
    /// The logit of the label: other classes may exceed it at no cost.
    Target,
}

/// The cost of an excess e over the margin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum PenaltyShape {
    /// e.
    #[default]
    Linear,
    /// e².
    Quadratic,
    /// Huber: e²/2 up to delta, delta (e - delta/2) beyond.
    Huber {
        /// The excess from which the cost is linear, positive.
        delta: f64,
    },
}

/// The reduction of the penalties of classes to that of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassReduction {
    /// The mean, as in the published code of MbLS.
    #[default]
    Mean,
    /// The sum, as in the equations of its paper: the same weight has C times the effect.
    Sum,
}

impl LogitPenalty {
    /// Penalises distances to the maximum that exceed `margin`, 0 or greater; linear, averaged over
    /// classes.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an invalid `margin`.
    pub fn new(margin: f64) -> Result<Self> {
        Ok(Self {
            margin: Margin::Same(setting::non_negative("margin", margin)?),
            anchor: Anchor::default(),
            detached_anchor: false,
            shape: PenaltyShape::default(),
            class_weights: None,
            class_reduction: ClassReduction::default(),
        })
    }

    /// Returns this penalty with another margin, 0 or greater, for all classes.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an invalid margin.
    pub fn with_margin(mut self, margin: f64) -> Result<Self> {
        self.margin = Margin::Same(setting::non_negative("margin", margin)?);
        Ok(self)
    }

    /// Returns this penalty with a margin for each class, 0 or greater.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for invalid margins.
    pub fn with_class_margins(mut self, margins: Vec<f64>) -> Result<Self> {
        setting::each_non_negative("margin", &margins)?;
        self.margin = Margin::PerClass(margins);
        Ok(self)
    }

    /// Returns this penalty with distances measured from another logit.
    #[must_use]
    pub fn with_anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }

    /// Returns this penalty without a gradient into the anchor: it raises the other logits and does
    /// not change the anchor.
    #[must_use]
    pub fn with_detached_anchor(mut self) -> Self {
        self.detached_anchor = true;
        self
    }

    /// Returns this penalty with another cost of an excess.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a delta that is not positive.
    pub fn with_shape(mut self, shape: PenaltyShape) -> Result<Self> {
        if let PenaltyShape::Huber { delta } = shape {
            setting::positive("delta", delta)?;
        }
        self.shape = shape;
        Ok(self)
    }

    /// Returns this penalty with a weight for each class, 0 or greater. The mean still divides by
    /// the number of classes.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for invalid weights.
    pub fn with_class_weights(mut self, weights: Vec<f64>) -> Result<Self> {
        setting::each_non_negative("class weights", &weights)?;
        self.class_weights = Some(weights);
        Ok(self)
    }

    /// Returns this penalty with the sum over classes, or the mean.
    #[must_use]
    pub fn with_class_reduction(mut self, reduction: ClassReduction) -> Self {
        self.class_reduction = reduction;
        self
    }

    /// The distances up to which there is no penalty.
    pub fn margin(&self) -> &Margin {
        &self.margin
    }

    /// The logit from which distances are measured.
    pub fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// Whether no gradient flows into the anchor.
    pub fn detached_anchor(&self) -> bool {
        self.detached_anchor
    }

    /// The cost of an excess.
    pub fn shape(&self) -> PenaltyShape {
        self.shape
    }

    /// The weights of the classes, if they were set.
    pub fn class_weights(&self) -> Option<&[f64]> {
        self.class_weights.as_deref()
    }

    /// The reduction of the penalties of classes to that of a row.
    pub fn class_reduction(&self) -> ClassReduction {
        self.class_reduction
    }

    /// Computes the penalty of each row that is not ignored, `[rows]`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if margins or weights are for another number of classes, or an error of
    /// candle.
    pub fn per_row(&self, batch: &LogitBatch) -> Result<Tensor> {
        let logits = batch.logits()?;
        let anchor = match self.anchor {
            Anchor::Max => maximum(logits)?,
            Anchor::Target => logits.gather(&batch.labels()?.unsqueeze(1)?, D::Minus1)?,
        };
        let anchor = if self.detached_anchor { anchor.detach() } else { anchor };
        let distance = anchor.broadcast_sub(logits)?;
        // candle's relu has derivative 1 at 0. The comparisons are false for NaN, which is kept.
        let excess = match &self.margin {
            Margin::Same(margin) => distance
                .le(*margin)?
                .where_cond(&logits.zeros_like()?, &distance.affine(1.0, -margin)?)?,
            Margin::PerClass(margins) => {
                let margins = per_class("margins", margins, logits)?;
                distance
                    .broadcast_le(&margins)?
                    .where_cond(&logits.zeros_like()?, &distance.broadcast_sub(&margins)?)?
            }
        };
        let cost = match &self.class_weights {
            Some(weights) => self.shape.cost(&excess)?.broadcast_mul(&per_class(
                "class weights of the penalty",
                weights,
                logits,
            )?)?,
            None => self.shape.cost(&excess)?,
        };
        Ok(match self.class_reduction {
            ClassReduction::Mean => mean_over_classes(&cost)?,
            ClassReduction::Sum => cost.sum(D::Minus1)?,
        })
    }
}

impl PenaltyShape {
    /// Computes the cost of each excess, 0 or greater.
    fn cost(self, excess: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            Self::Linear => Ok(excess.clone()),
            Self::Quadratic => excess.sqr(),
            Self::Huber { delta } => {
                // c (e - c/2) with c the excess up to delta.
                let capped = excess.gt(delta)?.where_cond(&constant(delta, excess)?, excess)?;
                &capped * (excess - capped.affine(0.5, 0.0)?)?
            }
        }
    }
}

/// Returns one value per class as a row, in the element type and on the device of the logits.
pub(in crate::loss) fn per_class(
    what: &'static str,
    values: &[f64],
    logits: &Tensor,
) -> Result<Tensor> {
    let classes = logits.dim(D::Minus1)?;
    if values.len() != classes {
        return Err(Error::Shape {
            what,
            expected: format!("[{classes}], one per class"),
            found: format!("[{}]", values.len()),
        });
    }
    Ok(from_host(values, (1, classes), logits)?)
}
