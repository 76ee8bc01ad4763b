//! Logits `[rows, classes]`: one row after the other, its classes in vectors.

use super::super::targets::IGNORED;
use super::Sums;
use super::plan::{LANES, Prepared};
use crate::simd::{Real, for_each_machine, ln};

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

/// The sums of a [`Pass`] in lanes.
struct Lanes<F> {
    exp: [F; LANES],
    shifted: [F; LANES],
    cost: [F; LANES],
    slope: [F; LANES],
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
    let zero = [F::default(); LANES];
    let mut lanes = Lanes { exp: zero, shifted: zero, cost: zero, slope: zero };
    let (chunks, tail) = row.as_chunks::<LANES>();
    let (gradients, last) = gradient.as_chunks_mut::<LANES>();
    for (index, (chunk, gradient)) in chunks.iter().zip(gradients).enumerate() {
        *gradient = lanes.add::<PENALTY>(chunk, LANES, max, anchor, plan, index);
    }
    if !tail.is_empty() {
        let padded = padded(tail, F::new(f64::NEG_INFINITY));
        let e = lanes.add::<PENALTY>(&padded, tail.len(), max, anchor, plan, chunks.len());
        last.copy_from_slice(&e[..last.len()]);
    }
    Pass { exp: total(lanes.exp), shifted: total(lanes.shifted), cost: total(lanes.cost), slope: total(lanes.slope) }
}

impl<F: Real> Lanes<F> {
    /// Adds the classes of a chunk, of which the first `valid` exist, and returns their exponentials.
    #[inline(always)]
    fn add<const PENALTY: bool>(
        &mut self,
        chunk: &[F; LANES],
        valid: usize,
        max: F,
        anchor: F,
        plan: &Prepared<F>,
        index: usize,
    ) -> [F; LANES] {
        let mut exponentials = [F::default(); LANES];
        for lane in 0..LANES {
            let z = chunk[lane] - max;
            let e = z.exp();
            exponentials[lane] = e;
            self.exp[lane] += e;
            if !PENALTY {
                self.shifted[lane] += if lane < valid { z } else { F::default() };
            }
        }
        if PENALTY {
            let (margins, weights) = plan.penalty.lanes(index);
            for lane in 0..LANES {
                let (cost, slope) = plan.penalty.cost_and_slope(anchor - chunk[lane], margins[lane]);
                self.cost[lane] += weights[lane] * cost;
                self.slope[lane] += weights[lane] * slope;
            }
        }
        exponentials
    }
}

/// Makes gradients of exponentials, all but what the label and the anchor have on top.
#[inline(always)]
fn finish<F: Real, const PENALTY: bool>(row: &[F], anchor: F, plan: &Prepared<F>, factors: [F; 3], gradient: &mut [F]) {
    let (chunks, tail) = row.as_chunks::<LANES>();
    let (gradients, last) = gradient.as_chunks_mut::<LANES>();
    for (index, (chunk, gradient)) in chunks.iter().zip(gradients).enumerate() {
        *gradient = finished::<F, PENALTY>(chunk, anchor, plan, factors, gradient, index);
    }
    if !tail.is_empty() {
        let zero = F::default();
        let (tail, gradient) = (padded(tail, zero), padded(last, zero));
        let finished = finished::<F, PENALTY>(&tail, anchor, plan, factors, &gradient, chunks.len());
        last.copy_from_slice(&finished[..last.len()]);
    }
}

#[inline(always)]
fn finished<F: Real, const PENALTY: bool>(
    chunk: &[F; LANES],
    anchor: F,
    plan: &Prepared<F>,
    [exp_factor, constant, penalty_slope]: [F; 3],
    gradient: &[F; LANES],
    index: usize,
) -> [F; LANES] {
    let mut finished = [F::default(); LANES];
    for lane in 0..LANES {
        finished[lane] = gradient[lane] * exp_factor + constant;
    }
    if PENALTY {
        let (margins, weights) = plan.penalty.lanes(index);
        for lane in 0..LANES {
            let (_, slope) = plan.penalty.cost_and_slope(anchor - chunk[lane], margins[lane]);
            finished[lane] -= penalty_slope * (weights[lane] * slope);
        }
    }
    finished
}

/// Fewer numbers than lanes, and others after them.
#[inline(always)]
fn padded<F: Real>(tail: &[F], other: F) -> [F; LANES] {
    let mut lanes = [other; LANES];
    lanes[..tail.len()].copy_from_slice(tail);
    lanes
}

/// The first index of the maximum; any where it is NaN.
#[inline(always)]
fn first<F: Real>(row: &[F], max: F) -> usize {
    let (chunks, tail) = row.as_chunks::<LANES>();
    for (index, chunk) in chunks.iter().enumerate() {
        // Whether a chunk has it takes no branch per logit.
        if chunk.iter().fold(false, |found, logit| found | (*logit == max)) {
            return index * LANES + chunk.iter().position(|logit| *logit == max).unwrap_or(0);
        }
    }
    tail.iter().position(|logit| *logit == max).map_or(0, |lane| chunks.len() * LANES + lane)
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
