//! Tiles of positions, or of rows with few classes: the lanes of the vectors are positions.
//!
//! A tile is copied into a buffer that stays in the L1 cache. In the original layout its planes are
//! a whole image apart, often a power of two, and would compete for the same few cache lines in
//! each pass over them.

use super::super::targets::IGNORED;
use super::Sums;
use super::cost::Cost;
use super::plan::Prepared;
use super::stored::Stored;
use crate::simd::{Real, for_each_machine, ln};
use std::mem::MaybeUninit;

/// Positions per tile.
const TILE: usize = 64;

/// Positions processed at once, so that sums over classes stay in registers.
const LANES: usize = 16;

/// The logits of a task.
pub(super) enum Source<'a, T> {
    /// A slice of each class's plane.
    Planes(&'a [&'a [T]]),
    /// `[rows, classes]`.
    Rows(&'a [T]),
}

/// The destination of a task's gradient, in the layout of the logits.
pub(super) enum Target<'a, 'b, T> {
    None,
    Planes(&'a mut [&'b mut [MaybeUninit<T>]]),
    Rows(&'a mut [MaybeUninit<T>]),
}

/// Adds positions. If a gradient is requested, writes all of the gradient of their weighted sum.
pub(super) fn add<T: Stored, C: Cost<T::Compute>>(
    logits: Source<'_, T>,
    targets: &[u32],
    plan: &Prepared<T::Compute>,
    cost: &C,
    mut gradient: Target<'_, '_, T>,
) -> Sums {
    let mut sums = Sums::default();
    let mut tile = Tile::new(plan.row_weights.len());
    for (index, targets) in targets.chunks(TILE).enumerate() {
        let start = index * TILE;
        match &logits {
            Source::Planes(planes) => load_planes(planes, start, &mut tile.logits),
            Source::Rows(rows) => load_rows(rows, start, &mut tile.logits),
        }
        exponentials(&mut tile);
        bases(&mut tile, targets, plan, &mut sums);
        finish(&mut tile, plan, cost);
        tile.ends::<C>(targets, plan, &mut sums);
        match &mut gradient {
            Target::None => {}
            Target::Planes(planes) => write_planes(&tile.values, planes, start),
            Target::Rows(rows) => write_rows(&tile.values, rows, start),
        }
    }
    sums
}

/// One number for each position of a tile, as lanes.
type Numbers<F> = [[F; LANES]; TILE / LANES];

/// The current tile. Lanes after the last position have arbitrary contents.
struct Tile<F> {
    /// Per class.
    logits: Vec<Numbers<F>>,
    /// Exponentials per class, replaced in place by the gradient.
    values: Vec<Numbers<F>>,
    max: Numbers<F>,
    first_max: Numbers<u32>,
    anchor: Numbers<F>,
    exp: Numbers<F>,
    log_sum: [f64; TILE],
    cost: Numbers<F>,
    slope: Numbers<F>,
    /// The weight of the row, 0 if it is ignored.
    weight: [f64; TILE],
    /// The amount subtracted from the gradient at the label.
    at_label: [f64; TILE],
    /// Factors of the exponential and of the cost's slope in the gradient.
    factor: Numbers<F>,
    pull: Numbers<F>,
}

impl<F: Real> Tile<F> {
    fn new(classes: usize) -> Self {
        let zero = [[F::default(); LANES]; TILE / LANES];
        Self {
            logits: vec![zero; classes],
            values: vec![zero; classes],
            max: zero,
            first_max: [[0; LANES]; TILE / LANES],
            anchor: zero,
            exp: zero,
            log_sum: [0.0; TILE],
            cost: zero,
            slope: zero,
            weight: [0.0; TILE],
            at_label: [0.0; TILE],
            factor: zero,
            pull: zero,
        }
    }

