//! The cost of a class as a function of the distance of its logit from the anchor: one type per
//! formula, so that a kernel is compiled for each.

use super::super::AugmentedPenalty;
use crate::simd::Real;

/// A cost as a function of the distance.
pub(super) trait Cost<F>: Copy + Send + Sync {
    /// Whether there is a cost.
    const SOME: bool;

    /// Returns the cost of a distance and its derivative; `class` holds the two numbers of the
    /// class in [`Penalty`](super::plan::Penalty).
    ///
    /// Cost and slope of a distance of 0 are 0 if the numbers are 0.
    fn cost_and_slope(&self, distance: F, class: [F; 2]) -> (F, F);
}

/// No cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nothing;

/// The distance itself, for the uniform part of label smoothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uniform;

/// `max(0, d - m)`; m is the first number of the class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hinge;

/// A cost of the excess `e = max(0, d - m)`, times the weight of the class. With
/// `c = min(e, delta)` it is `linear e + quadratic c (e - c / 2)`, which covers every shape. The
/// numbers of the class are m and the weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shaped<F> {
    pub(super) linear: F,
    pub(super) quadratic: F,
    pub(super) delta: F,
}

/// An augmented Lagrangian of `h = d / m - 1`; the numbers of the class are lambda and rho.
#[derive(Clone, Copy, Debug)]
pub(super) struct Augmented<F> {
    pub(super) penalty: AugmentedPenalty,
    pub(super) inverse_margin: F,
}

impl<F: Real> Cost<F> for Nothing {
    const SOME: bool = false;

    #[inline(always)]
    fn cost_and_slope(&self, _: F, _: [F; 2]) -> (F, F) {
        (F::new(0.0), F::new(0.0))
    }
}

impl<F: Real> Cost<F> for Uniform {
    const SOME: bool = true;

    #[inline(always)]
    fn cost_and_slope(&self, distance: F, _: [F; 2]) -> (F, F) {
        (distance, F::new(1.0))
    }
}

impl<F: Real> Cost<F> for Hinge {
    const SOME: bool = true;

    #[inline(always)]
    fn cost_and_slope(&self, distance: F, [margin, _]: [F; 2]) -> (F, F) {
        // False for NaN, which is kept.
        let within = distance <= margin;
        (
            if within { F::new(0.0) } else { distance - margin },
            F::new(if within { 0.0 } else { 1.0 }),
        )
    }
}

impl<F: Real> Cost<F> for Shaped<F> {
    const SOME: bool = true;

    #[inline(always)]
    fn cost_and_slope(&self, distance: F, [margin, weight]: [F; 2]) -> (F, F) {
        let within = distance <= margin;
        let excess = if within { F::new(0.0) } else { distance - margin };
        let capped = if excess < self.delta { excess } else { self.delta };
        let cost =
            self.linear * excess + self.quadratic * (capped * (excess - F::new(0.5) * capped));
        let slope = if within { F::new(0.0) } else { self.linear + self.quadratic * capped };
        (weight * cost, weight * slope)
    }
}

impl<F: Real> Cost<F> for Augmented<F> {
    const SOME: bool = true;

    #[inline(always)]
    fn cost_and_slope(&self, distance: F, [lambda, rho]: [F; 2]) -> (F, F) {
        let (zero, one, half) = (F::new(0.0), F::new(1.0), F::new(0.5));
        let h = distance * self.inverse_margin - one;
        let (cost, slope) = match self.penalty {
            AugmentedPenalty::Phr => {
                let multiplier = lambda + rho * h;
                // A padded class has rho 0 and takes the other branch, so there is no division by
                // 0.
                if multiplier < zero {
                    (zero - half * (lambda * lambda) / rho, zero)
                } else {
                    (h * (lambda + half * (rho * h)), multiplier)
                }
            }
            AugmentedPenalty::P2 | AugmentedPenalty::P3 => {
                let above = if h < zero { zero } else { h };
                let below = h - above;
                let room = one - rho * below;
                let (mut cost, mut slope) = (
                    below * lambda / room + above * lambda + lambda * rho * (above * above),
                    lambda / (room * room) + F::new(2.0) * (lambda * rho * above),
                );
                if self.penalty == AugmentedPenalty::P2 {
                    let square = rho * rho * (above * above);
                    cost += square * above * F::new(1.0 / 6.0);
                    slope += half * square;
                }
                (cost, slope)
            }
        };
        (cost, slope * self.inverse_margin)
    }
}
