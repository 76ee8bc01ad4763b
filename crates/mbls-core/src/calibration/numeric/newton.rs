//! Minimisation of smooth convex functions by Newton's method.

/// A smooth convex function.
pub(in crate::calibration) trait Objective {
    /// The state at a point that a step needs.
    type Point;

    /// Evaluates the function at a point.
    fn at(&self, x: &[f64]) -> Evaluation<Self::Point>;

    /// Computes the Newton step at a point, at least to `accuracy` of its decrement. Directions in
    /// which the function does not change have no part in it.
    fn step(&self, here: &Evaluation<Self::Point>, accuracy: f64) -> Step;

    /// Returns why the function has no minimum, if a point or a step from it shows that.
    fn recession(&self, here: &Evaluation<Self::Point>, step: &Step) -> Option<String>;
}

/// A function at a point.
pub(in crate::calibration) struct Evaluation<P> {
    pub(in crate::calibration) value: f64,
    /// The size of the value's rounding error.
    pub(in crate::calibration) rounding: f64,
    pub(in crate::calibration) point: P,
}

/// A Newton step `d = -H^-1 g`.
pub(in crate::calibration) struct Step {
    pub(in crate::calibration) direction: Vec<f64>,
    /// `g^T H^-1 g`: the squared norm of the gradient under the inverse Hessian. A quadratic
    /// function decreases by half of it.
    pub(in crate::calibration) decrement: f64,
}

impl Step {
    fn is_finite(&self) -> bool {
        self.decrement.is_finite() && self.direction.iter().all(|d| d.is_finite())
    }
}

/// Newton steps before a fit is given up. Far from an optimum, as for nearly separable rows, a step
/// adds about 1 to the logits or half to the weights.
const ITERATIONS: usize = 400;
/// Consecutive steps that change the value by no more than its rounding error, after which no other
/// will.
const STALLED: usize = 8;
/// The fraction of the decrease predicted by the slope that a step must achieve.
const ARMIJO: f64 = 1e-4;
/// The highest accuracy of steps.
const ACCURACY: f64 = 1e-6;

/// Minimises the objective by Newton steps. Each step is shortened until the value decreases. Once
/// the predicted decrease is below the rounding error of the value, two more steps follow that
/// ignore the value.
///
/// The error states what is known of the reason.
pub(in crate::calibration) fn minimise<O: Objective>(
    objective: &O,
    start: Vec<f64>,
) -> Result<Vec<f64>, String> {
    let (mut x, mut here) = (start.clone(), objective.at(&start));
    let mut accuracy = 0.01;
    let mut left = f64::INFINITY;
    let mut stalled = 0;
    for _ in 0..ITERATIONS {
        if !here.value.is_finite() {
            break;
        }
        let step = objective.step(&here, accuracy);
        if !step.is_finite() {
            break;
        }
        left = 0.5 * step.decrement;
        if let Some(why) = objective.recession(&here, &step) {
            return Err(why);
        }
        if left <= here.rounding {
            return Ok(polish(objective, x, &step));
        }
        accuracy = (left / here.value.abs().max(f64::MIN_POSITIVE)).clamp(ACCURACY, 0.01);
        let Some((next, evaluation)) = search(objective, &x, &here, &step) else { break };
        stalled = if here.value - evaluation.value > here.rounding { 0 } else { stalled + 1 };
        (x, here) = (next, evaluation);
        if stalled == STALLED {
            break;
        }
    }
    // The rounding error is known only to its order of magnitude.
    if left <= 100.0 * here.rounding {
        return Ok(x);
    }
    Err(format!(
        "not converged: the objective is {:.6e}, the next step is predicted to lower it by {left:.1e}, more than its \
         rounding error of {:.1e}",
        here.value, here.rounding
    ))
}

fn moved(x: &[f64], share: f64, step: &Step) -> Vec<f64> {
    x.iter().zip(&step.direction).map(|(x, d)| x + share * d).collect()
}

/// Takes two steps beyond the optimum of the value, which determines only half of the parameters'
/// digits. Returns `x` if the first step does not reduce the predicted decrease.
fn polish<O: Objective>(objective: &O, x: Vec<f64>, step: &Step) -> Vec<f64> {
    let next = moved(&x, 1.0, step);
    let after = objective.step(&objective.at(&next), ACCURACY);
    if after.is_finite() && after.decrement < 0.25 * step.decrement {
        moved(&next, 1.0, &after)
    } else {
        x
    }
}

/// Returns the longest of the steps 1, 1/2, 1/4, ... that lowers the value.
fn search<O: Objective>(
    objective: &O,
    x: &[f64],
    here: &Evaluation<O::Point>,
    step: &Step,
) -> Option<(Vec<f64>, Evaluation<O::Point>)> {
    (0..60).map(|halvings| 0.5f64.powi(halvings)).find_map(|share| {
        let next = moved(x, share, step);
        let there = objective.at(&next);
        let rounding = here.rounding + there.rounding;
        (there.value <= here.value - ARMIJO * share * step.decrement + rounding)
            .then_some((next, there))
    })
}
