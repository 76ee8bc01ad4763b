//! A convolution as one product per kernel offset.
//!
//! An offset meets the input on a lattice of positions, the same in every plane. The inputs at
//! these positions, of all channels and many images, form one matrix. No product is spent on
//! padding, which fills most of the windows with large dilation. Small planes of many images make
//! products as large as those of one large plane. Sums are never split between threads: threads
//! share the rows of the result.

use super::plan::{Plan, group, group_mut};
use crate::cpu::kernel::matrix::{GAP, Matrix, multiply_strided};
use crate::cpu::values::{Float, chunk};
use crate::parallel::each_chunk;
use std::borrow::Cow;

/// Number of matrix entries that are created at once.
const ENTRIES: usize = 1 << 22;

/// Rows of a product that one task computes.
const ROWS: usize = 128;

/// Minimum number of channels on either side for which the products of one offset are large enough.
const CHANNELS: usize = 128;

/// Maximum number of positions of a plane for which the planes of several images are combined.
const POSITIONS: usize = 16;

pub(super) struct Offsets {
    plan: Plan,
    offsets: Vec<Offset>,
}

/// The input positions that an offset meets, and the outputs that read them; both have the same
/// number of positions.
struct Offset {
    /// The index in the kernel.
    place: usize,
    input: Lattice,
    output: Lattice,
}

/// Evenly spaced positions of a plane.
#[derive(Clone, Copy)]
struct Lattice {
    start: usize,
    lines: usize,
    line_step: usize,
    entries: usize,
    step: usize,
}

impl Lattice {
    fn positions(&self) -> usize {
        self.lines * self.entries
    }

    fn gather<T: Float>(&self, plane: &[T], out: &mut [T]) {
        for (y, out) in out.chunks_exact_mut(self.entries).enumerate() {
            let from = &plane[self.start + y * self.line_step..];
            match self.step {
                1 => out.copy_from_slice(&from[..self.entries]),
                step => out.iter_mut().zip(from.iter().step_by(step)).for_each(|(o, &f)| *o = f),
            }
        }
    }

    fn scatter_add<T: Float>(&self, values: &[T], plane: &mut [T]) {
        for (y, values) in values.chunks_exact(self.entries).enumerate() {
            let to = &mut plane[self.start + y * self.line_step..];
            match self.step {
                1 => to.iter_mut().zip(values).for_each(|(t, &v)| *t += v),
                step => to.iter_mut().step_by(step).zip(values).for_each(|(t, &v)| *t += v),
            }
        }
    }
}

/// The planes of the input or the output of the convolution.
#[derive(Clone, Copy)]
struct Side {
    /// Number of channels per group.
    channels: usize,
    plane: usize,
}

impl Offsets {
    /// Returns the algorithm by offsets for `plan`, if it pays off.
    pub(super) fn new(plan: &Plan) -> Option<Self> {
        if plan.inputs.min(plan.outputs) < CHANNELS {
            return None;
        }
        let form = Self::of(plan);
        let met: usize = form.offsets.iter().map(|o| o.output.positions()).sum();
        let all = plan.grid.window() * plan.grid.positions();
        (plan.grid.positions() <= POSITIONS || 4 * met <= 3 * all).then_some(form)
    }

    /// Returns the algorithm by offsets for `plan`.
    pub(super) fn of(plan: &Plan) -> Self {
        let grid = &plan.grid;
        let offset = |place: usize| {
            let (u, v) = (place / grid.columns.kernel, place % grid.columns.kernel);
            let (top, bottom) = grid.rows.inside(u, grid.height, grid.out_height);
            let (left, right) = grid.columns.inside(v, grid.width, grid.out_width);
            if top == bottom || left == right {
                return None;
            }
            let (lines, entries) = (bottom - top, right - left);
            let line = top * grid.rows.stride + u * grid.rows.dilation - grid.rows.padding;
            let entry =
                left * grid.columns.stride + v * grid.columns.dilation - grid.columns.padding;
            let input = Lattice {
                start: line * grid.width + entry,
                lines,
                line_step: grid.rows.stride * grid.width,
                entries,
                step: grid.columns.stride,
            };
            let output = Lattice {
                start: top * grid.out_width + left,
                lines,
                line_step: grid.out_width,
                entries,
                step: 1,
            };
            Some(Offset { place, input, output })
        };
        Self { plan: *plan, offsets: (0..grid.window()).filter_map(offset).collect() }
    }

    fn input(&self) -> Side {
        Side { channels: self.plan.inputs, plane: self.plan.grid.plane() }
    }

    fn output(&self) -> Side {
        Side { channels: self.plan.outputs, plane: self.plan.grid.positions() }
    }

    /// Returns the number of images that are processed at once.
    fn images(&self) -> usize {
        (ENTRIES / ((self.plan.inputs + self.plan.outputs) * self.plan.grid.positions())).max(1)
    }

