//! A convolution of a few images as matrix products.

use crate::cpu::kernel::columns::{Grid, gather, scatter_add};
use crate::cpu::kernel::matrix::{GAP, Matrix, multiply, multiply_strided};
use crate::cpu::values::Float;
use crate::shape::Window;
use std::ops::Range;

/// Number of entries of a column matrix: small enough for the second-level cache and for few memory
/// pages.
const COLUMN_ENTRIES: usize = 1 << 16;

/// Minimum number of positions for an efficient product.
pub(super) const POSITIONS: usize = 256;

/// Memory shared by the products of one task.
pub(super) struct Scratch<T> {
    columns: Vec<T>,
    packed: Vec<T>,
    product: Vec<T>,
}

impl<T> Scratch<T> {
    pub(super) fn new() -> Self {
        Self { columns: Vec::new(), packed: Vec::new(), product: Vec::new() }
    }
}

/// The map from windows of one set of images to another: `out[g] = weight[g] windows(in[g])` for
/// each group of channels.
///
/// Windows are gathered for one tile at a time: several small images, one image, or some lines of a
/// large one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) groups: usize,
    /// Number of input channels per group.
    pub(super) inputs: usize,
    /// Number of output channels per group.
    pub(super) outputs: usize,
    pub(super) grid: Grid,
}

impl Plan {
    /// Returns the convolution that maps the gradient of the result to that of the input, with
    /// flipped and transposed kernels. It exists at stride 1 if the padding does not exceed the
    /// extent of the kernel.
    ///
    /// The windows also serve for the gradient of the weight, and nothing has to be scattered.
    pub(super) fn adjoint(&self) -> Option<Self> {
        let &Plan { groups, inputs, outputs, grid } = self;
        let turn = |w: &Window| {
            let padding = ((w.kernel - 1) * w.dilation).checked_sub(w.padding)?;
            (w.stride == 1).then_some(Window { padding, ..*w })
        };
        let grid = Grid {
            height: grid.out_height,
            width: grid.out_width,
            out_height: grid.height,
            out_width: grid.width,
            rows: turn(&grid.rows)?,
            columns: turn(&grid.columns)?,
        };
        Some(Plan { groups, inputs: outputs, outputs: inputs, grid })
    }

    /// Returns the number of entries of one input image.
    pub(super) fn in_image(&self) -> usize {
        self.groups * self.inputs * self.grid.plane()
    }

    /// Returns the number of entries of one output image.
    pub(super) fn out_image(&self) -> usize {
        self.groups * self.outputs * self.grid.positions()
    }

    /// Returns the number of rows of a column matrix.
    pub(super) fn depth(&self) -> usize {
        self.inputs * self.grid.window()
    }

    /// Returns the number of weights of one group.
    pub(super) fn weights(&self) -> usize {
        self.outputs * self.depth()
    }

    /// Returns the number of images whose columns form one matrix: several if a single one would
    /// make the product too small.
    pub(super) fn tile(&self) -> usize {
        // Without copies, enough positions for a product; one image may have them.
        let wanted = if self.grid.is_identity() { POSITIONS } else { self.wanted() };
        (wanted / self.grid.positions()).max(1)
    }

    /// Returns the number of positions whose columns should form one matrix.
    fn wanted(&self) -> usize {
        (COLUMN_ENTRIES / self.depth()).max(POSITIONS)
    }

    /// Returns consecutive ranges of output lines; the columns of each range form one matrix.
    fn parts(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let height = self.grid.out_height;
        let lines = if self.grid.is_identity() {
            height
        } else {
            (self.wanted() / self.grid.out_width).clamp(1, height)
        };
        (0..height).step_by(lines).map(move |start| start..(start + lines).min(height))
    }

    /// Computes `y <- weight windows(x)` for a tile of images.
    pub(super) fn forward<T: Float>(
        &self,
        x: &[T],
        weight: &[T],
        y: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        self.forward_and_correlate(x, (weight, y), (&[], &mut []), scratch);
    }

