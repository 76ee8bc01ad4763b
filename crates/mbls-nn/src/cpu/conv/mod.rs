//! Convolution as matrix products over gathered windows.

mod offsets;
mod plan;
mod winograd;

use super::kernel::columns::Grid;
use super::kernel::sum;
use super::values::{Float, dtype, for_float, held, narrow, storage, stored};
use crate::layer::{ConvConfig, ConvDims};
use crate::window::Window;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use offsets::Offsets;
use plan::{POSITIONS, Plan, Scratch};
use rayon::prelude::*;
use winograd::Winograd;

/// Tasks of one pass. Fixed, so that the order of all sums and with it the bits do not depend on the number of threads.
const BLOCKS: usize = 32;

/// Entries of the weight gradients that the tasks of one pass sum before they are added up; fewer tasks where that is more.
const SUMS: usize = 1 << 22;

/// Cross-correlation of images or sequences with kernels, as [`portable::conv`](crate::portable::conv).
///
/// # Shapes
///
/// `x` `[N, C, H, W]`, `weight` `[O, C / groups, kh, kw]`, `bias` `[O]`; the result `[N, O, H', W']`. In one dimension `[N, C, L]`,
/// `[O, C / groups, k]`, `[O]` and `[N, O, L']`.
///
/// # Errors
///
/// Where the shapes or types do not fit or the input is empty.
pub fn conv<const D: usize>(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &ConvConfig<D>,
) -> Result<Tensor> {
    let op = Convolution::<D>(ConvDims::new(x, weight, bias, config)?);
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    match bias {
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, op),
        None => x.apply_op2(&weight, op),
    }
}

struct Convolution<const D: usize>(ConvDims);

impl<const D: usize> Convolution<D> {
    fn plan(&self) -> Plan {
        let d = &self.0;
        let grid = Grid {
            height: d.height,
            width: d.width,
            out_height: d.out_height,
            out_width: d.out_width,
            rows: d.rows,
            columns: d.columns,
        };
        Plan { groups: d.groups, inputs: d.in_channels / d.groups, outputs: d.out_channels / d.groups, grid }
    }