    /// Returns the weights as `[groups, outputs, kernel, inputs]`.
    fn kernels<'a, T: Float>(&self, weight: &'a [T]) -> Cow<'a, [T]> {
        let (window, inputs) = (self.plan.grid.window(), self.plan.inputs);
        if window == 1 {
            return weight.into();
        }
        let mut kernels = vec![T::zero(); weight.len()];
        let row = window * inputs;
        each_chunk(&mut kernels, row, &|i, kernels| {
            transpose(chunk(weight, row, i), window, kernels);
        });
        kernels.into()
    }

    /// Gathers the matrix `[channels, images * positions]` of group `g` on a lattice. Returns it
    /// with its row stride.
    fn gather<T: Float>(
        &self,
        values: &[T],
        side: Side,
        lattice: &Lattice,
        g: usize,
        out: &mut Vec<T>,
    ) -> (usize, usize) {
        let image = self.plan.groups * side.channels * side.plane;
        let width = values.len() / image * lattice.positions();
        let stride = width + GAP;
        out.resize(side.channels * stride, T::zero());
        each_chunk(out, stride, &|c, out| {
            for (i, out) in out[..width].chunks_mut(lattice.positions()).enumerate() {
                let plane =
                    &values[i * image + (g * side.channels + c) * side.plane..][..side.plane];
                lattice.gather(plane, out);
            }
        });
        (width, stride)
    }

    /// Computes `to <- to + kernel from` for each offset, or with the transposed kernels from the
    /// outputs to the inputs.
    fn carry<T: Float>(&self, from: &[T], kernels: &[T], to: &mut [T], turned: bool) {
        let (near, far) =
            if turned { (self.output(), self.input()) } else { (self.input(), self.output()) };
        let Plan { groups, inputs, outputs, grid } = self.plan;
        let (images, row) = (self.images(), grid.window() * inputs);
        let (mut matrix, mut product) = (Vec::new(), Vec::new());
        let chunks = from.chunks(images * groups * near.channels * near.plane);
        for (from, to) in chunks.zip(to.chunks_mut(images * groups * far.channels * far.plane)) {
            for (g, offset) in (0..groups).flat_map(|g| self.offsets.iter().map(move |o| (g, o))) {
                let (origin, target) = if turned {
                    (&offset.output, &offset.input)
                } else {
                    (&offset.input, &offset.output)
                };
                let (width, stride) = self.gather(from, near, origin, g, &mut matrix);
                product.resize(far.channels * stride, T::zero());
                let kernels = &group(kernels, g, outputs * row)[offset.place * inputs..];
                each_chunk(&mut product, ROWS * stride, &|i, product| {
                    let (start, rows) = (i * ROWS, product.len() / stride);
                    let kernel = if turned {
                        Matrix::strided(&kernels[start..], outputs, rows, row).transpose()
                    } else {
                        Matrix::strided(&kernels[start * row..], rows, inputs, row)
                    };
                    let matrix = Matrix::strided(&matrix, near.channels, width, stride);
                    multiply_strided(product, stride, kernel, matrix, false);
                });
                each_chunk(to, far.plane, &|i, plane| {
                    let (image, channel) =
                        (i / (groups * far.channels), i % (groups * far.channels));
                    if channel / far.channels == g {
                        let values = &product
                            [channel % far.channels * stride + image * target.positions()..];
                        target.scatter_add(&values[..target.positions()], plane);
                    }
                });
            }
        }
    }

    /// Computes the convolution of `x`, with a bias.
    pub(super) fn forward<T: Float>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let mut y = vec![T::zero(); x.len() / self.plan.in_image() * self.plan.out_image()];
        if let Some(bias) = bias {
            let planes = y.chunks_mut(self.plan.grid.positions()).zip(bias.iter().cycle());
            planes.for_each(|(plane, &b)| plane.fill(b));
        }
        self.carry(x, &self.kernels(weight), &mut y, false);
        y
    }

    pub(super) fn input_gradient<T: Float>(&self, weight: &[T], dy: &[T]) -> Vec<T> {
        let mut dx = vec![T::zero(); dy.len() / self.plan.out_image() * self.plan.in_image()];
        self.carry(dy, &self.kernels(weight), &mut dx, true);
        dx
    }

    pub(super) fn weight_gradient<T: Float>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        let Plan { groups, inputs, outputs, grid } = self.plan;
        let (images, window) = (self.images(), grid.window());
        let row = window * inputs;
        let mut sums = vec![T::zero(); groups * self.plan.weights()];
        let (mut factors, mut gradients) = (Vec::new(), Vec::new());
        let chunks =
            x.chunks(images * self.plan.in_image()).zip(dy.chunks(images * self.plan.out_image()));
        for (i, (x, dy)) in chunks.enumerate() {
            for (g, offset) in (0..groups).flat_map(|g| self.offsets.iter().map(move |o| (g, o))) {
                let (width, stride) = self.gather(x, self.input(), &offset.input, g, &mut factors);
                self.gather(dy, self.output(), &offset.output, g, &mut gradients);
                each_chunk(group_mut(&mut sums, g, outputs * row), ROWS * row, &|block, sum| {
                    let gradients = chunk(&gradients, ROWS * stride, block);
                    let gradients =
                        Matrix::strided(gradients, gradients.len() / stride, width, stride);
                    let factors = Matrix::strided(&factors, inputs, width, stride).transpose();
                    multiply_strided(
                        &mut sum[offset.place * inputs..],
                        row,
                        gradients,
                        factors,
                        i > 0,
                    );
                });
            }
        }
        if window == 1 {
            return sums;
        }
        let mut dw = vec![T::zero(); sums.len()];
        each_chunk(&mut dw, row, &|i, dw| transpose(chunk(&sums, row, i), inputs, dw));
        dw
    }
}

/// Transposes a matrix with rows of `columns` entries.
fn transpose<T: Float>(from: &[T], columns: usize, to: &mut [T]) {
    let rows = from.len() / columns;
    for (i, from) in from.chunks(columns).enumerate() {
        to[i..].iter_mut().step_by(rows).zip(from).for_each(|(t, &f)| *t = f);
    }
}