    /// Computes `y <- weight windows(x)` and `dw <- dw + other windows(x)^T`, each if needed.
    /// `other` has the shape of `y`, and `dw` has the order that [`straighten`](Self::straighten)
    /// converts to that of the weight.
    pub(super) fn forward_and_correlate<T: Float>(
        &self,
        x: &[T],
        (weight, y): (&[T], &mut [T]),
        (other, dw): (&[T], &mut [T]),
        scratch: &mut Scratch<T>,
    ) {
        for g in 0..self.groups {
            for lines in self.parts() {
                let Scratch { columns, packed, product } = &mut *scratch;
                let columns = self.columns(x, g, &lines, columns);
                if !y.is_empty() {
                    self.apply(columns, group(weight, g, self.weights()), y, g, &lines, product);
                }
                if !dw.is_empty() {
                    self.correlate(columns, self.pack(other, g, &lines, packed), dw, g);
                }
            }
        }
    }

    /// Computes `dw <- dw + dy windows(x)^T` and `dx <- dx + windows^T(weight^T dy)`, each if
    /// needed. `dw` has the order that [`straighten`](Self::straighten) converts to that of the
    /// weight.
    pub(super) fn backward<T: Float>(
        &self,
        (x, dw): (&[T], &mut [T]),
        (weight, dx): (&[T], &mut [T]),
        dy: &[T],
        scratch: &mut Scratch<T>,
    ) {
        for g in 0..self.groups {
            let weight = Matrix::new(group(weight, g, self.weights()), self.outputs, self.depth())
                .transpose();
            for lines in self.parts() {
                let Scratch { columns, packed, .. } = &mut *scratch;
                let dy = self.pack(dy, g, &lines, packed);
                if !dw.is_empty() {
                    self.correlate(self.columns(x, g, &lines, columns), dy, dw, g);
                }
                if dx.is_empty() {
                    continue;
                }
                let stride = dy.columns() + GAP;
                columns.resize(self.depth() * stride, T::zero());
                multiply_strided(columns, stride, weight, dy, false);
                for (i, image) in dx.chunks_mut(self.in_image()).enumerate() {
                    let image = group_mut(image, g, self.inputs * self.grid.plane());
                    let place = (stride, i * lines.len() * self.grid.out_width);
                    scatter_add(columns, place, image, self.inputs, &self.grid, &lines);
                }
            }
        }
    }

