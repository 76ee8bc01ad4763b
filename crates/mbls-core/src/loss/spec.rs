use super::{
    Acls, AlphaSchedule, Anchor, AugmentedPenalty, AutoMargin, BrierLoss, ClassAdaptive,
    ClassReduction, CrossEntropy, DualFocal, EntropyPenalty, Focal, L1Penalty, LabelSmoothing,
    LogitNorm, LogitPenalty, Loss, MarginChoice, MarginLoss, Mdca, Mmce, NeighbourNorm,
    NeighbourPenalty, PenaltyShape, SampleDependentFocal, SpatialLabelSmoothing,
};
use crate::unit_variant::no_settings;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The largest alpha of a schedule in the published code.
pub(super) const MAX_ALPHA: f64 = 100.0;

/// A loss and its settings, as named in a configuration file: `kind = "margin"`, `margin = 10.0`,
/// `alpha = 0.1`.
///
/// `Display` shows the loss and its settings: `MbLS (m = 10, α = 0.1)`.
///
/// ```
/// use mbls_core::loss::LossSpec;
///
/// let spec = LossSpec::margin(10.0, 0.1);
/// assert_eq!(spec.build()?.name(), "margin");
/// assert_eq!(spec.to_string(), "MbLS (m = 10, α = 0.1)");
/// let wrong = LossSpec::Focal { gamma: -1.0 }.build().err().map(|e| e.to_string());
/// assert_eq!(wrong.as_deref(), Some("gamma = -1: expected a finite number, 0 or greater"));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum LossSpec {
    /// [`CrossEntropy`].
    #[serde(deserialize_with = "no_settings")]
    CrossEntropy,
    /// [`LabelSmoothing`].
    LabelSmoothing {
        /// The weight of the uniform distribution in the target.
        alpha: f64,
    },
    /// [`Focal`].
    Focal {
        /// The exponent.
        gamma: f64,
    },
    /// [`SampleDependentFocal`].
    SampleDependentFocal {
        /// The exponent for probabilities of at least 0.5.
        gamma: f64,
    },
    /// [`DualFocal`].
    DualFocal {
        /// The exponent.
        gamma: f64,
    },
    /// [`EntropyPenalty`].
    EntropyPenalty {
        /// The weight of the entropy.
        alpha: f64,
    },
    /// [`L1Penalty`].
    L1Penalty {
        /// The weight of the distance from uniform probabilities.
        alpha: f64,
    },
    /// [`BrierLoss`].
    #[serde(deserialize_with = "no_settings")]
    Brier,
    /// [`Mmce`].
    Mmce {
        /// The weight of the squared MMCE.
        lambda: f64,
    },
    /// [`Mmce::weighted`].
    WeightedMmce {
        /// The weight of the weighted MMCE.
        lambda: f64,
    },
    /// [`Mdca`].
    Mdca {
        /// The exponent of the focal loss; 0 makes it cross-entropy.
        gamma: f64,
        /// The weight of the difference.
        beta: f64,
    },
    /// [`LogitNorm`].
    LogitNorm {
        /// The temperature.
        tau: f64,
    },
    /// [`MarginLoss`]; all settings but the first two are optional.
    Margin {
        /// The distance up to which there is no penalty, or the rule that chooses it.
        margin: MarginChoice,
        /// The weight of the penalty.
        alpha: f64,
        /// The logit from which distances are measured.
        #[serde(default, skip_serializing_if = "is_default")]
        anchor: Anchor,
        /// Whether no gradient flows into the anchor.
        #[serde(default, skip_serializing_if = "is_default")]
        detached_anchor: bool,
        /// The cost of an excess.
        #[serde(default, skip_serializing_if = "is_default")]
        shape: PenaltyShape,
        /// Mean or sum over classes.
        #[serde(default, skip_serializing_if = "is_default")]
        class_reduction: ClassReduction,
        /// The growth of alpha over epochs.
        #[serde(default, skip_serializing_if = "is_default")]
        schedule: AlphaSchedule,
        /// The largest alpha of a schedule, by default 100. An error without a schedule.
        #[serde(default, skip_serializing_if = "is_default")]
        max_alpha: Option<f64>,
    },
    /// [`Acls`].
    Acls {
        /// The margin of both terms.
        margin: f64,
        /// The weight of their sum.
        alpha: f64,
        /// The weight of the top logit's term in this sum.
        #[serde(default = "pos_lambda")]
        pos_lambda: f64,
        /// The weight of the other logits' term in this sum.
        #[serde(default = "neg_lambda")]
        neg_lambda: f64,
    },
    /// [`ClassAdaptive`].
    ClassAdaptive {
        /// The distance that the constraints allow.
        margin: f64,
        /// The penalty function.
        #[serde(default)]
        penalty: AugmentedPenalty,
    },
    /// [`SpatialLabelSmoothing`].
    SpatialLabelSmoothing {
        /// The Gaussian's standard deviation in positions.
        sigma: f64,
    },
    /// [`NeighbourPenalty`].
    NeighbourPenalty {
        /// The weight of the distance.
        alpha: f64,
        /// The norm of the distance.
        #[serde(default)]
        norm: NeighbourNorm,
    },
}

