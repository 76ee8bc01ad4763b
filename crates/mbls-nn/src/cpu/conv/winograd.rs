//! A convolution with 3x3 kernels at stride 1 by Winograd's minimal filtering.
//!
//! The images are divided into tiles of 2x2 outputs. For several lines of tiles at a time, the
//! tiles of every channel are transformed, 16 products of matrices `[channels, channels]` and
//! `[channels, tiles]` are computed, and their results are transformed back. Each step is
//! distributed by channels, products or planes, so no sum is ever split between threads.

use super::plan::{Plan, group};
use crate::cpu::kernel::matrix::{GAP, Matrix, multiply_strided};
use crate::cpu::kernel::winograd::{self, Halves, PRODUCTS, Split, Tiles};
use crate::cpu::values::{Float, chunk};
use crate::parallel::{each_chunk, map_tasks_with};
use std::ops::Range;

/// Number of matrix entries that are created at once: few enough for the caches, enough for
/// products worth distributing.
const ENTRIES: usize = 1 << 20;

/// Minimum number of tiles that are processed at once, even if there are more entries: smaller
/// products would be slow.
const TILES: usize = 128;

/// Minimum number of channels on either side for which the saved products outweigh the transforms.
const CHANNELS: usize = 24;

pub(super) struct Winograd {
    plan: Plan,
    rows: Tiles,
    columns: Tiles,
}

/// Writes the transformed tiles of some lines, starting at an entry.
type Transform<T, const LINES: usize> =
    fn([&Halves<T>; LINES], &Split, &mut [&mut [T]; PRODUCTS], usize);

/// The planes whose lines of tiles are transformed.
struct Source<'a, T, const LINES: usize> {
    values: &'a [T],
    /// Number of channels of an image.
    channels: usize,
    height: usize,
    width: usize,
    /// Number of zeros above and left of a plane.
    padding: (usize, usize),
    transform: Transform<T, LINES>,
}

impl Winograd {
    /// Returns Winograd's algorithm for `plan`, if it applies and pays off.
    pub(super) fn new(plan: &Plan) -> Option<Self> {
        if plan.inputs.min(plan.outputs) < CHANNELS {
            return None;
        }
        let form = Self::of(plan)?;
        // Tiles that extend beyond the plane do needless work.
        let products = PRODUCTS * form.rows.len() * form.columns.len();
        (3 * products <= 2 * plan.grid.window() * plan.grid.positions()).then_some(form)
    }

