use serde::{Deserialize, Serialize};

/// The floating-point type that probabilities were computed in, which may be shorter than the one
/// they are given in: it decides how far rounding alone may take them from a distribution.
///
/// A softmax in a type of unit roundoff `u` rounds each quotient and each stored value once, `2 u`,
/// and the sum of its C exponentials pairwise, `ceil(log2 C) u`, or one by one in f32 or better, `C
/// min(u, 2^-24)`; the last also bounds what the subnormal numbers of f16 lose. So a row's sum and
/// each of its values are off by at most
///
/// `rounding = (2 + ceil(log2 C)) u + C min(u, 2^-24)`.
///
/// ```
/// use mbls_core::metric::{Precision, Predictions};
///
/// // Saved by a model in bf16 and widened to f32: the row sums to 1.0013.
/// let probs = [0.6015625f32, 0.3007812, 0.0990];
/// let declared = Predictions::from_probs_in(&probs, 3, &[0], Precision::Bf16)?;
/// assert_eq!((declared.rows(), declared.clipped()), (1, 0));
/// assert!(Predictions::from_probs(&probs, 3, &[0]).is_err(), "f32 is not that far off");
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Precision {
    /// bfloat16, with 8 significant bits.
    Bf16,
    /// IEEE half precision, with 11 significant bits.
    F16,
    /// Single precision, with 24 significant bits.
    F32,
    /// Double precision, with 53 significant bits.
    F64,
}

/// How far the probabilities of a row may sum from 1 whatever their type: what files with few
/// decimals hold.
const DECIMALS: f64 = 1e-3;

impl Precision {
    /// The largest relative error of rounding to the type: 2^-8, 2^-11, 2^-24 or 2^-53.
    pub fn unit_roundoff(self) -> f64 {
        let significant_bits = match self {
            Self::Bf16 => 8,
            Self::F16 => 11,
            Self::F32 => 24,
            Self::F64 => 53,
        };
        0.5f64.powi(significant_bits)
    }

    /// How far rounding alone takes a probability, or the sum of a row of them, from where it
    /// should be.
    ///
    /// A value that far below 0 or above 1 is clipped and counted; one further off is an error.
    pub fn rounding(self, classes: usize) -> f64 {
        let unit = self.unit_roundoff();
        let halvings = classes.next_power_of_two().ilog2();
        f64::from(2 + halvings) * unit + classes as f64 * unit.min(0.5f64.powi(24))
    }

    /// How far the probabilities of a row may sum from 1: by [`rounding`](Self::rounding), and in
    /// any type by 1e-3, since files hold decimals that were cut short.
    pub fn sum_tolerance(self, classes: usize) -> f64 {
        self.rounding(classes).max(DECIMALS)
    }
}
