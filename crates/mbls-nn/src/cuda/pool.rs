//! Pooling.

use super::channels::expect;
use super::device::{
    Element, device, device_of, for_element, held, kernel, spread, spread_warps, storage, stored,
    tensor,
};
use super::planes::{Sizes, upload};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::shape::{Planes, Spans, output_shape};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, PushKernelArg};
use candle_core::cuda_backend::{CudaDevice, WrapErr};
use candle_core::{Result, Shape, Storage, Tensor, bail};
use std::sync::{Arc, OnceLock};

pub(crate) fn max_pool(x: &Tensor, planes: Planes<Spans>) -> Result<Tensor> {
    Ok(maxima(x, planes)?.0)
}

pub(crate) fn max_pool_with_indices(x: &Tensor, planes: Planes<Spans>) -> Result<(Tensor, Tensor)> {
    with_indices(maxima(x, planes)?)
}

pub(crate) fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    graph::apply(
        GlobalMean { shape: [n, c], plane: h * w, input: x.shape().clone() },
        [&x.contiguous()?],
        KEEP,
    )
}

/// Neither inputs nor results are read again.
const KEEP: Keep<1> = Keep { inputs: [false], result: false };

/// The positions of the maxima, which the forward pass sets and the backward pass reads.
type Places = Arc<OnceLock<Tensor>>;

fn maxima(x: &Tensor, planes: Planes<Spans>) -> Result<(Tensor, Places)> {
    let shape = output_shape(x, planes.rows.output(), planes.columns.output());
    let places = Places::default();
    let op = Maxima { planes, shape, places: places.clone(), input: x.shape().clone() };
    Ok((graph::apply(op, [&x.contiguous()?], KEEP)?, places))
}

fn with_indices((y, places): (Tensor, Places)) -> Result<(Tensor, Tensor)> {
    Ok((y, filled(&places)?.clone()))
}

fn filled(places: &Places) -> Result<&Tensor> {
    match places.get() {
        Some(places) => Ok(places),
        None => bail!("max pool: the places of the maxima are not known before the forward pass"),
    }
}

struct Maxima {
    planes: Planes<Spans>,
    shape: Vec<usize>,
    places: Places,
    input: Shape,
}

impl Maxima {
    fn sizes(&self) -> Result<Sizes> {
        let (rows, columns) = (&self.planes.rows, &self.planes.columns);
        let planes = self.shape[0] * self.shape[1];
        Sizes::new(planes, [rows.input, columns.input], [rows.output(), columns.output()])
    }

    fn forward<T: Element>(
        &self,
        device: &CudaDevice,
        x: &CudaView<T>,
    ) -> Result<(CudaSlice<T>, CudaSlice<u32>)> {
        let (sizes, stream) = (self.sizes()?, device.cuda_stream());
        expect("max pool: input", x, sizes.inputs())?;
        let spans = |axis: &Spans| axis.spans.clone();
        let table = upload(
            device,
            &Planes { rows: spans(&self.planes.rows), columns: spans(&self.planes.columns) },
        )?;
        let count = sizes.outputs();
        // SAFETY: the kernel writes every number of both buffers.
        let (mut y, mut places) =
            unsafe { (device.alloc::<T>(count)?, device.alloc::<u32>(count)?) };
        let kernel = kernel::<T>(device, "maxima")?;
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(x).arg(&table).arg(&sizes).arg(&mut y).arg(&mut places);
        // SAFETY: the arguments match the kernel's parameters; spans are within the input and not
        // empty.
        unsafe { launch.launch(spread(count)) }.w()?;
        Ok((y, places))
    }

    fn backward<T: Element>(&self, grad: &Tensor) -> Result<CudaSlice<T>> {
        let (device, sizes, places) = (device(grad)?, self.sizes()?, filled(&self.places)?);
        let (grad_held, places_held) = (grad.storage_and_layout(), places.storage_and_layout());
        let (g, places) = (held::<T>(&grad_held)?, held::<u32>(&places_held)?);
        expect("max pool: gradient", &g, sizes.outputs())?;
        expect("max pool: places", &places, sizes.outputs())?;
        let table = upload(
            device,
            &Planes { rows: self.planes.rows.readers(), columns: self.planes.columns.readers() },
        )?;
        // SAFETY: the kernel writes every number.
        let mut dx = unsafe { device.alloc::<T>(sizes.inputs())? };
        let (kernel, stream) = (kernel::<T>(device, "maxima_backward")?, device.cuda_stream());
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(&g).arg(&places).arg(&table).arg(&sizes).arg(&mut dx);
        // SAFETY: the arguments match the kernel's parameters; readers are within the output.
        unsafe { launch.launch(spread(sizes.inputs())) }.w()?;
        Ok(dx)
    }
}

impl Operation for Maxima {
    fn name(&self) -> &'static str {
        "max pool"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let device = device_of(&inputs[0])?;
        let y = for_element!(inputs[0].storage.dtype(), T => {
            let (y, places) = self.forward(device, &stored::<T>(&inputs[0])?)?;
            // An operation runs forward once.
            self.places.get_or_init(|| tensor(places, device, self.shape.clone()));
            storage(y, device)
        });
        Ok((y, Shape::from(self.shape.clone())))
    }

    fn backward(&self, _inputs: &[&Tensor], _result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let grad = grad.contiguous()?;
        let dx = for_element!(grad.dtype(), T => tensor(self.backward::<T>(&grad)?, device(&grad)?, &self.input));
        Ok(vec![Some(dx)])
    }
}

struct GlobalMean {
    shape: [usize; 2],
    plane: usize,
    input: Shape,
}

impl GlobalMean {
    /// Computes the means or, with `backward`, each mean's share of the gradient for the entries of
    /// its plane.
    fn run<T: Element>(
        &self,
        device: &CudaDevice,
        x: &CudaView<T>,
        backward: bool,
    ) -> Result<CudaSlice<T>> {
        let planes = self.shape[0] * self.shape[1];
        let all = planes * self.plane;
        let (name, input, output, config) = if backward {
            ("plane_means_backward", planes, all, spread(all))
        } else {
            ("plane_means", all, planes, spread_warps(planes))
        };
        expect("global average pool: input", x, input)?;
        // SAFETY: the kernel writes every number.
        let mut y = unsafe { device.alloc::<T>(output)? };
        let (kernel, stream) = (kernel::<T>(device, name)?, device.cuda_stream());
        let (planes, plane) = (planes as u64, self.plane as u64);
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(x).arg(&planes).arg(&plane).arg(&mut y);
        // SAFETY: the arguments match the kernel's parameters, with buffers of the sizes that it
        // reads and writes.
        unsafe { launch.launch(config) }.w()?;
        Ok(y)
    }
}

impl Operation for GlobalMean {
    fn name(&self) -> &'static str {
        "global average pool"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let device = device_of(&inputs[0])?;
        let y = for_element!(inputs[0].storage.dtype(), T => {
            storage(self.run(device, &stored::<T>(&inputs[0])?, false)?, device)
        });
        Ok((y, Shape::from(self.shape.to_vec())))
    }

    fn backward(&self, _inputs: &[&Tensor], _result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (grad, device) = (grad.contiguous()?, device(grad)?);
        for_element!(grad.dtype(), T => {
            let grad_held = grad.storage_and_layout();
            Ok(vec![Some(tensor(self.run(device, &held::<T>(&grad_held)?, true)?, device, &self.input))])
        })
    }
}
