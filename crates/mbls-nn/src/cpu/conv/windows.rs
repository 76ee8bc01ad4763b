//! A convolution as products over gathered windows, distributed in blocks of images.

use super::plan::{POSITIONS, Plan, Scratch, flip};
use crate::cpu::values::{Float, chunk};
use crate::parallel::{each_chunk_with, map_tasks_with};

/// Number of tasks per pass. It is fixed, so that the order of all sums, and with it the exact
/// result, does not depend on the number of threads.
const BLOCKS: usize = 32;

/// Target maximum of entries of the weight gradients that the tasks of one pass sum separately. If
/// they exceed it, there are fewer tasks.
const SUMS: usize = 1 << 22;

fn block(images: usize) -> usize {
    images.div_ceil(BLOCKS)
}

/// Returns the number of images of a task that sums its own weight gradient.
fn summing_block(plan: &Plan, images: usize) -> usize {
    let blocks = (SUMS / (plan.groups * plan.weights())).clamp(BLOCKS / 4, BLOCKS);
    let enough = POSITIONS.div_ceil(plan.grid.positions()).min(images.div_ceil(BLOCKS / 8));
    images.div_ceil(blocks).max(enough)
}

pub(super) fn forward<T: Float>(plan: &Plan, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
    let (size, out_size) = (plan.in_image(), plan.out_image());
    let images = x.len() / size;
    let (block, tile) = (block(images), plan.tile());
    let mut y = vec![T::zero(); images * out_size];
    each_chunk_with(&mut y, block * out_size, &Scratch::new, &|scratch, i, y| {
        let x = chunk(x, block * size, i);
        for (y, x) in y.chunks_mut(tile * out_size).zip(x.chunks(tile * size)) {
            plan.forward(x, weight, y, scratch);
            let Some(bias) = bias else { continue };
            for (line, &b) in y.chunks_mut(plan.grid.positions()).zip(bias.iter().cycle()) {
                line.iter_mut().for_each(|v| *v += b);
            }
        }
    });
    y
}

/// Computes the gradients of input and weight; a gradient that is not needed is empty.
pub(super) fn backward<T: Float>(
    plan: &Plan,
    x: &[T],
    weight: &[T],
    dy: &[T],
    want: (bool, bool),
) -> (Vec<T>, Vec<T>) {
    // Gathering the windows of `dy` replaces gathering those of `x` and scattering `dx`, if that
    // moves less data.
    let adjoint = if want.0 && (plan.grid.is_identity() || plan.outputs <= 2 * plan.inputs) {
        plan.adjoint()
    } else {
        None
    };
    let flipped = match adjoint {
        Some(_) => flip(weight, plan),
        None => Vec::new(),
    };
    let (size, out_size) = (plan.in_image(), plan.out_image());
    let images = x.len() / size;
    let block = if want.1 { summing_block(plan, images) } else { block(images) };
    let tile = adjoint.as_ref().unwrap_or(plan).tile();
    let mut dx = vec![T::zero(); if want.0 { x.len() } else { 0 }];
    let mut dx_blocks: Vec<&mut [T]> = dx.chunks_mut(block * size).collect();
    dx_blocks.resize_with(images.div_ceil(block), Default::default);
    let one = |scratch: &mut Scratch<T>, i: usize, dx: &mut [T]| {
        let (x, dy) = (chunk(x, block * size, i), chunk(dy, block * out_size, i));
        let mut dw = vec![T::zero(); if want.1 { weight.len() } else { 0 }];
        let mut dx_tiles = dx.chunks_mut(tile * size);
        for (x, dy) in x.chunks(tile * size).zip(dy.chunks(tile * out_size)) {
            let dx = dx_tiles.next().unwrap_or_default();
            match &adjoint {
                Some(plan) => plan.forward_and_correlate(dy, (&flipped, dx), (x, &mut dw), scratch),
                None => plan.backward((x, &mut dw), (weight, dx), dy, scratch),
            }
        }
        dw
    };
    let partial = map_tasks_with(dx_blocks, &Scratch::new, &one);
    let mut dw = vec![T::zero(); if want.1 { weight.len() } else { 0 }];
    for partial in &partial {
        dw.iter_mut().zip(partial).for_each(|(sum, &term)| *sum += term);
    }
    if want.1 {
        dw = match adjoint {
            Some(adjoint) => flip(&adjoint.straighten(dw), &adjoint),
            None => plan.straighten(dw),
        };
    }
    (dx, dw)
}
