//! Minimisation of smooth convex functions by truncated Newton steps.

use crate::{Error, Result};

/// A smooth convex function.
pub(super) trait Objective {
    /// What the Hessian needs of a point.
    type Point;

    /// The unit of each variable's effect, greater than 0: gradients are judged after division by it, steps after
    /// multiplication, so that the scale of the features decides nothing.
    fn scales(&self) -> &[f64];

    /// The function and its derivatives.
    fn at(&self, x: &[f64]) -> Evaluation<Self::Point>;

    /// The Hessian at a point times a vector.
    fn hessian_times(&self, point: &Self::Point, vector: &[f64]) -> Vec<f64>;
}

pub(super) struct Evaluation<P> {
    pub(super) value: f64,
    pub(super) gradient: Vec<f64>,
    /// The diagonal of the Hessian.
    pub(super) diagonal: Vec<f64>,
    pub(super) point: P,
}

/// The largest gradient, over its scale, at which a point is an optimum.
const GRADIENT: f64 = 1e-10;
/// The largest Newton step left there, in shares of the point. Where the function only falls towards infinity, as it does for
/// classes that can be separated, the gradient vanishes and the steps do not.
const STEP: f64 = 1e-3;
const ITERATIONS: usize = 200;
/// The share of the decrease the slope promises that a step must bring.
const ARMIJO: f64 = 1e-4;

/// The point of least value: Newton steps by conjugate gradients, shortened until the value falls.
///
/// Steps solve `(H + |g| S^2) step = -g` with the scales `S`: the added term keeps them short where the Hessian is nearly
/// singular, and vanishes at the optimum, so convergence stays quadratic (Li, Fukushima, Qi and Yamashita, 2004). Of several
/// optima, the one reached from `start`.
///
/// # Errors
///
/// [`Error::Fit`], with gradient and step, where there is no optimum after 200 steps.
pub(super) fn minimise<O: Objective>(what: &'static str, objective: &O, start: Vec<f64>) -> Result<Vec<f64>> {
    let scales = objective.scales();
    let (mut x, mut here) = (start.clone(), objective.at(&start));
    let (mut gradient, mut left) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ITERATIONS {
        gradient = largest(here.gradient.iter().zip(scales).map(|(g, s)| g / s));
        if !(here.value.is_finite() && gradient.is_finite()) {
            break;
        }
        let step = newton_step(objective, &here, gradient);
        let size = largest(x.iter().zip(scales).map(|(x, s)| x * s)).max(1.0);
        left = largest(step.iter().zip(scales).map(|(d, s)| d * s)) / size;
        if gradient <= GRADIENT && left <= STEP {
            return Ok(x);
        }
        let Some((next, evaluation)) = search(objective, &x, &here, &step) else { break };
        (x, here) = (next, evaluation);
    }
    let problem = format!(
        "no optimum found: the gradient is {gradient:.1e} (required: {GRADIENT:.0e}) and the next step {left:.1e} of the \
         parameters (required: {STEP:.0e}); there is none where the rows can be separated by class without regularisation"
    );
    Err(Error::Fit { what, problem })
}

/// The longest of the steps 1, 1/2, 1/4, ... that lowers the value.
fn search<O: Objective>(
    objective: &O,
    x: &[f64],
    here: &Evaluation<O::Point>,
    step: &[f64],
) -> Option<(Vec<f64>, Evaluation<O::Point>)> {
    let slope = dot(&here.gradient, step);
    // What the value may rise by rounding: near the optimum a step changes less than that.
    let rounding = 16.0 * f64::EPSILON * here.value.abs().max(f64::MIN_POSITIVE);
    (0..60).map(|halvings| 0.5f64.powi(halvings)).find_map(|share| {
        let next: Vec<f64> = x.iter().zip(step).map(|(x, d)| x + share * d).collect();
        let there = objective.at(&next);
        (there.value <= here.value + ARMIJO * share * slope + rounding).then_some((next, there))
    })
}

/// Conjugate gradients on the damped Newton equation, preconditioned by its diagonal.
fn newton_step<O: Objective>(objective: &O, here: &Evaluation<O::Point>, gradient: f64) -> Vec<f64> {
    let scales = objective.scales();
    let n = scales.len();
    let damping: Vec<f64> = scales.iter().map(|s| gradient * s * s).collect();
    let diagonal: Vec<f64> = here.diagonal.iter().zip(&damping).map(|(h, d)| h + d).collect();
    let precondition = |residual: &[f64]| -> Vec<f64> {
        // A variable without curvature and without gradient stays where it is.
        residual.iter().zip(&diagonal).map(|(r, d)| if *d > 0.0 { r / d } else { 0.0 }).collect()
    };
    let mut step = vec![0.0; n];
    let mut residual: Vec<f64> = here.gradient.iter().map(|g| -g).collect();
    let mut direction = precondition(&residual);
    let mut square = dot(&residual, &direction);
    let enough = square * gradient.min(0.01);
    for _ in 0..(2 * n + 20).min(1000) {
        if square <= enough {
            break;
        }
        let mut product = objective.hessian_times(&here.point, &direction);
        product.iter_mut().zip(&damping).zip(&direction).for_each(|((p, d), v)| *p += d * v);
        let curvature = dot(&direction, &product);
        // Not positive by rounding alone: the function is convex.
        if curvature.is_nan() || curvature <= 0.0 {
            break;
        }
        let length = square / curvature;
        step.iter_mut().zip(&direction).for_each(|(s, d)| *s += length * d);
        residual.iter_mut().zip(&product).for_each(|(r, p)| *r -= length * p);
        let preconditioned = precondition(&residual);
        let next = dot(&residual, &preconditioned);
        let turn = next / square;
        direction.iter_mut().zip(&preconditioned).for_each(|(d, z)| *d = z + turn * *d);
        square = next;
    }
    step
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The largest magnitude; not finite where one is not.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |largest: f64, value| if value.is_nan() { f64::NAN } else { largest.max(value.abs()) })
}
