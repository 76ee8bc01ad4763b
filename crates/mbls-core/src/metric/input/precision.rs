use serde::{Deserialize, Serialize};

/// The floating-point type in which probabilities were computed. It may be shorter than the type
/// they are stored in, and determines how far rounding alone may move them from a valid
/// distribution.
///
/// A softmax in a type with unit roundoff `u` has three rounding errors. It rounds each quotient
/// and each stored value once, `2 u`. It sums its C exponentials either pairwise, `ceil(log2 C) u`,
/// or one by one in f32 or better, `C min(u, 2^-24)`. The last term also bounds the loss from
/// subnormal f16 numbers. The sum of a row and each of its values therefore have an error of at
/// most
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
/// assert!(
///     Predictions::from_probs(&probs, 3, &[0]).is_err(),
///     "f32 has smaller rounding errors"
/// );
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

/// The tolerance for the sum of a row's probabilities in any type, because files store few
/// decimals.
const DECIMALS: f64 = 1e-3;

impl Precision {
    /// Returns the largest relative error of rounding to the type: 2^-8, 2^-11, 2^-24 or 2^-53.
    pub fn unit_roundoff(self) -> f64 {
        let significant_bits = match self {
            Self::Bf16 => 8,
            Self::F16 => 11,
            Self::F32 => 24,
            Self::F64 => 53,
        };
        0.5f64.powi(significant_bits)
    }

    /// Returns the largest error that rounding alone causes in a probability, or in the sum of a
    /// row.
    ///
    /// A value below 0 or above 1 by at most this error is clipped and counted; a larger deviation
    /// is an error.
    pub fn rounding(self, classes: usize) -> f64 {
        let unit = self.unit_roundoff();
        let halvings = classes.next_power_of_two().ilog2();
        f64::from(2 + halvings) * unit + classes as f64 * unit.min(0.5f64.powi(24))
    }

    /// Returns the tolerance for the sum of a row's probabilities: [`rounding`](Self::rounding),
    /// but at least 1e-3 in any type, because files store truncated decimals.
    pub fn sum_tolerance(self, classes: usize) -> f64 {
        self.rounding(classes).max(DECIMALS)
    }
}
