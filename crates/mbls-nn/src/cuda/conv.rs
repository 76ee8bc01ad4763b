//! Convolution by cuDNN.

use super::channels::add_bias;
use super::cudnn::{self, Pass, Problem};
use super::device::{Element, device, for_element, held, stored, tensor};
use super::precision::tf32_allowed;
use crate::layer::{ConvConfig, ConvDims};
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::cudnn::CudnnDataType;
use candle_core::{CpuStorage, CudaStorage, CustomOp2, DType, Layout, Result, Shape, Tensor, bail};
use std::ffi::c_int;

/// Cross-correlation of images or sequences with kernels, as [`portable::conv`](crate::portable::conv).
///
/// Half precision is multiplied by tensor cores and summed in `f32`; `f32` is rounded to TF32 only where
/// [`allow_tf32`](super::allow_tf32) says so.
///
/// # Shapes
///
/// `x` `[N, C, H, W]`, `weight` `[O, C / groups, kh, kw]`, `bias` `[O]`; the result `[N, O, H', W']`. In one dimension `[N, C, L]`,
/// `[O, C / groups, k]`, `[O]` and `[N, O, L']`.
///
/// # Errors
///
/// Where the shapes or types do not fit, the input is empty, a tensor has more than 2^31 - 1 entries, or cuDNN has no
/// deterministic algorithm for the sizes.
pub fn conv<const D: usize>(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &ConvConfig<D>,
) -> Result<Tensor> {
    let dims = ConvDims::new(x, weight, bias, config)?;
    let Some(problem) = problem(&dims, x.dtype())? else {
        let (x, weight) = (x.shape(), weight.shape());
        bail!(
            "convolution of input of shape {x:?} and weight of shape {weight:?}: cuDNN takes at most 2^31 - 1 entries"
        );
    };
    let op = Convolution { problem, shape: Shape::from(dims.out_shape::<D>()) };
    let y = x.contiguous()?.apply_op2(&weight.contiguous()?, op)?;
    match bias {
        Some(bias) => add_bias(&y, bias),
        None => Ok(y),
    }
}

/// None where a tensor is too large for cuDNN.
fn problem(d: &ConvDims, dtype: DType) -> Result<Option<Problem>> {
    fn fitting<const N: usize>(sizes: [usize; N]) -> Option<[c_int; N]> {
        let mut fitting = [0; N];
        for (to, from) in fitting.iter_mut().zip(sizes) {
            *to = c_int::try_from(from).ok()?;
        }
        Some(fitting)
    }
    let tensor = |sizes: [usize; 4]| {
        let entries = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size))?;
        c_int::try_from(entries).ok()?;
        fitting(sizes)
    };
    let (rows, columns) = (d.rows, d.columns);
    let (stored, compute) =
        for_element!(dtype, T => (T::DATA_TYPE, <<T as Element>::Compute as CudnnDataType>::DATA_TYPE));
    let problem = || {
        Some(Problem {
            stored,
            compute,
            x: tensor([d.images, d.in_channels, d.height, d.width])?,
            weight: tensor([d.out_channels, d.in_channels / d.groups, rows.kernel, columns.kernel])?,
            y: tensor([d.images, d.out_channels, d.out_height, d.out_width])?,
            padding: fitting([rows.padding, columns.padding])?,
            stride: fitting([rows.stride, columns.stride])?,
            dilation: fitting([rows.dilation, columns.dilation])?,
            groups: c_int::try_from(d.groups).ok()?,
            tf32: tf32_allowed(),
        })
    };
    Ok(problem())
}

struct Convolution {
    problem: Problem,
    shape: Shape,
}

impl Convolution {
    fn gradient<T: Element>(&self, pass: Pass, a: &Tensor, b: &Tensor, like: &Tensor) -> Result<Tensor> {
        let (device, tensors_held) = (device(a)?, (a.storage_and_layout(), b.storage_and_layout()));
        let (first, second) = (held::<T>(&tensors_held.0)?, held::<T>(&tensors_held.1)?);
        Ok(tensor(cudnn::run(device, &self.problem, pass, [&first, &second])?, device, like.shape()))
    }
}

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("convolution: the CUDA operation of a tensor on the CPU")
    }

    fn cuda_fwd(&self, x: &CudaStorage, lx: &Layout, w: &CudaStorage, lw: &Layout) -> Result<(CudaStorage, Shape)> {
        let y = for_element!(x.dtype(), T => {
            let inputs = [&stored::<T>(x, lx)?, &stored::<T>(w, lw)?];
            CudaStorage::wrap_cuda_slice(cudnn::run(&x.device, &self.problem, Pass::Forward, inputs)?, x.device.clone())
        });
        Ok((y, self.shape.clone()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = grad.contiguous()?;
        for_element!(x.dtype(), T => {
            let dx = match x.track_op() {
                true => Some(self.gradient::<T>(Pass::Data, w, &dy, x)?),
                false => None,
            };
            let dw = match w.track_op() {
                true => Some(self.gradient::<T>(Pass::Filter, x, &dy, w)?),
                false => None,
            };
            Ok((dx, dw))
        })
    }
}
