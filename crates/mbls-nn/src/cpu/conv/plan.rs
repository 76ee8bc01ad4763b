//! A convolution of a few images as matrix products.

use crate::cpu::kernel::columns::{Grid, gather, scatter_add};
use crate::cpu::kernel::matrix::{Matrix, multiply};
use crate::cpu::values::Float;

/// Entries of a column matrix that the second-level cache is meant to hold.
const COLUMN_ENTRIES: usize = 1 << 17;

/// Memory that the products of one task share.
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

/// How windows of one set of images map to another: `out[g] = weight[g] windows(in[g])` for each group of channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) groups: usize,
    /// Input channels per group.
    pub(super) inputs: usize,
    /// Output channels per group.
    pub(super) outputs: usize,
    pub(super) grid: Grid,
}

impl Plan {
    /// Entries of one input image.
    pub(super) fn in_image(&self) -> usize {
        self.groups * self.inputs * self.grid.plane()
    }

    /// Entries of one output image.
    pub(super) fn out_image(&self) -> usize {
        self.groups * self.outputs * self.grid.positions()
    }

    /// Rows of a column matrix.
    pub(super) fn depth(&self) -> usize {
        self.inputs * self.grid.window()
    }

    /// Weights of one group.
    pub(super) fn weights(&self) -> usize {
        self.outputs * self.depth()
    }

    /// The number of images whose columns form one matrix: several where a single one would make a product too small.
    pub(super) fn tile(&self) -> usize {
        match self.grid.is_identity() {
            true => 1,
            false => (COLUMN_ENTRIES / (self.depth() * self.grid.positions()).max(1)).max(1),
        }
    }

    /// `y <- weight windows(x)` for a tile of images.
    pub(super) fn forward<T: Float>(&self, x: &[T], weight: &[T], y: &mut [T], scratch: &mut Scratch<T>) {
        for g in 0..self.groups {
            let Scratch { columns, product, .. } = scratch;
            let columns = self.columns(x, g, columns);
            self.apply(columns, group(weight, g, self.weights()), y, g, product);
        }
    }

    /// `y <- weight windows(x)` and `dw <- dw + other windows(x)^T`, either where wanted; `other` is shaped as `y`, and `dw` is
    /// in the order that [`straighten`](Self::straighten) mends.
    pub(super) fn forward_and_correlate<T: Float>(
        &self,
        x: &[T],
        (weight, y): (&[T], &mut [T]),
        (other, dw): (&[T], &mut [T]),
        scratch: &mut Scratch<T>,
    ) {
        for g in 0..self.groups {
            let Scratch { columns, packed, product } = scratch;
            let columns = self.columns(x, g, columns);
            if !y.is_empty() {
                self.apply(columns, group(weight, g, self.weights()), y, g, product);
            }
            if !dw.is_empty() {
                self.correlate(columns, self.pack(other, g, packed), dw, g);
            }
        }
    }

    /// `dw <- dw + dy windows(x)^T` and `dx <- dx + windows^T(weight^T dy)`, either where wanted; `dw` is in the order that
    /// [`straighten`](Self::straighten) mends.
    pub(super) fn backward<T: Float>(
        &self,
        (x, dw): (&[T], &mut [T]),
        (weight, dx): (&[T], &mut [T]),
        dy: &[T],
        scratch: &mut Scratch<T>,
    ) {
        for g in 0..self.groups {
            let Scratch { columns, packed, .. } = scratch;
            let dy = self.pack(dy, g, packed);
            if !dw.is_empty() {
                self.correlate(self.columns(x, g, columns), dy, dw, g);
            }
            if dx.is_empty() {
                continue;
            }
            let width = dy.len() / self.outputs;
            columns.resize(self.depth() * width, T::zero());
            let weight = Matrix::new(group(weight, g, self.weights()), self.outputs, self.depth());
            multiply(columns, weight.transpose(), Matrix::new(dy, self.outputs, width), false);
            for (i, image) in dx.chunks_mut(self.in_image()).enumerate() {
                let image = group_mut(image, g, self.inputs * self.grid.plane());
                scatter_add(columns, width, i * self.grid.positions(), image, self.inputs, &self.grid);
            }
        }
    }