impl LossSpec {
    /// Returns MbLS with this margin, or the rule that chooses it, and this weight.
    pub fn margin(margin: impl Into<MarginChoice>, alpha: f64) -> Self {
        Self::Margin {
            margin: margin.into(),
            alpha,
            anchor: Anchor::default(),
            detached_anchor: false,
            shape: PenaltyShape::default(),
            class_reduction: ClassReduction::default(),
            schedule: AlphaSchedule::default(),
            max_alpha: None,
        }
    }

    /// Returns this loss for a data set: a margin rule that needs only the numbers of classes and
    /// training samples is replaced by its margin. All other settings are unchanged.
    ///
    /// ```
    /// use mbls_core::loss::{LossSpec, MarginRule};
    ///
    /// let spec = LossSpec::margin(MarginRule::default(), 0.1);
    /// assert!(spec.build().is_err());
    /// let loss = spec.for_data(10, 1000).build()?;
    /// assert_eq!(loss.margin(), Some((9.0f64 * 999.0).ln()));
    /// # Ok::<(), mbls_core::Error>(())
    /// ```
    #[must_use]
    pub fn for_data(&self, classes: usize, samples: u64) -> Self {
        let mut spec = self.clone();
        if let Self::Margin { margin: choice, .. } = &mut spec
            && let MarginChoice::Auto(rule) = *choice
            && let Some(margin) = rule.of_data(classes, samples)
        {
            *choice = MarginChoice::Fixed(margin);
        }
        spec
    }

    /// Whether the loss is a mean over rows, which class weights can weight. Other losses have a
    /// term that is a statistic of the whole batch.
    pub fn is_mean_of_rows(&self) -> bool {
        !matches!(self, Self::Mmce { .. } | Self::WeightedMmce { .. } | Self::Mdca { .. })
    }

    /// Builds the loss.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) if a setting is out of range, and if the margin
    /// depends on the data, which [`for_data`](Self::for_data) resolves.
    pub fn build(&self) -> Result<Box<dyn Loss>> {
        Ok(match *self {
            Self::CrossEntropy => Box::new(CrossEntropy),
            Self::LabelSmoothing { alpha } => Box::new(LabelSmoothing::new(alpha)?),
            Self::Focal { gamma } => Box::new(Focal::new(gamma)?),
            Self::SampleDependentFocal { gamma } => Box::new(SampleDependentFocal::new(gamma)?),
            Self::DualFocal { gamma } => Box::new(DualFocal::new(gamma)?),
            Self::EntropyPenalty { alpha } => Box::new(EntropyPenalty::new(alpha)?),
            Self::L1Penalty { alpha } => Box::new(L1Penalty::new(alpha)?),
            Self::Brier => Box::new(BrierLoss),
            Self::Mmce { lambda } => Box::new(Mmce::new(lambda)?),
            Self::WeightedMmce { lambda } => Box::new(Mmce::weighted(lambda)?),
            Self::Mdca { gamma, beta } => Box::new(Mdca::new(gamma, beta)?),
            Self::LogitNorm { tau } => Box::new(LogitNorm::new(tau)?),
            Self::Margin {
                margin,
                alpha,
                anchor,
                detached_anchor,
                shape,
                class_reduction,
                schedule,
                max_alpha,
            } => {
                let (start, rule) = match margin {
                    MarginChoice::Fixed(margin) => (margin, None),
                    MarginChoice::Auto(rule) => (0.0, Some(rule)),
                };
                let penalty = LogitPenalty::new(start)?
                    .with_anchor(anchor)
                    .with_shape(shape)?
                    .with_class_reduction(class_reduction);
                let penalty =
                    if detached_anchor { penalty.with_detached_anchor() } else { penalty };
                let loss = MarginLoss::with_penalty(penalty, alpha)?;
                let loss = match (schedule, max_alpha) {
                    (AlphaSchedule::None, None) => loss,
                    (AlphaSchedule::None, Some(max_alpha)) => {
                        let value = max_alpha.to_string();
                        return Err(Error::Setting {
                            name: "max_alpha",
                            value,
                            expected: "none without a schedule",
                        });
                    }
                    _ => loss.with_schedule(schedule, max_alpha.unwrap_or(MAX_ALPHA))?,
                };
                match rule {
                    None => Box::new(loss),
                    Some(rule) => Box::new(AutoMargin::new(rule, loss)?),
                }
            }
            Self::Acls { margin, alpha, pos_lambda, neg_lambda } => {
                Box::new(Acls::new(margin, alpha)?.with_lambdas(pos_lambda, neg_lambda)?)
            }
            Self::ClassAdaptive { margin, penalty } => {
                Box::new(ClassAdaptive::new(margin, penalty)?)
            }
            Self::SpatialLabelSmoothing { sigma } => Box::new(SpatialLabelSmoothing::new(sigma)?),
            Self::NeighbourPenalty { alpha, norm } => Box::new(NeighbourPenalty::new(alpha, norm)?),
        })
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn pos_lambda() -> f64 {
    1.0
}

fn neg_lambda() -> f64 {
    0.1
}
