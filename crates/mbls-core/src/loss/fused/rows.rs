//! Logits `[rows, classes]`: one row after the other, its classes in vectors.

use super::super::targets::IGNORED;
use super::Sums;
use super::plan::Prepared;
use crate::simd::{Real, for_each_machine, ln};

const LANES: usize = 16;

for_each_machine! {
    /// Adds rows with a penalty and writes the gradient of their weighted sum.
    pub(super) fn with_penalty<F: Real>(
        logits: &[F], targets: &[u32], plan: &Prepared<F>, gradient: &mut [F],
    ) -> Sums => with_penalty_body
}

for_each_machine! {
    /// Adds rows without a penalty and writes the gradient of their weighted sum.
    pub(super) fn without_penalty<F: Real>(
        logits: &[F], targets: &[u32], plan: &Prepared<F>, gradient: &mut [F],
    ) -> Sums => without_penalty_body
}

#[inline(always)]
fn with_penalty_body<F: Real>(logits: &[F], targets: &[u32], plan: &Prepared<F>, gradient: &mut [F]) -> Sums {
    rows::<F, true>(logits, targets, plan, gradient)
}

#[inline(always)]
fn without_penalty_body<F: Real>(logits: &[F], targets: &[u32], plan: &Prepared<F>, gradient: &mut [F]) -> Sums {
    rows::<F, false>(logits, targets, plan, gradient)
}

#[inline(always)]
fn rows<F: Real, const PENALTY: bool>(logits: &[F], targets: &[u32], plan: &Prepared<F>, gradient: &mut [F]) -> Sums {
    let classes = logits.len() / targets.len();
    let mut sums = Sums::default();
    for ((row, gradient), &target) in logits.chunks_exact(classes).zip(gradient.chunks_exact_mut(classes)).zip(targets)
    {
        if target == IGNORED {
            gradient.fill(F::new(0.0));
            continue;
        }
        let label = target as usize;
        let max = F::maximum(row);
        let anchor = if plan.penalty.target_anchor { row[label] } else { max };
        let pass = exponentials::<F, PENALTY>(row, max, anchor, plan, gradient);

        let log_sum = ln(pass.exp);
        let log_p = (row[label] - max).f64() - log_sum;
        let (base, slope) = plan.base.value_and_slope(log_p);
        let second = if PENALTY { pass.cost } else { log_sum - pass.shifted / classes as f64 };
        let weight = plan.row_weight(target);
        sums.base += weight * base;
        sums.second += weight * second;

        let base_slope = weight * plan.base_weight * slope;
        let uniform = weight * plan.uniform_weight;
        let exp_factor = F::new((base_slope + uniform) / pass.exp);
        let constant = F::new(-uniform / classes as f64);
        let penalty_slope = F::new(weight * plan.penalty_weight);
        finish::<F, PENALTY>(row, anchor, plan, [exp_factor, constant, penalty_slope], gradient);
        gradient[label] -= F::new(base_slope);
        if PENALTY && plan.penalty.moves_anchor {
            let index = if plan.penalty.target_anchor { label } else { first(row, max) };
            gradient[index] += F::new(weight * plan.penalty_weight * pass.slope);
        }
    }
    sums
}

/// What the first pass over a row adds up.
struct Pass {
    /// `sum_k e^(l_k - max)`.
    exp: f64,
    /// `sum_k (l_k - max)`.
    shifted: f64,
    /// The row's penalty.
    cost: f64,
    /// The derivative of the penalty by the anchor.
    slope: f64,
}

/// Leaves the exponentials in `gradient`.
#[inline(always)]
fn exponentials<F: Real, const PENALTY: bool>(
    row: &[F],
    max: F,
    anchor: F,
    plan: &Prepared<F>,
    gradient: &mut [F],
) -> Pass {
    let (mut exp, mut shifted) = ([F::default(); LANES], [F::default(); LANES]);
    let (mut cost, mut slope) = ([F::default(); LANES], [F::default(); LANES]);
    let mut add = |lane: usize, logit: F, margin: F, weight: F, gradient: &mut F| {
        let z = logit - max;
        let e = z.exp();
        *gradient = e;
        exp[lane] += e;
        if PENALTY {
            let (c, s) = plan.penalty.cost_and_slope(anchor - logit, margin);
            cost[lane] += weight * c;
            slope[lane] += weight * s;
        } else {
            shifted[lane] += z;
        }
    };
    let zero = [F::default(); LANES];
    let (chunks, tail) = row.as_chunks::<LANES>();
    let (gradients, last) = gradient.as_chunks_mut::<LANES>();
    let (margins, weights) = (plan.penalty.margins.as_chunks::<LANES>(), plan.penalty.weights.as_chunks::<LANES>());
    for (index, (chunk, gradient)) in chunks.iter().zip(gradients).enumerate() {
        let (margins, weights) = if PENALTY { (&margins.0[index], &weights.0[index]) } else { (&zero, &zero) };
        for lane in 0..LANES {
            add(lane, chunk[lane], margins[lane], weights[lane], &mut gradient[lane]);
        }
    }
    for (lane, (&logit, gradient)) in tail.iter().zip(last).enumerate() {
        let (margin, weight) = if PENALTY { (margins.1[lane], weights.1[lane]) } else { (zero[0], zero[0]) };
        add(lane, logit, margin, weight, gradient);
    }
    Pass { exp: total(exp), shifted: total(shifted), cost: total(cost), slope: total(slope) }
}

/// Makes gradients of exponentials, all but what the label and the anchor have on top.
#[inline(always)]
fn finish<F: Real, const PENALTY: bool>(
    row: &[F],
    anchor: F,
    plan: &Prepared<F>,
    [exp_factor, constant, penalty_slope]: [F; 3],
    gradient: &mut [F],
) {
    if PENALTY {
        let per_class = plan.penalty.margins.iter().zip(&plan.penalty.weights);
        for ((gradient, &logit), (&margin, &weight)) in gradient.iter_mut().zip(row).zip(per_class) {
            let (_, slope) = plan.penalty.cost_and_slope(anchor - logit, margin);
            *gradient = *gradient * exp_factor + constant - penalty_slope * (weight * slope);
        }
    } else {
        for gradient in gradient {
            *gradient = *gradient * exp_factor + constant;
        }
    }
}

/// The first index of the maximum; any where it is NaN.
#[inline(always)]
fn first<F: Real>(row: &[F], max: F) -> usize {
    row.iter().position(|&logit| logit == max).unwrap_or(0)
}

#[inline(always)]
fn total<F: Real>(lanes: [F; LANES]) -> f64 {
    let mut sums = lanes.map(Real::f64);
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}