    /// Returns the windows of group `g` of a tile as columns `[depth, images * positions]`.
    fn columns<'a, T: Float>(
        &self,
        x: &'a [T],
        g: usize,
        lines: &Range<usize>,
        buffer: &'a mut Vec<T>,
    ) -> Matrix<'a, T> {
        let size = self.inputs * self.grid.plane();
        if self.grid.is_identity() && x.len() == self.in_image() {
            return Matrix::new(group(x, g, size), self.depth(), self.grid.positions());
        }
        let positions = lines.len() * self.grid.out_width;
        let width = x.len() / self.in_image() * positions;
        let stride = width + GAP;
        buffer.resize(self.depth() * stride, T::zero());
        for (i, image) in x.chunks(self.in_image()).enumerate() {
            let place = (stride, i * positions);
            gather(group(image, g, size), self.inputs, &self.grid, lines, buffer, place);
        }
        Matrix::strided(buffer, self.depth(), width, stride)
    }

    fn apply<T: Float>(
        &self,
        columns: Matrix<T>,
        weight: &[T],
        y: &mut [T],
        g: usize,
        lines: &Range<usize>,
        product: &mut Vec<T>,
    ) {
        let all = self.grid.positions();
        let (start, positions) =
            (lines.start * self.grid.out_width, lines.len() * self.grid.out_width);
        let weight = Matrix::new(weight, self.outputs, self.depth());
        if columns.columns() == positions {
            let image = group_mut(y, g, self.outputs * all);
            return multiply_strided(&mut image[start..], all, weight, columns, false);
        }
        product.resize(self.outputs * columns.columns(), T::zero());
        multiply(product, weight, columns, false);
        for (i, image) in y.chunks_mut(self.out_image()).enumerate() {
            let image = group_mut(image, g, self.outputs * all);
            for (to, from) in image.chunks_mut(all).zip(product.chunks(columns.columns())) {
                to[start..][..positions].copy_from_slice(&from[i * positions..][..positions]);
            }
        }
    }

    /// Returns whether weight gradients are summed as `[depth, outputs]`.
    ///
    /// Both factors run along the positions, so one of them has to be transposed for the product.
    /// That is the smaller one, which is the second factor of a row-major product.
    fn is_turned(&self) -> bool {
        self.outputs <= self.depth()
    }

    fn correlate<T: Float>(&self, columns: Matrix<T>, packed: Matrix<T>, dw: &mut [T], g: usize) {
        let dw = group_mut(dw, g, self.weights());
        if self.is_turned() {
            multiply(dw, columns, packed.transpose(), true);
        } else {
            multiply(dw, packed, columns.transpose(), true);
        }
    }

    /// Converts a sum of [`correlate`](Self::correlate)d gradients to the weight's order.
    pub(super) fn straighten<T: Float>(&self, dw: Vec<T>) -> Vec<T> {
        if !self.is_turned() {
            return dw;
        }
        let mut weight = vec![T::zero(); dw.len()];
        for (from, to) in dw.chunks(self.weights()).zip(weight.chunks_mut(self.weights())) {
            for (o, line) in to.chunks_mut(self.depth()).enumerate() {
                line.iter_mut()
                    .zip(from[o..].iter().step_by(self.outputs))
                    .for_each(|(to, &from)| *to = from);
            }
        }
        weight
    }

    /// Returns group `g` of a tile of output images as one matrix `[outputs, images * positions]`.
    fn pack<'a, T: Float>(
        &self,
        y: &'a [T],
        g: usize,
        lines: &Range<usize>,
        buffer: &'a mut Vec<T>,
    ) -> Matrix<'a, T> {
        let all = self.grid.positions();
        let (start, positions) =
            (lines.start * self.grid.out_width, lines.len() * self.grid.out_width);
        let width = y.len() / self.out_image() * positions;
        if width == positions {
            return Matrix::strided(
                &group(y, g, self.outputs * all)[start..],
                self.outputs,
                width,
                all,
            );
        }
        buffer.resize(self.outputs * width, T::zero());
        for (i, image) in y.chunks(self.out_image()).enumerate() {
            let image = group(image, g, self.outputs * all);
            for (from, to) in image.chunks(all).zip(buffer.chunks_mut(width)) {
                to[i * positions..][..positions].copy_from_slice(&from[start..][..positions]);
            }
        }
        Matrix::new(buffer, self.outputs, width)
    }
}

/// Swaps the input and output channels of the kernels of `plan` within their groups, and rotates
/// each kernel by 180 degrees.
pub(super) fn flip<T: Float>(weight: &[T], plan: &Plan) -> Vec<T> {
    let (inputs, outputs, window) = (plan.inputs, plan.outputs, plan.grid.window());
    let mut flipped = vec![T::zero(); weight.len()];
    for (from, to) in weight.chunks(plan.weights()).zip(flipped.chunks_mut(plan.weights())) {
        for (i, kernel) in from.chunks(window).enumerate() {
            let at = (i % inputs * outputs + i / inputs) * window;
            to[at..at + window].iter_mut().zip(kernel.iter().rev()).for_each(|(t, &k)| *t = k);
        }
    }
    flipped
}

pub(super) fn group<T>(values: &[T], g: usize, size: usize) -> &[T] {
    &values[g * size..][..size]
}

pub(super) fn group_mut<T>(values: &mut [T], g: usize, size: usize) -> &mut [T] {
    &mut values[g * size..][..size]
}
