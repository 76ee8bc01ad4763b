use crate::loss::ops::constant;
use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

/// A penalty function of the augmented Lagrangian method, on constraints h <= 0 with multipliers
/// lambda and parameters rho.
///
/// The derivative with respect to h is the next multiplier.
///
/// # References
///
/// Birgin, Castillo and Martínez, Numerical Comparison of Augmented Lagrangian Algorithms for
/// Nonconvex Problems, 2005; code by-liu/CALS, `calibrate/lagrangian/penalty.py`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AugmentedPenalty {
    /// `lambda h + lambda rho h² + rho² h³ / 6` for h >= 0, `lambda h / (1 - rho h)` below.
    P2,
    /// `lambda h + lambda rho h²` for h >= 0, `lambda h / (1 - rho h)` below.
    P3,
    /// Powell, Hestenes and Rockafellar's: `(max(0, lambda + rho h)² - lambda²) / (2 rho)`.
    #[default]
    Phr,
}

impl AugmentedPenalty {
    /// Computes the penalty of constraints `[rows, classes]`; `lambda` and `rho` are
    /// `[1, classes]`.
    pub(in crate::loss) fn value(
        self,
        h: &Tensor,
        lambda: &Tensor,
        rho: &Tensor,
    ) -> Result<Tensor> {
        if self == Self::Phr {
            // Expanded, because the difference of the squares of large multipliers would lose all
            // digits.
            let inactive = h.broadcast_mul(rho)?.broadcast_add(lambda)?.lt(0.0)?;
            let active = (h * h.broadcast_mul(rho)?.affine(0.5, 0.0)?.broadcast_add(lambda)?)?;
            let floor = (lambda.sqr()? / rho.affine(-2.0, 0.0)?)?.broadcast_as(h.shape())?;
            return inactive.where_cond(&floor, &active);
        }
        // One of the two parts is 0, and so is its contribution.
        let above = above_zero(h)?;
        let below = (h - &above)?;
        let satisfied =
            (below.broadcast_mul(lambda)? / below.broadcast_mul(rho)?.affine(-1.0, 1.0)?)?;
        let violated =
            (above.broadcast_mul(lambda)? + above.sqr()?.broadcast_mul(&(lambda * rho)?)?)?;
        let sum = (satisfied + violated)?;
        if self == Self::P3 {
            return Ok(sum);
        }
        let cube = (&above * above.sqr()?)?.broadcast_mul(&rho.sqr()?)?;
        sum + cube.affine(1.0 / 6.0, 0.0)?
    }

    /// Computes the derivative with respect to the constraints.
    pub(in crate::loss) fn derivative(
        self,
        h: &Tensor,
        lambda: &Tensor,
        rho: &Tensor,
    ) -> Result<Tensor> {
        if self == Self::Phr {
            return above_zero(&h.broadcast_mul(rho)?.broadcast_add(lambda)?);
        }
        let above = above_zero(h)?;
        let below = (h - &above)?;
        let slope =
            below.broadcast_mul(rho)?.affine(-1.0, 1.0)?.sqr()?.recip()?.broadcast_mul(lambda)?;
        let sum = (slope + above.broadcast_mul(&(lambda * rho)?)?.affine(2.0, 0.0)?)?;
        if self == Self::P3 {
            return Ok(sum);
        }
        sum + above.sqr()?.broadcast_mul(&rho.sqr()?)?.affine(0.5, 0.0)?
    }
}

/// Computes `max(0, x)` with derivative 1 at 0, so that the multiplier has its full effect at a
/// constraint that is just met. NaN is kept.
fn above_zero(x: &Tensor) -> Result<Tensor> {
    x.lt(0.0)?.where_cond(&constant(0.0, x)?, x)
}
