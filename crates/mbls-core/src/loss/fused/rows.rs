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
        let (exp, shifted) = exponentials::<F, PENALTY>(row, max, gradient);
        let log_sum = ln(exp);
        let log_p = (row[label] - max).f64() - log_sum;
        let (base, slope) = plan.base.value_and_slope(log_p);
        let weight = plan.row_weight(target);
        let base_slope = weight * plan.base_weight * slope;
        let uniform = weight * plan.uniform_weight;
        let factors = Factors {
            exp: F::new((base_slope + uniform) / exp),
            constant: F::new(-uniform / classes as f64),
            penalty: F::new(weight * plan.penalty_weight),
        };
        let anchor = if plan.penalty.target_anchor { row[label] } else { max };
        let (cost, slope) = finish::<F, PENALTY>(row, anchor, plan, &factors, gradient);
        sums.base += weight * base;
        sums.second += weight * if PENALTY { cost } else { log_sum - shifted / classes as f64 };
        gradient[label] -= F::new(base_slope);
        if PENALTY && plan.penalty.moves_anchor {
            let index = if plan.penalty.target_anchor { label } else { first(row, max) };
            gradient[index] += F::new(weight * plan.penalty_weight * slope);
        }
    }
    sums
}

/// What the gradient of a row is made of, but for the label and the anchor.
struct Factors<F> {
    exp: F,
    constant: F,
    penalty: F,
}

/// `sum_k e^(l_k - max)` and, without a penalty, `sum_k (l_k - max)`; leaves the exponentials in `gradient`.
#[inline(always)]
fn exponentials<F: Real, const PENALTY: bool>(row: &[F], max: F, gradient: &mut [F]) -> (f64, f64) {
    let (mut exp, mut shifted) = ([F::default(); LANES], [F::default(); LANES]);
    let (chunks, tail) = row.as_chunks::<LANES>();
    let (gradients, last) = gradient.as_chunks_mut::<LANES>();
    for (chunk, gradient) in chunks.iter().zip(gradients) {
        for lane in 0..LANES {
            let z = chunk[lane] - max;
            let e = z.exp();
            gradient[lane] = e;
            exp[lane] += e;
            if !PENALTY {
                shifted[lane] += z;
            }
        }
    }
    if !tail.is_empty() {
        let padded = padded(tail, F::new(f64::NEG_INFINITY));
        let mut e = [F::default(); LANES];
        for lane in 0..LANES {
            let z = padded[lane] - max;
            e[lane] = z.exp();
            exp[lane] += e[lane];
            if !PENALTY {
                shifted[lane] += if lane < tail.len() { z } else { F::default() };
            }
        }
        last.copy_from_slice(&e[..last.len()]);
    }
    (total(exp), total(shifted))
}

/// Makes gradients of exponentials, all but what the label and the anchor have on top; the penalty of the row and its
/// derivative by the anchor.
#[inline(always)]
fn finish<F: Real, const PENALTY: bool>(
    row: &[F],
    anchor: F,
    plan: &Prepared<F>,
    factors: &Factors<F>,
    gradient: &mut [F],
) -> (f64, f64) {
    if !PENALTY {
        for gradient in gradient {
            *gradient = *gradient * factors.exp + factors.constant;
        }
        return (0.0, 0.0);
    }
    let (mut cost, mut slope) = ([F::default(); LANES], [F::default(); LANES]);
    let (chunks, tail) = row.as_chunks::<LANES>();
    let (gradients, last) = gradient.as_chunks_mut::<LANES>();
    for ((chunk, gradient), (margins, weights)) in chunks.iter().zip(gradients).zip(plan.penalty.lanes()) {
        for lane in 0..LANES {
            let (c, s) = plan.penalty.cost_and_slope(anchor - chunk[lane], margins[lane]);
            let weighted = weights[lane] * s;
            cost[lane] += weights[lane] * c;
            slope[lane] += weighted;
            gradient[lane] = gradient[lane] * factors.exp + factors.constant - factors.penalty * weighted;
        }
    }
    if !tail.is_empty()
        && let Some((margins, weights)) = plan.penalty.lanes().nth(chunks.len())
    {
        let (tail, mut g) = (padded(tail, F::default()), padded(last, F::default()));
        for lane in 0..LANES {
            let (c, s) = plan.penalty.cost_and_slope(anchor - tail[lane], margins[lane]);
            let weighted = weights[lane] * s;
            cost[lane] += weights[lane] * c;
            slope[lane] += weighted;
            g[lane] = g[lane] * factors.exp + factors.constant - factors.penalty * weighted;
        }
        last.copy_from_slice(&g[..last.len()]);
    }
    (total(cost), total(slope))
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
