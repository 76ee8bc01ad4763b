//! Pooling, plane by plane.

use super::kernel::sum;
use super::values::{Float, dtype, for_float, held, storage, stored};
use crate::layer::{PoolDims, PoolSize};
use crate::window::image_dims;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// As [`portable::max_pool2d`](crate::portable::max_pool2d).
///
/// # Shapes
///
/// `x` `[N, C, H, W]`; the result `[N, C, H', W']`.
///
/// # Errors
///
/// Where the window does not fit, the padding exceeds half of it, or the input is empty.
pub fn max_pool2d(x: &Tensor, size: PoolSize) -> Result<Tensor> {
    let dims = PoolDims::new(x, size, "max pool")?;
    x.contiguous()?.apply_op1(Pool { dims, kind: Kind::Max })
}

/// As [`portable::avg_pool2d`](crate::portable::avg_pool2d).
///
/// # Shapes
///
/// `x` `[N, C, H, W]`; the result `[N, C, H', W']`.
///
/// # Errors
///
/// Where the window does not fit, the padding exceeds half of it, or the input is empty.
pub fn avg_pool2d(x: &Tensor, size: PoolSize) -> Result<Tensor> {
    let dims = PoolDims::new(x, size, "average pool")?;
    x.contiguous()?.apply_op1(Pool { dims, kind: Kind::Average })
}

/// The mean over all positions.
///
/// # Shapes
///
/// `x` `[N, C, H, W]`; the result `[N, C]`.
///
/// # Errors
///
/// Where the input is empty or has other than four dimensions.
pub fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = image_dims(x, "global average pool")?;
    x.contiguous()?.apply_op1(GlobalMean { shape: [n, c], plane: h * w })
}

#[derive(Clone, Copy)]
enum Kind {
    Max,
    Average,
}

struct Pool {
    dims: PoolDims,
    kind: Kind,
}

impl Pool {
    /// Calls `visit(output index, input row range, input column range)` for every window of a plane.
    fn windows(&self, mut visit: impl FnMut(usize, std::ops::Range<usize>, std::ops::Range<usize>)) {
        let d = &self.dims;
        let range = |o: usize, size: usize| {
            let start = o * d.window.stride;
            let end = (start + d.window.kernel).saturating_sub(d.window.padding).min(size);
            start.saturating_sub(d.window.padding)..end
        };
        for y in 0..d.out_height {
            for x in 0..d.out_width {
                visit(y * d.out_width + x, range(y, d.height), range(x, d.width));
            }
        }
    }

    /// The place of a window's first maximum, or of its last NaN.
    fn argmax<T: Float>(&self, plane: &[T], ys: std::ops::Range<usize>, xs: std::ops::Range<usize>) -> usize {
        let mut best = ys.start * self.dims.width + xs.start;
        for y in ys {
            for x in xs.clone() {
                let at = y * self.dims.width + x;
                let is_nan = plane[at].partial_cmp(&plane[at]).is_none();
                if plane[at] > plane[best] || is_nan {
                    best = at;
                }
            }
        }
        best
    }

    fn divisor<T: Float>(&self) -> T {
        T::from_f64((self.dims.window.kernel * self.dims.window.kernel) as f64)
    }

    fn forward<T: Float>(&self, x: &[T]) -> Vec<T> {
        let d = &self.dims;
        let (plane, positions) = (d.height * d.width, d.out_height * d.out_width);
        let mut y = vec![T::zero(); d.planes * positions];
        y.par_chunks_mut(positions).zip(x.par_chunks(plane)).for_each(|(y, x)| {
            self.windows(|at, ys, xs| {
                y[at] = match self.kind {
                    Kind::Max => x[self.argmax(x, ys, xs)],
                    Kind::Average => {
                        let mut sum = T::zero();
                        for row in ys {
                            x[row * d.width..][xs.clone()].iter().for_each(|&v| sum += v);
                        }
                        sum / self.divisor()
                    }
                };
            });
        });
        y
    }

    fn backward<T: Float>(&self, x: &[T], grad: &[T]) -> Vec<T> {
        let d = &self.dims;
        let (plane, positions) = (d.height * d.width, d.out_height * d.out_width);
        let mut dx = vec![T::zero(); d.planes * plane];
        let planes = dx.par_chunks_mut(plane).zip(x.par_chunks(plane)).zip(grad.par_chunks(positions));
        planes.for_each(|((dx, x), grad)| {
            self.windows(|at, ys, xs| match self.kind {
                Kind::Max => dx[self.argmax(x, ys, xs)] += grad[at],
                Kind::Average => {
                    let share = grad[at] / self.divisor();
                    for row in ys {
                        dx[row * d.width..][xs.clone()].iter_mut().for_each(|v| *v += share);
                    }
                }
            });
        });
        dx
    }
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Max => "max pool",
            Kind::Average => "average pool",
        }
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = for_float!(dtype(x), T => storage::<T>(self.forward::<T>(stored(x, layout)?)));
        Ok((y, Shape::from(self.dims.shape.to_vec())))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        for_float!(x.dtype(), T => {
            let (x_held, grad_held) = (x.storage_and_layout(), grad.storage_and_layout());
            let dx = self.backward(held::<T>(&x_held)?, held::<T>(&grad_held)?);
            Tensor::from_vec(dx, x.shape(), x.device()).map(Some)
        })
    }
}

struct GlobalMean {
    shape: [usize; 2],
    plane: usize,
}

impl GlobalMean {
    fn forward<T: Float>(&self, x: &[T]) -> Vec<T> {
        x.par_chunks(self.plane).map(|plane| T::from_f64(sum::sum(plane) / self.plane as f64)).collect()
    }

    fn backward<T: Float>(&self, grad: &[T]) -> Vec<T> {
        let divisor = T::from_f64(self.plane as f64);
        let mut dx = vec![T::zero(); grad.len() * self.plane];
        dx.par_chunks_mut(self.plane).zip(grad).for_each(|(dx, &g)| dx.fill(g / divisor));
        dx
    }
}

impl CustomOp1 for GlobalMean {
    fn name(&self) -> &'static str {
        "global average pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = for_float!(dtype(x), T => storage::<T>(self.forward::<T>(stored(x, layout)?)));
        Ok((y, Shape::from(self.shape.to_vec())))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        for_float!(x.dtype(), T => {
            let grad_held = grad.storage_and_layout();
            Tensor::from_vec(self.backward(held::<T>(&grad_held)?), x.shape(), x.device()).map(Some)
        })
    }
}