    /// Adds the terms that rows have at single classes: label, anchor and maximum.
    fn ends<C: Cost<F>>(&mut self, targets: &[u32], plan: &Prepared<F>, sums: &mut Sums) {
        for (i, &target) in targets.iter().enumerate() {
            let (chunk, lane) = (i / LANES, i % LANES);
            if target == IGNORED {
                // Independent of its logits: NaN times 0 would be NaN.
                self.values.iter_mut().for_each(|values| values[chunk][lane] = F::default());
                continue;
            }
            self.values[target as usize][chunk][lane] -= F::new(self.at_label[i]);
            let first_max = self.first_max[chunk][lane];
            if C::SOME {
                sums.second +=
                    self.weight[i] * plan.second(self.log_sum[i], self.cost[chunk][lane].f64());
                if plan.penalty.moves_anchor {
                    let anchor = if plan.penalty.target_anchor { target } else { first_max };
                    self.values[anchor as usize][chunk][lane] +=
                        self.pull[chunk][lane] * self.slope[chunk][lane];
                }
            }
            if let Some(top_logit) = &plan.top_logit {
                let (cost, slope) = top_logit.cost_and_slope(self.max[chunk][lane].f64());
                sums.top_logit += self.weight[i] * cost;
                self.values[first_max as usize][chunk][lane] +=
                    F::new(self.weight[i] * top_logit.weight * slope);
            }
        }
    }
}

for_each_machine! {
    fn load_planes<T: Stored>(planes: &[&[T]], start: usize, logits: &mut [Numbers<T::Compute>]) => load_planes_body
}

#[inline(always)]
fn load_planes_body<T: Stored>(planes: &[&[T]], start: usize, logits: &mut [Numbers<T::Compute>]) {
    for (to, plane) in logits.iter_mut().zip(planes) {
        to.as_flattened_mut()
            .iter_mut()
            .zip(&plane[start..])
            .for_each(|(to, logit)| *to = logit.load());
    }
}

fn load_rows<T: Stored>(rows: &[T], start: usize, logits: &mut [Numbers<T::Compute>]) {
    let classes = logits.len();
    for (i, row) in rows[start * classes..].chunks_exact(classes).take(TILE).enumerate() {
        let (chunk, lane) = (i / LANES, i % LANES);
        logits.iter_mut().zip(row).for_each(|(to, logit)| to[chunk][lane] = logit.load());
    }
}

for_each_machine! {
    /// Computes the maximum, the exponentials (stored in `values`) and their sum.
    fn exponentials<F: Real>(tile: &mut Tile<F>) => exponentials_body::<false, F> | exponentials_body::<true, F>
}

#[inline(always)]
fn exponentials_body<const FMA: bool, F: Real>(tile: &mut Tile<F>) {
    for chunk in 0..TILE / LANES {
        let (mut max, mut first) = (tile.logits[0][chunk], [0; LANES]);
        for (class, logits) in tile.logits.iter().enumerate().skip(1) {
            let logits = logits[chunk];
            for lane in 0..LANES {
                let larger = logits[lane] > max[lane];
                max[lane] = if larger { logits[lane] } else { max[lane] };
                first[lane] = if larger { class as u32 } else { first[lane] };
            }
        }
        let mut sum = [F::default(); LANES];
        for (values, logits) in tile.values.iter_mut().zip(&tile.logits) {
            let (values, logits) = (&mut values[chunk], logits[chunk]);
            for lane in 0..LANES {
                let e = (logits[lane] - max[lane]).exp::<FMA>();
                values[lane] = e;
                sum[lane] += e;
            }
        }
        (tile.max[chunk], tile.first_max[chunk], tile.exp[chunk]) = (max, first, sum);
    }
}

for_each_machine! {
    /// Computes the bases of the rows, and the factors of their gradients.
    fn bases<F: Real>(tile: &mut Tile<F>, targets: &[u32], plan: &Prepared<F>, sums: &mut Sums) => bases_body
}

