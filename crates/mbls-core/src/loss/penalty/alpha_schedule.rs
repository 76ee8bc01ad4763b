use crate::loss::setting;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The growth of a penalty's weight over epochs, up to a maximum.
///
/// # References
///
/// The published code of MbLS (by-liu/MbLS, `LogitMarginL1.schedule_alpha`); the paper's results
/// use none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum AlphaSchedule {
    /// The weight is constant.
    #[default]
    None,
    /// `alpha + mu` after each epoch.
    Add {
        /// The summand, 0 or greater.
        mu: f64,
    },
    /// `alpha * mu` after each epoch.
    Multiply {
        /// The factor, 0 or greater.
        mu: f64,
    },
    /// `alpha * mu` after every `step_size` epochs.
    Step {
        /// The factor, 0 or greater.
        mu: f64,
        /// Number of epochs, at least 1.
        step_size: usize,
    },
}

impl AlphaSchedule {
    /// Returns this schedule if its settings are in range.
    pub(in crate::loss) fn checked(self) -> Result<Self> {
        match self {
            Self::None => {}
            Self::Add { mu } | Self::Multiply { mu } | Self::Step { mu, .. } => {
                setting::non_negative("mu", mu)?;
            }
        }
        match self {
            Self::Step { step_size: 0, .. } => Err(Error::Setting {
                name: "step_size",
                value: "0".into(),
                expected: "1 or greater",
            }),
            _ => Ok(self),
        }
    }

    /// Returns the weight after the epoch with this index, from 0.
    pub(in crate::loss) fn after_epoch(self, alpha: f64, epoch: usize, max_alpha: f64) -> f64 {
        let next = match self {
            Self::Add { mu } => alpha + mu,
            Self::Multiply { mu } => alpha * mu,
            Self::Step { mu, step_size } if (epoch + 1).is_multiple_of(step_size) => alpha * mu,
            Self::None | Self::Step { .. } => alpha,
        };
        next.min(max_alpha)
    }
}