    /// The windows of group `g` of a tile as columns `[depth, images * positions]`.
    fn columns<'a, T: Float>(&self, x: &'a [T], g: usize, buffer: &'a mut Vec<T>) -> &'a [T] {
        let size = self.inputs * self.grid.plane();
        if self.grid.is_identity() {
            return group(x, g, size);
        }
        let width = x.len() / self.in_image() * self.grid.positions();
        buffer.resize(self.depth() * width, T::zero());
        for (i, image) in x.chunks(self.in_image()).enumerate() {
            gather(group(image, g, size), self.inputs, &self.grid, buffer, width, i * self.grid.positions());
        }
        buffer
    }

    fn apply<T: Float>(&self, columns: &[T], weight: &[T], y: &mut [T], g: usize, product: &mut Vec<T>) {
        let positions = self.grid.positions();
        let width = columns.len() / self.depth();
        let weight = Matrix::new(weight, self.outputs, self.depth());
        let columns = Matrix::new(columns, self.depth(), width);
        if width == positions {
            return multiply(group_mut(y, g, self.outputs * positions), weight, columns, false);
        }
        product.resize(self.outputs * width, T::zero());
        multiply(product, weight, columns, false);
        for (i, image) in y.chunks_mut(self.out_image()).enumerate() {
            let image = group_mut(image, g, self.outputs * positions);
            for (to, from) in image.chunks_mut(positions).zip(product.chunks(width)) {
                to.copy_from_slice(&from[i * positions..][..positions]);
            }
        }
    }

    /// Whether weight gradients are summed as `[depth, outputs]`.
    ///
    /// Both factors run along the positions, so one of them must be turned for the product: the smaller one, which is the
    /// second of a row-major product.
    fn is_turned(&self) -> bool {
        self.outputs <= self.depth()
    }

    fn correlate<T: Float>(&self, columns: &[T], packed: &[T], dw: &mut [T], g: usize) {
        let width = columns.len() / self.depth();
        let columns = Matrix::new(columns, self.depth(), width);
        let packed = Matrix::new(packed, self.outputs, width);
        let dw = group_mut(dw, g, self.weights());
        match self.is_turned() {
            true => multiply(dw, columns, packed.transpose(), true),
            false => multiply(dw, packed, columns.transpose(), true),
        }
    }

    /// Brings a sum of [`correlate`](Self::correlate)d gradients into the weight's order.
    pub(super) fn straighten<T: Float>(&self, dw: Vec<T>) -> Vec<T> {
        if !self.is_turned() {
            return dw;
        }
        let mut weight = vec![T::zero(); dw.len()];
        for (from, to) in dw.chunks(self.weights()).zip(weight.chunks_mut(self.weights())) {
            for (o, line) in to.chunks_mut(self.depth()).enumerate() {
                line.iter_mut().zip(from[o..].iter().step_by(self.outputs)).for_each(|(to, &from)| *to = from);
            }
        }
        weight
    }

    /// Group `g` of a tile of output images as one matrix `[outputs, images * positions]`.
    fn pack<'a, T: Float>(&self, y: &'a [T], g: usize, buffer: &'a mut Vec<T>) -> &'a [T] {
        let positions = self.grid.positions();
        let images = y.len() / self.out_image();
        if images == 1 {
            return group(y, g, self.outputs * positions);
        }
        buffer.resize(self.outputs * images * positions, T::zero());
        for (i, image) in y.chunks(self.out_image()).enumerate() {
            let image = group(image, g, self.outputs * positions);
            for (from, to) in image.chunks(positions).zip(buffer.chunks_mut(images * positions)) {
                to[i * positions..][..positions].copy_from_slice(from);
            }
        }
        buffer
    }
}

pub(super) fn group<T>(values: &[T], g: usize, size: usize) -> &[T] {
    &values[g * size..][..size]
}

fn group_mut<T>(values: &mut [T], g: usize, size: usize) -> &mut [T] {
    &mut values[g * size..][..size]
}