#[inline(always)]
fn bases_body<F: Real>(tile: &mut Tile<F>, targets: &[u32], plan: &Prepared<F>, sums: &mut Sums) {
    let exp: [f64; TILE] = std::array::from_fn(|i| tile.exp[i / LANES][i % LANES].f64());
    for (log_sum, exp) in tile.log_sum.iter_mut().zip(&exp) {
        *log_sum = ln(*exp);
    }
    tile.anchor = tile.max;
    (tile.weight, tile.at_label) = ([0.0; TILE], [0.0; TILE]);
    for (i, &target) in targets.iter().enumerate() {
        if target == IGNORED {
            continue;
        }
        let (chunk, lane) = (i / LANES, i % LANES);
        let at_label = tile.logits[target as usize][chunk][lane];
        let (base, slope) =
            plan.base.value_and_slope((at_label - tile.max[chunk][lane]).f64() - tile.log_sum[i]);
        let weight = plan.row_weight(target);
        sums.base += weight * base;
        tile.weight[i] = weight;
        tile.at_label[i] = weight * plan.base_weight * slope;
        if plan.penalty.target_anchor {
            tile.anchor[chunk][lane] = at_label;
        }
    }
    let rows = tile.at_label.iter().zip(&tile.weight).zip(&exp);
    let factors = tile.factor.as_flattened_mut().iter_mut().zip(tile.pull.as_flattened_mut());
    for ((factor, pull), ((at_label, weight), exp)) in factors.zip(rows) {
        *factor = F::new((at_label + weight * plan.uniform_weight) / exp);
        *pull = F::new(weight * plan.penalty_weight);
    }
}

for_each_machine! {
    /// Converts exponentials to gradients, except for the additional terms at label and maximum,
    /// and adds the costs of the classes.
    fn finish<F: Real, C: Cost<F>>(tile: &mut Tile<F>, plan: &Prepared<F>, cost: &C)
        => finish_body::<false, F, C> | finish_body::<true, F, C>
}

#[inline(always)]
fn finish_body<const FMA: bool, F: Real, C: Cost<F>>(
    tile: &mut Tile<F>,
    plan: &Prepared<F>,
    cost: &C,
) {
    for chunk in 0..TILE / LANES {
        let (anchor, factor) = (tile.anchor[chunk], tile.factor[chunk]);
        let minus_pull = tile.pull[chunk].map(|pull| F::new(0.0) - pull);
        let (mut costs, mut slopes) = ([F::default(); LANES], [F::default(); LANES]);
        for (class, (values, logits)) in tile.values.iter_mut().zip(&tile.logits).enumerate() {
            let (values, logits) = (&mut values[chunk], logits[chunk]);
            if !C::SOME {
                for lane in 0..LANES {
                    values[lane] = values[lane] * factor[lane];
                }
                continue;
            }
            let numbers = plan.penalty.of_class(class);
            for lane in 0..LANES {
                let (c, s) = cost.cost_and_slope(anchor[lane] - logits[lane], numbers);
                costs[lane] += c;
                slopes[lane] += s;
                values[lane] = values[lane].mul_add::<FMA>(factor[lane], minus_pull[lane] * s);
            }
        }
        (tile.cost[chunk], tile.slope[chunk]) = (costs, slopes);
    }
}

for_each_machine! {
    fn write_planes<T: Stored>(values: &[Numbers<T::Compute>], planes: &mut [&mut [MaybeUninit<T>]], start: usize)
        => write_planes_body
}

#[inline(always)]
fn write_planes_body<T: Stored>(
    values: &[Numbers<T::Compute>],
    planes: &mut [&mut [MaybeUninit<T>]],
    start: usize,
) {
    for (values, plane) in values.iter().zip(planes) {
        for (to, value) in plane[start..].iter_mut().zip(values.as_flattened()) {
            to.write(T::store(*value));
        }
    }
}

fn write_rows<T: Stored>(
    values: &[Numbers<T::Compute>],
    rows: &mut [MaybeUninit<T>],
    start: usize,
) {
    let classes = values.len();
    for (i, row) in rows[start * classes..].chunks_exact_mut(classes).take(TILE).enumerate() {
        let (chunk, lane) = (i / LANES, i % LANES);
        for (to, values) in row.iter_mut().zip(values) {
            to.write(T::store(values[chunk][lane]));
        }
    }
}
