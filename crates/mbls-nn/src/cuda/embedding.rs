//! Table look-up by index.

use super::channels::expect;
use super::device::{
    Element, device, device_of, for_element, held, kernel, spread, storage, stored, tensor,
};
use crate::graph::{self, Gradients, Input, Keep, Operation};
use crate::shape::Lookup;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, PushKernelArg};
use candle_core::cuda_backend::{CudaDevice, WrapErr};
use candle_core::{Result, Shape, Storage, Tensor, bail};

pub(crate) fn embedding(weight: &Tensor, lookup: Lookup) -> Result<Tensor> {
    graph::apply(Rows(lookup), [&weight.contiguous()?], Keep { inputs: [true], result: false })
}

struct Rows(Lookup);

/// The positions that read each row, sorted by row.
struct Readers {
    rows: Vec<u32>,
    /// The start of each row's positions, and the end of the last row's.
    starts: Vec<u32>,
    order: Vec<u32>,
}

impl Readers {
    /// Keeps the order of equal indices, so that their gradients always add up in the same order.
    fn new(indices: &[u32], padding_idx: Option<u32>) -> Result<Self> {
        let Ok(count) = u32::try_from(indices.len()) else {
            bail!(
                "embedding: {} indices, expected at most 2^32 - 1 on a CUDA device",
                indices.len()
            );
        };
        let mut order: Vec<u32> =
            (0..count).filter(|&k| Some(indices[k as usize]) != padding_idx).collect();
        order.sort_by_key(|&k| indices[k as usize]);
        let (mut rows, mut starts) = (Vec::new(), Vec::new());
        for (at, &k) in (0u32..).zip(&order) {
            if rows.last() != Some(&indices[k as usize]) {
                rows.push(indices[k as usize]);
                starts.push(at);
            }
        }
        starts.push(order.len() as u32);
        Ok(Self { rows, starts, order })
    }
}

impl Rows {
    fn forward<T: Element>(
        &self,
        device: &CudaDevice,
        weight: &CudaView<T>,
        size: usize,
    ) -> Result<CudaSlice<T>> {
        let count = self.0.indices.len();
        if count == 0 {
            // Empty allocations are not supported.
            return device.alloc_zeros::<T>(1);
        }
        let indices = device.clone_htod(&self.0.indices)?;
        // SAFETY: the kernel writes every number.
        let mut y = unsafe { device.alloc::<T>(count * size)? };
        let (kernel, stream) = (kernel::<T>(device, "gather_rows")?, device.cuda_stream());
        let (rows, columns) = (count as u64, size as u64);
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(weight).arg(&indices).arg(&rows).arg(&columns).arg(&mut y);
        // SAFETY: the arguments match the kernel's parameters; `Lookup` has checked that every
        // index is a row of the table.
        unsafe { launch.launch(spread(count * size)) }.w()?;
        Ok(y)
    }

    fn backward<T: Element>(
        &self,
        grad: &Tensor,
        rows: usize,
        size: usize,
    ) -> Result<CudaSlice<T>> {
        let (device, grad_held) = (device(grad)?, grad.storage_and_layout());
        let grad = held::<T>(&grad_held)?;
        expect("embedding: gradient", &grad, self.0.indices.len() * size)?;
        let mut dw = device.alloc_zeros::<T>(rows * size)?;
        let readers = Readers::new(&self.0.indices, self.0.padding_idx)?;
        let count = readers.rows.len();
        if count == 0 {
            return Ok(dw);
        }
        let (taken, starts) =
            (device.clone_htod(&readers.rows)?, device.clone_htod(&readers.starts)?);
        let order = device.clone_htod(&readers.order)?;
        let (kernel, stream) = (kernel::<T>(device, "gather_rows_backward")?, device.cuda_stream());
        let (read, columns) = (count as u64, size as u64);
        let mut launch = stream.launch_builder(&kernel);
        launch
            .arg(&grad)
            .arg(&taken)
            .arg(&starts)
            .arg(&order)
            .arg(&read)
            .arg(&columns)
            .arg(&mut dw);
        // SAFETY: the arguments match the kernel's parameters; `rows` are rows of the table,
        // `order` has positions of the gradient.
        unsafe { launch.launch(spread(count * size)) }.w()?;
        Ok(dw)
    }
}

impl Operation for Rows {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn forward(&self, inputs: &[Input]) -> Result<(Storage, Shape)> {
        let (device, (_, size)) = (device_of(&inputs[0])?, inputs[0].layout.shape().dims2()?);
        let y = for_element!(inputs[0].storage.dtype(), T => {
            storage(self.forward(device, &stored::<T>(&inputs[0])?, size)?, device)
        });
        Ok((y, Shape::from(self.0.shape.clone())))
    }

    fn backward(&self, inputs: &[&Tensor], _result: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (weight, grad) = (inputs[0], grad.contiguous()?);
        let (rows, size) = weight.dims2()?;
        for_element!(grad.dtype(), T => {
            Ok(vec![Some(tensor(self.backward::<T>(&grad, rows, size)?, device(weight)?, weight.shape()))])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_sorted_by_row_and_keep_their_order() -> Result<()> {
        let readers = Readers::new(&[4, 0, 4, 2, 0, 4, 2], Some(2))?;
        assert_eq!(readers.rows, [0, 4]);
        assert_eq!(readers.starts, [0, 2, 5]);
        assert_eq!(readers.order, [1, 4, 0, 2, 5]);
        let nothing = Readers::new(&[3, 3], Some(3))?;
        assert!(nothing.rows.is_empty() && nothing.order.is_empty());
        Ok(())
    }
}
