//! Rows with many classes: the lanes of the vectors are classes.

use super::super::targets::IGNORED;
use super::Sums;
use super::cost::Cost;
use super::plan::{LANES, Prepared};
use super::stored::Stored;
use crate::simd::{Real, for_each_machine, ln};
use std::mem::MaybeUninit;

/// Adds rows `[rows, classes]`. If a gradient is requested, writes all of the gradient of their
/// weighted sum.
pub(super) fn add<T: Stored, C: Cost<T::Compute>>(
    logits: &[T],
    targets: &[u32],
    plan: &Prepared<T::Compute>,
    cost: &C,
    gradient: Option<&mut [MaybeUninit<T>]>,
) -> Sums {
    let classes = logits.len() / targets.len();
    let mut row = Row::new(classes);
    let mut sums = Sums::default();
    let mut gradients = gradient.map(|gradient| gradient.chunks_exact_mut(classes));
    for (logits, &target) in logits.chunks_exact(classes).zip(targets) {
        let gradient = gradients.as_mut().and_then(Iterator::next);
        if target == IGNORED {
            gradient.into_iter().flatten().for_each(|value| _ = value.write(T::default()));
            continue;
        }
        row.add(logits, target, plan, cost, &mut sums);
        if let Some(gradient) = gradient {
            write(&row.values, gradient);
        }
    }
    sums
}

/// The current row.
struct Row<F> {
    classes: usize,
    logits: Vec<[F; LANES]>,
    /// Exponentials, replaced in place by the gradient.
    values: Vec<[F; LANES]>,
}

impl<F: Real> Row<F> {
    fn new(classes: usize) -> Self {
        let zeros = vec![[F::default(); LANES]; classes.div_ceil(LANES)];
        Self { classes, logits: zeros.clone(), values: zeros }
    }

    fn add<T: Stored<Compute = F>, C: Cost<F>>(
        &mut self,
        logits: &[T],
        target: u32,
        plan: &Prepared<F>,
        cost: &C,
        sums: &mut Sums,
    ) {
        let (label, penalty, weight) = (target as usize, &plan.penalty, plan.row_weight(target));
        let max = load(logits, &mut self.logits);
        let exp = exponentials(&self.logits, max, &mut self.values);
        let (log_sum, at_label) = (ln(exp), logits[label].load());
        let (base, slope) = plan.base.value_and_slope((at_label - max).f64() - log_sum);
        sums.base += weight * base;

        let base_slope = weight * plan.base_weight * slope;
        let factor = F::new((base_slope + weight * plan.uniform_weight) / exp);
        let (pull, anchor) =
            (weight * plan.penalty_weight, if penalty.target_anchor { at_label } else { max });
        if let (true, Some(last)) = (C::SOME, self.logits.last_mut()) {
            // Padding after the last class has distance 0, which with numbers of 0 costs nothing.
            last[(self.classes - 1) % LANES + 1..].fill(anchor);
        }
        let factors = [factor, F::new(-pull)];
        let (costs, slopes) =
            finish(&self.logits, anchor, cost, penalty.lanes(), factors, &mut self.values);
        self.values[label / LANES][label % LANES] -= F::new(base_slope);
        if C::SOME {
            sums.second += weight * plan.second(log_sum, costs);
        }
        let mut at_max = 0.0;
        if C::SOME && penalty.moves_anchor && slopes != 0.0 {
            if penalty.target_anchor {
                self.values[label / LANES][label % LANES] += F::new(pull * slopes);
            } else {
                at_max = pull * slopes;
            }
        }
        if let Some(top_logit) = &plan.top_logit {
            let (cost, slope) = top_logit.cost_and_slope(max.f64());
            sums.top_logit += weight * cost;
            at_max += weight * top_logit.weight * slope;
        }
        if at_max != 0.0 {
            let first = self.first(max);
            self.values[first / LANES][first % LANES] += F::new(at_max);
        }
    }

    /// Returns the first index of the maximum; any index if it is NaN.
    fn first(&self, max: F) -> usize {
        for (index, chunk) in self.logits.iter().enumerate() {
            // Testing whether a chunk contains it takes no branch per logit.
            if chunk.iter().fold(false, |found, logit| found | (*logit == max)) {
                return index * LANES + chunk.iter().position(|logit| *logit == max).unwrap_or(0);
            }
        }
        0
    }
}

