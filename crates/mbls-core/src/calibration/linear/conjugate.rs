//! Newton steps by the method of conjugate gradients.

use crate::calibration::numeric::newton::Step;
use crate::calibration::numeric::sums::sum;

/// A direction is flat if its curvature is at most this fraction of that of its preconditioner,
/// which rounding can cause.
const FLAT: f64 = 1e-13;

/// Computes the Newton step for a gradient, until the squared preconditioned norm of the residual
/// is at most `accuracy` of its start.
///
/// `precondition` approximates the inverse of the Hessian `times`. A direction that it maps to 0
/// has no part in the step.
pub(in crate::calibration) fn newton_step(
    gradient: &[f64],
    accuracy: f64,
    precondition: impl Fn(&[f64]) -> Vec<f64>,
    times: impl Fn(&[f64]) -> Vec<f64>,
) -> Step {
    let n = gradient.len();
    let mut step = vec![0.0; n];
    let mut residual: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut direction = precondition(&residual);
    let mut square = dot(&residual, &direction);
    // The squared norm of the direction as measured by the preconditioner.
    let mut size = square;
    let enough = square * accuracy;
    let mut decrement = 0.0;
    for _ in 0..(2 * n + 20).min(1000) {
        if square <= enough {
            break;
        }
        let product = times(&direction);
        let curvature = dot(&direction, &product);
        if curvature <= FLAT * size {
            break;
        }
        let length = square / curvature;
        decrement += length * square;
        step.iter_mut().zip(&direction).for_each(|(s, d)| *s += length * d);
        residual.iter_mut().zip(&product).for_each(|(r, p)| *r -= length * p);
        let preconditioned = precondition(&residual);
        let next = dot(&residual, &preconditioned);
        let turn = next / square;
        direction.iter_mut().zip(&preconditioned).for_each(|(d, z)| *d = z + turn * *d);
        (square, size) = (next, next + turn * turn * size);
    }
    Step { direction: step, decrement }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    sum(a.iter().zip(b).map(|(a, b)| a * b))
}
