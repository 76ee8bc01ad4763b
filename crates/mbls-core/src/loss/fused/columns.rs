//! Logits `[classes, positions]` of one image: a tile of positions at a time, which are the lanes of the vectors.

use super::super::targets::IGNORED;
use super::Sums;
use super::plan::Prepared;
use crate::simd::{Real, for_each_machine, ln};
use std::ops::Range;

/// Positions per tile: a tile's logits and gradients of a few dozen classes stay in the first level of the cache.
const TILE: usize = 64;

for_each_machine! {
    /// Adds the rows at positions with a penalty and writes the gradient of their weighted sum.
    pub(super) fn with_penalty<F: Real>(
        logits: &[&[F]], targets: &[u32], plan: &Prepared<F>, gradient: &mut [&mut [F]],
    ) -> Sums => with_penalty_body
}

for_each_machine! {
    /// Adds the rows at positions without a penalty and writes the gradient of their weighted sum.
    pub(super) fn without_penalty<F: Real>(
        logits: &[&[F]], targets: &[u32], plan: &Prepared<F>, gradient: &mut [&mut [F]],
    ) -> Sums => without_penalty_body
}

#[inline(always)]
fn with_penalty_body<F: Real>(logits: &[&[F]], targets: &[u32], plan: &Prepared<F>, gradient: &mut [&mut [F]]) -> Sums {
    tiles::<F, true>(logits, targets, plan, gradient)
}

#[inline(always)]
fn without_penalty_body<F: Real>(
    logits: &[&[F]],
    targets: &[u32],
    plan: &Prepared<F>,
    gradient: &mut [&mut [F]],
) -> Sums {
    tiles::<F, false>(logits, targets, plan, gradient)
}

#[inline(always)]
fn tiles<F: Real, const PENALTY: bool>(
    logits: &[&[F]],
    targets: &[u32],
    plan: &Prepared<F>,
    gradient: &mut [&mut [F]],
) -> Sums {
    let mut sums = Sums::default();
    let mut tile = Tile::new();
    for (index, targets) in targets.chunks(TILE).enumerate() {
        let (start, end) = (index * TILE, index * TILE + targets.len());
        tile.exponentials::<PENALTY>(logits, start..end, gradient);
        tile.labels::<PENALTY>(logits, start, targets, plan, &mut sums);
        tile.finish::<PENALTY>(logits, start..end, plan, gradient);
        tile.label_gradients::<PENALTY>(start, targets, plan, gradient, &mut sums);
    }
    sums
}

/// Numbers per position.
struct Tile<F> {
    max: [F; TILE],
    first_max: [u32; TILE],
    anchor: [F; TILE],
    exp: [F; TILE],
    shifted: [F; TILE],
    cost: [F; TILE],
    slope: [F; TILE],
    /// What the gradient is made of: of exponentials, of 1, of the penalty's slope and, at the label, on top.
    exp_factor: [F; TILE],
    constant: [F; TILE],
    penalty_slope: [F; TILE],
    base_slope: [F; TILE],
    row_weight: [f64; TILE],
}

impl<F: Real> Tile<F> {
    #[inline(always)]
    fn new() -> Self {
        let zero = [F::default(); TILE];
        Self {
            max: zero,
            first_max: [0; TILE],
            anchor: zero,
            exp: zero,
            shifted: zero,
            cost: zero,
            slope: zero,
            exp_factor: zero,
            constant: zero,
            penalty_slope: zero,
            base_slope: zero,
            row_weight: [0.0; TILE],
        }
    }

    /// Maximum, exponentials (which stay in `gradient`), and the sums over classes.
    #[inline(always)]
    fn exponentials<const PENALTY: bool>(&mut self, logits: &[&[F]], at: Range<usize>, gradient: &mut [&mut [F]]) {
        let mut max = load(logits[0], &at);
        let mut first_max = [0; TILE];
        for (class, logits) in logits.iter().enumerate().skip(1) {
            let logits = load(logits, &at);
            for i in 0..TILE {
                let larger = logits[i] > max[i];
                max[i] = if larger { logits[i] } else { max[i] };
                first_max[i] = if larger { class as u32 } else { first_max[i] };
            }
        }

        let (mut exp, mut shifted) = ([F::default(); TILE], [F::default(); TILE]);
        for (logits, gradient) in logits.iter().zip(gradient) {
            let mut e = load(logits, &at);
            for i in 0..TILE {
                let z = e[i] - max[i];
                e[i] = z.exp();
                exp[i] += e[i];
                if !PENALTY {
                    shifted[i] += z;
                }
            }
            store(&e, gradient, &at);
        }
        (self.max, self.first_max, self.exp, self.shifted) = (max, first_max, exp, shifted);
    }