    /// The convolution that maps the gradient of the result to that of the input, with flipped and transposed kernels: at
    /// stride 1, where the padding does not exceed the kernel's reach.
    ///
    /// Its windows serve the gradient of the weight too, and nothing need be scattered.
    fn adjoint(&self) -> Option<Plan> {
        let Plan { groups, inputs, outputs, grid } = self.plan();
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

    fn block(&self) -> usize {
        self.0.images.div_ceil(BLOCKS)
    }

    /// The images of a task that sums a weight gradient of its own.
    fn summing_block(&self) -> usize {
        let plan = self.plan();
        let blocks = (SUMS / (plan.groups * plan.weights())).clamp(BLOCKS / 4, BLOCKS);
        let enough = POSITIONS.div_ceil(plan.grid.positions()).min(self.0.images.div_ceil(BLOCKS / 8));
        self.0.images.div_ceil(blocks).max(enough)
    }

    fn out_shape(&self) -> Shape {
        Shape::from(self.0.out_shape::<D>())
    }

    fn forward<T: Float>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let plan = self.plan();
        if let Some(winograd) = Winograd::new(&plan) {
            return winograd.forward(x, weight, bias);
        }
        let (block, tile) = (self.block(), plan.tile());
        let (size, out_size) = (plan.in_image(), plan.out_image());
        let mut y = vec![T::zero(); self.0.images * out_size];
        if let Some(offsets) = Offsets::new(&plan) {
            if let Some(bias) = bias {
                y.chunks_mut(plan.grid.positions()).zip(bias.iter().cycle()).for_each(|(plane, &b)| plane.fill(b));
            }
            offsets.forward(x, weight, &mut y);
            return y;
        }
        let blocks = y.par_chunks_mut(block * out_size).zip(x.par_chunks(block * size));
        blocks.for_each_init(Scratch::new, |scratch, (y, x)| {
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

    /// The gradients of input and weight; an empty one where it is not wanted.
    fn backward<T: Float>(&self, x: &[T], weight: &[T], dy: &[T], want: (bool, bool)) -> (Vec<T>, Vec<T>) {
        let plan = self.plan();
        // Gathering the windows of `dy` replaces gathering those of `x` and scattering `dx`; whichever moves less.
        let adjoint = match want.0 && (plan.grid.is_identity() || plan.outputs <= 2 * plan.inputs) {
            true => self.adjoint(),
            false => None,
        };
        if let (Some(winograd), Some(turned)) = (Winograd::new(&plan), self.adjoint().as_ref().and_then(Winograd::new))
        {
            let dx = if want.0 { turned.forward(dy, &flip(weight, &plan), None) } else { Vec::new() };
            let dw = if want.1 { winograd.weight_gradient(x, dy) } else { Vec::new() };
            return (dx, dw);
        }
        if let Some(offsets) = Offsets::new(&plan) {
            let dx = if want.0 { offsets.input_gradient(weight, dy) } else { Vec::new() };
            let dw = if want.1 { offsets.weight_gradient(x, dy) } else { Vec::new() };
            return (dx, dw);
        }
        let flipped = match adjoint {
            Some(_) => flip(weight, &plan),
            None => Vec::new(),
        };
        let (block, tile) = (if want.1 { self.summing_block() } else { self.block() }, adjoint.unwrap_or(plan).tile());
        let (size, out_size) = (plan.in_image(), plan.out_image());
        let mut dx = vec![T::zero(); if want.0 { x.len() } else { 0 }];
        let mut dx_blocks: Vec<&mut [T]> = dx.chunks_mut(block * size).collect();
        dx_blocks.resize_with(self.0.images.div_ceil(block), Default::default);
        let blocks = dx_blocks.into_par_iter().zip(x.par_chunks(block * size)).zip(dy.par_chunks(block * out_size));
        let one = |scratch: &mut Scratch<T>, ((dx, x), dy): ((&mut [T], &[T]), &[T])| {
            let mut dw = vec![T::zero(); if want.1 { weight.len() } else { 0 }];
            let mut dx_tiles = dx.chunks_mut(tile * size);
            for (x, dy) in x.chunks(tile * size).zip(dy.chunks(tile * out_size)) {
                let dx = dx_tiles.next().unwrap_or_default();
                match adjoint {
                    Some(plan) => plan.forward_and_correlate(dy, (&flipped, dx), (x, &mut dw), scratch),
                    None => plan.backward((x, &mut dw), (weight, dx), dy, scratch),
                }
            }
            dw
        };
        let partial: Vec<Vec<T>> = blocks.map_init(Scratch::new, one).collect();
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

    fn gradients(&self, x: &Tensor, weight: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        for_float!(x.dtype(), T => {
            let held_tensors = (x.storage_and_layout(), weight.storage_and_layout(), dy.storage_and_layout());
            let (xs, weights, dys) =
                (held::<T>(&held_tensors.0)?, held::<T>(&held_tensors.1)?, held::<T>(&held_tensors.2)?);
            let want = (x.track_op(), weight.track_op());
            let (dx, dw) = self.backward(xs, weights, dys, want);
            let tensor = |wanted: bool, values, like: &Tensor| match wanted {
                true => Tensor::from_vec(values, like.shape(), like.device()).map(Some),
                false => Ok(None),
            };
            Ok((tensor(want.0, dx, x)?, tensor(want.1, dw, weight)?))
        })
    }

    fn bias_gradient(&self, dy: &Tensor) -> Result<Tensor> {
        for_float!(dy.dtype(), T => {
            let dy_held = dy.storage_and_layout();
            let sums = sum::per_channel(held::<T>(&dy_held)?, self.0.out_channels, self.plan().grid.positions());
            let values: Vec<T> = sums.into_iter().map(narrow::<T>).collect();
            Tensor::from_vec(values, self.0.out_channels, dy.device())
        })
    }
}

/// Swaps the input and output channels of the kernels of `plan` within their groups, and turns each kernel by 180 degrees.
fn flip<T: Float>(weight: &[T], plan: &Plan) -> Vec<T> {
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

impl<const D: usize> CustomOp2 for Convolution<D> {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, w: &CpuStorage, lw: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = for_float!(dtype(x), T => {
            storage::<T>(self.forward::<T>(stored(x, lx)?, stored(w, lw)?, None))
        });
        Ok((y, self.out_shape()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.gradients(x, w, &grad.contiguous()?)
    }
}

impl<const D: usize> CustomOp3 for Convolution<D> {
    fn name(&self) -> &'static str {
        "convolution with bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let y = for_float!(dtype(x), T => {
            storage::<T>(self.forward::<T>(stored(x, lx)?, stored(w, lw)?, Some(stored(b, lb)?)))
        });
        Ok((y, self.out_shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _b: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (dx, dw) = self.gradients(x, w, &grad)?;
        Ok((dx, dw, Some(self.bias_gradient(&grad)?)))
    }
}
