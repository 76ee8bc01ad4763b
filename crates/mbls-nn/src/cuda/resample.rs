//! Weighted sums of neighbours along both axes: average pooling, bilinear and nearest-neighbour
//! interpolation.

use super::channels::expect;
use super::device::{
    Element, device, device_of, for_element, held, kernel, spread, storage, stored, tensor,
};
use super::planes::{Sizes, upload};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::shape::{Planes, Taps, output_shape};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, PushKernelArg};
use candle_core::cuda_backend::{CudaDevice, WrapErr};
use candle_core::{Result, Shape, Storage, Tensor, WithDType};

pub(crate) fn resample(x: &Tensor, planes: Planes<Taps>) -> Result<Tensor> {
    let shape = output_shape(x, planes.rows.output(), planes.columns.output());
    let op = Resample { planes, shape, input: x.shape().clone() };
    graph::apply(op, [&x.contiguous()?], Keep { inputs: [false], result: false })
}

struct Resample {
    planes: Planes<Taps>,
    shape: Vec<usize>,
    input: Shape,
}

impl Operation for Resample {
    fn name(&self) -> &'static str {
        "resample"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let device = device_of(&inputs[0])?;
        let y = for_element!(inputs[0].storage.dtype(), T => {
            storage(apply(device, &stored::<T>(&inputs[0])?, &self.planes)?, device)
        });
        Ok((y, Shape::from(self.shape.clone())))
    }

    fn backward(&self, _inputs: &[&Tensor], _result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (grad, device) = (grad.contiguous()?, device(grad)?);
        let transposed =
            Planes { rows: self.planes.rows.transpose(), columns: self.planes.columns.transpose() };
        for_element!(grad.dtype(), T => {
            let grad_held = grad.storage_and_layout();
            let dx = apply(device, &held::<T>(&grad_held)?, &transposed)?;
            Ok(vec![Some(tensor(dx, device, &self.input))])
        })
    }
}

/// Applies the map to each of the planes.
fn apply<T: Element>(
    device: &CudaDevice,
    x: &CudaView<T>,
    map: &Planes<Taps>,
) -> Result<CudaSlice<T>> {
    let (rows, columns) = (&map.rows, &map.columns);
    let planes = x.len() / (rows.input * columns.input);
    let sizes = Sizes::new(planes, [rows.input, columns.input], [rows.output(), columns.output()])?;
    expect("resample: input", x, sizes.inputs())?;
    let table = upload(device, &Planes { rows: rows.spans(), columns: columns.spans() })?;
    let (row_taps, row_weights) = weights::<T>(rows);
    let (column_taps, column_weights) = weights::<T>(columns);
    let weights = device.clone_htod(&[row_weights, column_weights].concat())?;
    // SAFETY: the kernel writes every number.
    let mut y = unsafe { device.alloc::<T>(sizes.outputs())? };
    let (kernel, stream) = (kernel::<T>(device, "resample")?, device.cuda_stream());
    let mut launch = stream.launch_builder(&kernel);
    launch
        .arg(x)
        .arg(&table)
        .arg(&weights)
        .arg(&row_taps)
        .arg(&column_taps)
        .arg(&sizes)
        .arg(&mut y);
    // SAFETY: the arguments match the kernel's parameters; ranges are within the input and no
    // longer than the weights of a position.
    unsafe { launch.launch(spread(sizes.outputs())) }.w()?;
    Ok(y)
}

/// Returns the largest number of weights per position, at least 1, and the weights padded to that
/// number.
fn weights<T: Element>(axis: &Taps) -> (u32, Vec<T::Compute>) {
    let most = axis.taps.iter().map(|(_, weights)| weights.len()).max().unwrap_or(0).max(1);
    let padded = axis.taps.iter().flat_map(|(_, weights)| {
        (0..most)
            .map(|k| T::Compute::from_f64(weights.get(k).copied().unwrap_or(0.0)))
            .collect::<Vec<_>>()
    });
    (most as u32, padded.collect())
}