    /// The values of the rows, and the factors of their gradients.
    #[inline(always)]
    fn labels<const PENALTY: bool>(
        &mut self,
        logits: &[&[F]],
        start: usize,
        targets: &[u32],
        plan: &Prepared<F>,
        sums: &mut Sums,
    ) {
        let classes = logits.len() as f64;
        self.anchor = self.max;
        for (i, &target) in targets.iter().enumerate() {
            if target == IGNORED {
                continue;
            }
            let exp = self.exp[i].f64();
            let log_sum = ln(exp);
            let log_p = (logits[target as usize][start + i] - self.max[i]).f64() - log_sum;
            let (base, slope) = plan.base.value_and_slope(log_p);
            let weight = plan.row_weight(target);
            sums.base += weight * base;
            if !PENALTY {
                sums.second += weight * (log_sum - self.shifted[i].f64() / classes);
            } else if plan.penalty.target_anchor {
                self.anchor[i] = logits[target as usize][start + i];
            }

            let base_slope = weight * plan.base_weight * slope;
            let uniform = weight * plan.uniform_weight;
            self.exp_factor[i] = F::new((base_slope + uniform) / exp);
            self.constant[i] = F::new(-uniform / classes);
            self.base_slope[i] = F::new(base_slope);
            self.penalty_slope[i] = F::new(weight * plan.penalty_weight);
            self.row_weight[i] = weight;
        }
    }

    /// Makes gradients of exponentials, all but what the label and the anchor have on top, and adds the penalties of the rows and
    /// their derivatives by the anchor.
    #[inline(always)]
    fn finish<const PENALTY: bool>(
        &mut self,
        logits: &[&[F]],
        at: Range<usize>,
        plan: &Prepared<F>,
        gradient: &mut [&mut [F]],
    ) {
        let (exp_factor, constant) = (self.exp_factor, self.constant);
        let (anchor, penalty_slope) = (self.anchor, self.penalty_slope);
        let (mut cost, mut slope) = ([F::default(); TILE], [F::default(); TILE]);
        for (class, (logits, gradient)) in logits.iter().zip(gradient).enumerate() {
            let mut g = load(gradient, &at);
            if PENALTY {
                let (logits, (margin, weight)) = (load(logits, &at), plan.penalty.of_class(class));
                for i in 0..TILE {
                    let (c, s) = plan.penalty.cost_and_slope(anchor[i] - logits[i], margin);
                    let weighted = weight * s;
                    cost[i] += weight * c;
                    slope[i] += weighted;
                    g[i] = g[i] * exp_factor[i] + constant[i] - penalty_slope[i] * weighted;
                }
            } else {
                for i in 0..TILE {
                    g[i] = g[i] * exp_factor[i] + constant[i];
                }
            }
            store(&g, gradient, &at);
        }
        (self.cost, self.slope) = (cost, slope);
    }

    #[inline(always)]
    fn label_gradients<const PENALTY: bool>(
        &self,
        start: usize,
        targets: &[u32],
        plan: &Prepared<F>,
        gradient: &mut [&mut [F]],
        sums: &mut Sums,
    ) {
        for (i, &target) in targets.iter().enumerate() {
            if target == IGNORED {
                // Whatever its logits are: NaN times 0 would stay NaN.
                gradient.iter_mut().for_each(|gradient| gradient[start + i] = F::default());
                continue;
            }
            gradient[target as usize][start + i] -= self.base_slope[i];
            if PENALTY {
                sums.second += self.row_weight[i] * self.cost[i].f64();
            }
            if PENALTY && plan.penalty.moves_anchor {
                let class = if plan.penalty.target_anchor { target } else { self.first_max[i] };
                gradient[class as usize][start + i] += self.penalty_slope[i] * self.slope[i];
            }
        }
    }
}

/// A tile of a plane; zeros after its end. A copy, so that the compiler need not ask what overlaps.
#[inline(always)]
fn load<F: Real>(plane: &[F], at: &Range<usize>) -> [F; TILE] {
    let part = &plane[at.clone()];
    part.first_chunk().copied().unwrap_or_else(|| {
        let mut tile = [F::default(); TILE];
        tile[..part.len()].copy_from_slice(part);
        tile
    })
}

/// Writes the part of a tile that the plane has.
#[inline(always)]
fn store<F: Real>(tile: &[F; TILE], plane: &mut [F], at: &Range<usize>) {
    let part = &mut plane[at.clone()];
    match part.first_chunk_mut() {
        Some(whole) => *whole = *tile,
        None => part.copy_from_slice(&tile[..part.len()]),
    }
}