    /// Returns Winograd's algorithm for `plan`, if it applies.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let grid = &plan.grid;
        let rows = Tiles::new(grid.out_height, grid.rows.dilation);
        let columns = Tiles::new(grid.out_width, grid.columns.dilation);
        let fits = [&grid.rows, &grid.columns].iter().all(|w| w.kernel == 3 && w.stride == 1);
        fits.then_some(Self { plan: *plan, rows, columns })
    }

    /// Returns ranges of lines of tiles that are processed at once.
    fn chunks(&self, images: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let total = images * self.rows.len();
        let line = PRODUCTS * (self.plan.inputs + self.plan.outputs) * self.columns.len();
        let lines = (ENTRIES / line).max(TILES / self.columns.len()).clamp(1, total);
        // Chunks of about the same size.
        let lines = total.div_ceil(total.div_ceil(lines));
        (0..total).step_by(lines).map(move |start| start..(start + lines).min(total))
    }

    /// Returns the row stride of a matrix of the largest chunk.
    fn stride(&self, images: usize) -> usize {
        self.chunks(images).next().map_or(0, |range| range.len()) * self.columns.len() + GAP
    }

    fn source<'a, T: Float>(&self, x: &'a [T]) -> Source<'a, T, 4> {
        let Plan { groups, inputs, grid, .. } = &self.plan;
        Source {
            values: x,
            channels: groups * inputs,
            height: grid.height,
            width: grid.width,
            padding: (grid.rows.padding, grid.columns.padding),
            transform: winograd::inputs,
        }
    }

    fn gradient_source<'a, T: Float>(&self, dy: &'a [T]) -> Source<'a, T, 2> {
        let Plan { groups, outputs, grid, .. } = &self.plan;
        Source {
            values: dy,
            channels: groups * outputs,
            height: grid.out_height,
            width: grid.out_width,
            padding: (0, 0),
            transform: winograd::gradients,
        }
    }

    /// Transforms the tiles of some channels. `out` is `[PRODUCTS, channels, tiles]` with row
    /// stride `stride`.
    fn tiles<T: Float, const LINES: usize>(
        &self,
        source: &Source<T, LINES>,
        channels: Range<usize>,
        range: &Range<usize>,
        out: &mut [T],
        stride: usize,
    ) {
        let starts = self.rows.starts();
        let dilation = self.plan.grid.rows.dilation;
        let split = self.columns.split(source.width, source.padding.1);
        let plane = source.height * source.width;
        let rows = by_row(out, channels.len(), stride);
        map_tasks_with(rows, &|| (), &|(), i, mut out| {
            let channel = channels.start + i;
            let mut lines: [Halves<T>; LINES] = std::array::from_fn(|_| Halves::new(&split));
            let mut next = None;
            for (i, line) in range.clone().enumerate() {
                let (image, start) = (line / starts.len(), starts[line % starts.len()]);
                let values = &source.values[(image * source.channels + channel) * plane..][..plane];
                // A tile shares all but two lines with the one above it.
                let known = if next == Some((image, start)) { LINES - 2 } else { 0 };
                lines.rotate_left(if known > 0 { 2 } else { 0 });
                for (r, line) in lines.iter_mut().enumerate().skip(known) {
                    let at = (start + r * dilation)
                        .checked_sub(source.padding.0)
                        .filter(|&at| at < source.height);
                    match at {
                        Some(at) => winograd::read(
                            line,
                            &values[at * source.width..][..source.width],
                            &split,
                        ),
                        None => line.clear(),
                    }
                }
                next = Some((image, start + 2 * dilation));
                (source.transform)(lines.each_ref(), &split, &mut out, i * self.columns.len());
            }
        });
    }

    /// Returns the transformed kernels `[groups, PRODUCTS, outputs, inputs]`.
    fn kernels<T: Float>(&self, weight: &[T]) -> Vec<T> {
        let Plan { inputs, outputs, .. } = self.plan;
        let mut transformed =
            vec![T::zero(); self.plan.groups * PRODUCTS * matrix(outputs, inputs)];
        let groups = transformed
            .chunks_mut(PRODUCTS * matrix(outputs, inputs))
            .zip(weight.chunks(self.plan.weights()));
        for (to, from) in groups {
            map_tasks_with(by_row(to, outputs, inputs), &|| (), &|(), i, mut to| {
                for (c, g) in chunk(from, 9 * inputs, i).as_chunks::<9>().0.iter().enumerate() {
                    let values = winograd::kernel(std::array::from_fn(|i| {
                        std::array::from_fn(|j| g[3 * i + j])
                    }));
                    to.iter_mut()
                        .zip(values.as_flattened())
                        .for_each(|(row, &value)| row[c] = value);
                }
            });
        }
        transformed
    }

    /// Computes the convolution of `x`, with a bias.
    pub(super) fn forward<T: Float>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let Plan { groups, inputs, outputs, grid } = self.plan;
        let images = x.len() / self.plan.in_image();
        let stride = self.stride(images);
        let kernels = self.kernels(weight);
        let mut y = vec![T::zero(); images * self.plan.out_image()];
        let mut tiles = vec![T::zero(); PRODUCTS * matrix(inputs, stride)];
        let mut products = vec![T::zero(); PRODUCTS * matrix(outputs, stride)];
        for range in self.chunks(images) {
            let width = range.len() * self.columns.len();
            for g in 0..groups {
                self.tiles(
                    &self.source(x),
                    g * inputs..(g + 1) * inputs,
                    &range,
                    &mut tiles,
                    stride,
                );
                let kernels = group(&kernels, g, PRODUCTS * matrix(outputs, inputs));
                each_chunk(&mut products, matrix(outputs, stride), &|i, product| {
                    let tiles = Matrix::strided(
                        chunk(&tiles, matrix(inputs, stride), i),
                        inputs,
                        width,
                        stride,
                    );
                    let kernels =
                        Matrix::new(chunk(kernels, matrix(outputs, inputs), i), outputs, inputs);
                    multiply_strided(product, stride, kernels, tiles, false);
                });
                let (first, last) =
                    (range.start / self.rows.len(), (range.end - 1) / self.rows.len());
                let of_chunk =
                    &mut y[first * self.plan.out_image()..(last + 1) * self.plan.out_image()];
                each_chunk(of_chunk, grid.positions(), &|i, plane| {
                    let (image, channel) = (first + i / (groups * outputs), i % (groups * outputs));
                    if channel / outputs == g {
                        let bias = bias.map_or(T::zero(), |bias| bias[channel]);
                        self.write(
                            &products,
                            (stride, channel % outputs),
                            image,
                            &range,
                            plane,
                            bias,
                        );
                    }
                });
            }
        }
        y
    }

    /// Writes the part of one plane covered by the lines of tiles in `range`.
    fn write<T: Float>(
        &self,
        products: &[T],
        (stride, channel): (usize, usize),
        image: usize,
        range: &Range<usize>,
        plane: &mut [T],
        bias: T,
    ) {
        let starts = self.rows.starts();
        let split = self.columns.split(self.plan.grid.out_width, 0);
        let mut lines = [Halves::new(&split), Halves::new(&split)];
        let own = image * starts.len()..(image + 1) * starts.len();
        for line in own.start.max(range.start)..own.end.min(range.end) {
            let at = (line - range.start) * self.columns.len();
            let row = |k: usize| {
                &products[k * matrix(self.plan.outputs, stride) + channel * stride + at..]
            };
            winograd::outputs(std::array::from_fn(row), &split, &mut lines);
            let (width, dilation) = (self.plan.grid.out_width, self.plan.grid.rows.dilation);
            for (i, values) in lines.iter().enumerate() {
                let start = starts[line - own.start] + i * dilation;
                // The second line of the last tiles may be below the plane.
                if let Some(to) = plane.chunks_mut(width).nth(start) {
                    winograd::write(values, to, &split, bias);
                }
            }
        }
    }

    pub(super) fn weight_gradient<T: Float>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        let Plan { groups, inputs, outputs, .. } = self.plan;
        let images = x.len() / self.plan.in_image();
        let stride = self.stride(images);
        let mut sums = vec![T::zero(); groups * PRODUCTS * matrix(outputs, inputs)];
        let mut tiles = vec![T::zero(); PRODUCTS * matrix(inputs, stride)];
        let mut gradients = vec![T::zero(); PRODUCTS * matrix(outputs, stride)];
        for range in self.chunks(images) {
            let width = range.len() * self.columns.len();
            for (g, sums) in sums.chunks_mut(PRODUCTS * matrix(outputs, inputs)).enumerate() {
                self.tiles(
                    &self.source(x),
                    g * inputs..(g + 1) * inputs,
                    &range,
                    &mut tiles,
                    stride,
                );
                let channels = g * outputs..(g + 1) * outputs;
                self.tiles(&self.gradient_source(dy), channels, &range, &mut gradients, stride);
                each_chunk(sums, matrix(outputs, inputs), &|i, sum| {
                    let tiles = chunk(&tiles, matrix(inputs, stride), i);
                    let tiles = Matrix::strided(tiles, inputs, width, stride).transpose();
                    let gradients = chunk(&gradients, matrix(outputs, stride), i);
                    let gradients = Matrix::strided(gradients, outputs, width, stride);
                    multiply_strided(sum, inputs, gradients, tiles, range.start > 0);
                });
            }
        }
        let mut dw = vec![T::zero(); groups * self.plan.weights()];
        for (sums, dw) in
            sums.chunks(PRODUCTS * matrix(outputs, inputs)).zip(dw.chunks_mut(self.plan.weights()))
        {
            each_chunk(dw, 9 * inputs, &|o, dw| {
                for (c, dw) in dw.as_chunks_mut::<9>().0.iter_mut().enumerate() {
                    let at = |k: usize| sums[k * matrix(outputs, inputs) + o * inputs + c];
                    let sum = std::array::from_fn(|i| std::array::from_fn(|j| at(4 * i + j)));
                    dw.copy_from_slice(winograd::kernel_gradient(sum).as_flattened());
                }
            });
        }
        dw
    }
}

/// Returns the distance of consecutive matrices `[rows, stride]` in entries, which is also kept
/// from being a power of two.
fn matrix(rows: usize, stride: usize) -> usize {
    rows * stride + GAP
}

/// Returns, for each of `rows` rows, that row in all of the `PRODUCTS` matrices `[rows, stride]`.
fn by_row<T>(matrices: &mut [T], rows: usize, stride: usize) -> Vec<[&mut [T]; PRODUCTS]> {
    let mut matrices: Vec<_> =
        matrices.chunks_mut(matrix(rows, stride)).map(|matrix| matrix.chunks_mut(stride)).collect();
    (0..rows).map(|_| std::array::from_fn(|k| matrices[k].next().unwrap_or_default())).collect()
}
