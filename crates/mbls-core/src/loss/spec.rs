use super::{CrossEntropy, EntropyPenalty, Focal, LabelSmoothing, Loss, MarginLoss};
use crate::Result;
use serde::{Deserialize, Deserializer, Serialize};

/// A loss and its settings, as a configuration file names them: `kind = "margin"`, `margin = 10.0`, `alpha = 0.1`.
///
/// ```
/// use mbls_core::loss::LossSpec;
///
/// let spec = LossSpec::Margin { margin: 10.0, alpha: 0.1 };
/// assert_eq!(spec.build()?.name(), "margin");
/// let wrong = LossSpec::Focal { gamma: -1.0 }.build().err().map(|e| e.to_string());
/// assert_eq!(wrong.as_deref(), Some("gamma = -1: expected a finite number, 0 or greater"));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LossSpec {
    /// [`CrossEntropy`].
    #[serde(deserialize_with = "no_settings")]
    CrossEntropy,
    /// [`LabelSmoothing`].
    LabelSmoothing {
        /// The share of the uniform distribution in the target.
        alpha: f64,
    },
    /// [`Focal`].
    Focal {
        /// The exponent.
        gamma: f64,
    },
    /// [`EntropyPenalty`].
    EntropyPenalty {
        /// The weight of the entropy.
        alpha: f64,
    },
    /// [`MarginLoss`].
    Margin {
        /// The distance up to which nothing is penalised.
        margin: f64,
        /// The weight of the penalty.
        alpha: f64,
    },
}

impl LossSpec {
    /// The loss.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) where a setting is out of its range.
    pub fn build(&self) -> Result<Box<dyn Loss>> {
        Ok(match *self {
            Self::CrossEntropy => Box::new(CrossEntropy),
            Self::LabelSmoothing { alpha } => Box::new(LabelSmoothing::new(alpha)?),
            Self::Focal { gamma } => Box::new(Focal::new(gamma)?),
            Self::EntropyPenalty { alpha } => Box::new(EntropyPenalty::new(alpha)?),
            Self::Margin { margin, alpha } => Box::new(MarginLoss::new(margin, alpha)?),
        })
    }
}

/// serde lets a variant without fields pass with any: settings that mean nothing are an error here too.
fn no_settings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct None {}
    None::deserialize(deserializer).map(|None {}| ())
}