for_each_machine! {
    /// Copies logits, with minus infinity after the last, and returns their maximum; NaN may or may
    /// not be skipped.
    fn load<T: Stored>(logits: &[T], copy: &mut [[T::Compute; LANES]]) -> T::Compute => load_body
}

#[inline(always)]
fn load_body<T: Stored>(logits: &[T], copy: &mut [[T::Compute; LANES]]) -> T::Compute {
    let lowest = T::Compute::new(f64::NEG_INFINITY);
    let mut max = [lowest; LANES];
    let (chunks, tail) = logits.as_chunks::<LANES>();
    if let (false, Some(last)) = (tail.is_empty(), copy.last_mut()) {
        max[..tail.len()].iter_mut().zip(tail).for_each(|(max, logit)| *max = logit.load());
        *last = max;
    }
    for (copy, chunk) in copy.iter_mut().zip(chunks) {
        for lane in 0..LANES {
            let logit = chunk[lane].load();
            copy[lane] = logit;
            max[lane] = if logit > max[lane] { logit } else { max[lane] };
        }
    }
    max.into_iter().fold(lowest, |a, b| if b > a { b } else { a })
}

for_each_machine! {
    /// Computes `e^(l_k - max)` and returns their sum.
    fn exponentials<F: Real>(logits: &[[F; LANES]], max: F, values: &mut [[F; LANES]]) -> f64
        => exponentials_body::<false, F> | exponentials_body::<true, F>
}

#[inline(always)]
fn exponentials_body<const FMA: bool, F: Real>(
    logits: &[[F; LANES]],
    max: F,
    values: &mut [[F; LANES]],
) -> f64 {
    let mut sums = [F::default(); LANES];
    for (value, logits) in values.iter_mut().zip(logits) {
        for lane in 0..LANES {
            let e = (logits[lane] - max).exp::<FMA>();
            value[lane] = e;
            sums[lane] += e;
        }
    }
    total(sums)
}

for_each_machine! {
    /// Converts exponentials to gradients, except for the additional terms at label and maximum:
    /// `factors[0]` times the exponential plus `factors[1]` times the slope of the class. Returns
    /// the summed costs of the classes and their summed slopes.
    fn finish<F: Real, C: Cost<F>>(
        logits: &[[F; LANES]],
        anchor: F,
        cost: &C,
        classes: &[[[F; LANES]; 2]],
        factors: [F; 2],
        values: &mut [[F; LANES]],
    ) -> (f64, f64) => finish_body::<false, F, C> | finish_body::<true, F, C>
}

#[inline(always)]
fn finish_body<const FMA: bool, F: Real, C: Cost<F>>(
    logits: &[[F; LANES]],
    anchor: F,
    cost: &C,
    classes: &[[[F; LANES]; 2]],
    factors: [F; 2],
    values: &mut [[F; LANES]],
) -> (f64, f64) {
    if !C::SOME {
        values.as_flattened_mut().iter_mut().for_each(|value| *value = *value * factors[0]);
        return (0.0, 0.0);
    }
    let (mut costs, mut slopes) = ([F::default(); LANES], [F::default(); LANES]);
    for ((value, logits), [a, b]) in values.iter_mut().zip(logits).zip(classes) {
        for lane in 0..LANES {
            let (c, s) = cost.cost_and_slope(anchor - logits[lane], [a[lane], b[lane]]);
            costs[lane] += c;
            slopes[lane] += s;
            value[lane] = value[lane].mul_add::<FMA>(factors[0], factors[1] * s);
        }
    }
    (total(costs), total(slopes))
}

for_each_machine! {
    /// Writes a row of the gradient.
    fn write<T: Stored>(values: &[[T::Compute; LANES]], gradient: &mut [MaybeUninit<T>]) => write_body
}

#[inline(always)]
fn write_body<T: Stored>(values: &[[T::Compute; LANES]], gradient: &mut [MaybeUninit<T>]) {
    for (to, value) in gradient.iter_mut().zip(values.as_flattened()) {
        to.write(T::store(*value));
    }
}

/// Returns the sum of the lanes, added in pairs.
#[inline(always)]
fn total<F: Real>(lanes: [F; LANES]) -> f64 {
    let (mut eight, mut four) = ([0.0; 8], [0.0; 4]);
    for i in 0..8 {
        eight[i] = lanes[i].f64() + lanes[i + 8].f64();
    }
    for i in 0..4 {
        four[i] = eight[i] + eight[i + 4];
    }
    (four[0] + four[2]) + (four[1] + four[3])
}
