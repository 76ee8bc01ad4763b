//! Convolution with cuDNN.

use super::channels::add_bias;
use super::cudnn::{self, Pass, Problem};
use super::device::{Element, device, device_of, for_element, held, storage, stored, tensor};
use super::precision::tf32_allowed;
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::shape::ConvDims;
use candle_core::cuda_backend::cudarc::cudnn::CudnnDataType;
use candle_core::{DType, Result, Shape, Storage, Tensor, bail};
use std::ffi::c_int;

/// Half precision is multiplied by tensor cores and summed in `f32`. `f32` is rounded to TF32 only
/// if [`allow_tf32`](super::allow_tf32) is set.
pub(crate) fn conv(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    dims: ConvDims,
) -> Result<Tensor> {
    let Some(problem) = problem(&dims, x.dtype())? else {
        let (x, weight) = (x.shape(), weight.shape());
        bail!(
            "convolution of input of shape {x:?} and weight of shape {weight:?}: cuDNN supports at most 2^31 - 1 entries"
        );
    };
    let op = Convolution { problem, shape: Shape::from(dims.out_shape()) };
    let keep = Keep { inputs: [true, true], result: false };
    let y = graph::apply(op, [&x.contiguous()?, &weight.contiguous()?], keep)?;
    match bias {
        Some(bias) => add_bias(&y, bias),
        None => Ok(y),
    }
}

/// Returns `None` if a tensor is too large for cuDNN.
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
    let (stored, compute) = for_element!(dtype, T => (T::DATA_TYPE, <<T as Element>::Compute as CudnnDataType>::DATA_TYPE));
    let problem = || {
        Some(Problem {
            stored,
            compute,
            x: tensor([d.images, d.in_channels, d.height, d.width])?,
            weight: tensor([
                d.out_channels,
                d.in_channels / d.groups,
                rows.kernel,
                columns.kernel,
            ])?,
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
    fn gradient<T: Element>(
        &self,
        pass: Pass,
        a: &Tensor,
        b: &Tensor,
        like: &Tensor,
    ) -> Result<Tensor> {
        let (device, tensors_held) = (device(a)?, (a.storage_and_layout(), b.storage_and_layout()));
        let (first, second) = (held::<T>(&tensors_held.0)?, held::<T>(&tensors_held.1)?);
        Ok(tensor(
            cudnn::run(device, &self.problem, pass, [&first, &second])?,
            device,
            like.shape(),
        ))
    }
}

impl Operation for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let device = device_of(&inputs[0])?;
        let y = for_element!(inputs[0].storage.dtype(), T => {
            let inputs = [&stored::<T>(&inputs[0])?, &stored::<T>(&inputs[1])?];
            storage(cudnn::run(device, &self.problem, Pass::Forward, inputs)?, device)
        });
        Ok((y, self.shape.clone()))
    }

    fn backward(&self, inputs: &[&Tensor], _result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (x, w, dy) = (inputs[0], inputs[1], grad.contiguous()?);
        for_element!(x.dtype(), T => {
            let dx = if x.track_op() { Some(self.gradient::<T>(Pass::Data, w, &dy, x)?) } else { None };
            let dw = if w.track_op() { Some(self.gradient::<T>(Pass::Filter, x, &dy, w)?) } else { None };
            Ok(vec![dx, dw])
        })
    }
}
