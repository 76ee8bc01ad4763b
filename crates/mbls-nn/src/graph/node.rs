//! The operations in candle's graph: `Node`, whose result is the handle, and `Value`, which is
//! created from the handle.

use super::link::{Link, Slot, Source};
use super::operation::{Gradients, Operation};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage,
    Tensor, bail,
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// An operation in candle's graph, whose result there is the handle.
pub(super) struct Node {
    pub(super) op: Box<dyn Operation>,
    pub(super) sources: Vec<Source>,
    pub(super) slot: Arc<Slot>,
    /// The result, set if it is kept.
    pub(super) result: Arc<OnceLock<Tensor>>,
    /// With four inputs: the tensor that represents the last two in candle's graph, and the place
    /// for their gradients.
    pub(super) pair: Option<(Tensor, Arc<Mutex<Gradients>>)>,
}

impl Node {
    /// Returns what candle adds to the gradients of `arguments`.
    fn backward<const N: usize>(
        &self,
        arguments: [&Tensor; N],
        handle: &Tensor,
    ) -> Result<[Option<Tensor>; N]> {
        let name = self.op.name();
        let Some(grad) = self.slot.take() else {
            bail!("{name}: no gradient was stored for its result")
        };
        let places = arguments.iter().chain(arguments.last());
        let kept = self.sources.iter().zip(places);
        let inputs: Vec<&Tensor> =
            kept.map(|(source, argument)| source.kept.as_ref().unwrap_or(argument)).collect();
        let grads = self.op.backward(&inputs, self.result.get().unwrap_or(handle), &grad)?;
        let one = |(source, grad): (&Source, Option<Tensor>)| match grad {
            Some(grad) => source.give(handle, grad),
            None => Ok(None),
        };
        let given = self.sources.iter().zip(grads).map(one);
        let mut given = given.collect::<Result<Vec<_>>>()?;
        if let Some((pair, gradients)) = &self.pair
            && given.len() == 4
        {
            *gradients.lock().unwrap_or_else(PoisonError::into_inner) = given.split_off(2);
            given.push(Some(pair.clone()));
        }
        given.try_into().or_else(|_| bail!("{name}: expected {N} gradients"))
    }
}

/// Creates the storage of a handle. Because a handle has no numbers, candle has nothing to clear
/// and nothing to add.
fn cpu_handle() -> Result<(CpuStorage, Shape)> {
    Ok((CpuStorage::F32(Vec::new()), Shape::from(0)))
}

#[cfg(feature = "cuda")]
fn cuda_handle(like: &CudaStorage) -> Result<(CudaStorage, Shape)> {
    use candle_core::backend::BackendStorage;
    let device = like.device();
    // Without a memory pool, CUDA does not support empty allocations.
    let count = usize::from(!device.cuda_stream().context().has_async_alloc());
    Ok((
        CudaStorage::wrap_cuda_slice(device.alloc_zeros::<f32>(count)?, device.clone()),
        Shape::from(count),
    ))
}

#[cfg(not(feature = "cuda"))]
fn cuda_handle(_: &CudaStorage) -> Result<(CudaStorage, Shape)> {
    bail!("an operation on a CUDA device in a build without the feature `cuda`")
}

impl CustomOp1 for Node {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        cpu_handle()
    }

    fn cuda_fwd(&self, x: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda_handle(x)
    }

    fn bwd(&self, x: &Tensor, handle: &Tensor, _grad: &Tensor) -> Result<Option<Tensor>> {
        let [dx] = self.backward([x], handle)?;
        Ok(dx)
    }
}

impl CustomOp2 for Node {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        cpu_handle()
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda_handle(x)
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        handle: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok(self.backward([x, y], handle)?.into())
    }
}

impl CustomOp3 for Node {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        cpu_handle()
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda_handle(x)
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        z: &Tensor,
        handle: &Tensor,
        _grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        Ok(self.backward([x, y, z], handle)?.into())
    }
}

/// Combines two inputs into one.
pub(super) struct Pair(pub(super) Arc<Mutex<Gradients>>);

impl CustomOp2 for Pair {
    fn name(&self) -> &'static str {
        "pair"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        cpu_handle()
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda_handle(x)
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradients = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        match <[Option<Tensor>; 2]>::try_from(gradients) {
            Ok(gradients) => Ok(gradients.into()),
            Err(gradients) => bail!("a pair of inputs with {} gradients", gradients.len()),
        }
    }
}

/// Returns the result when applied to its handle.
pub(super) struct Value {
    link: Arc<Link>,
    /// Taken by the forward pass.
    value: Mutex<Option<(Storage, Shape)>>,
}

impl Value {
    pub(super) fn new(link: Arc<Link>, value: Storage, shape: Shape) -> Self {
        Self { link, value: Mutex::new(Some((value, shape))) }
    }

    fn take(&self) -> Result<(Storage, Shape)> {
        match self.value.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(value) => Ok(value),
            None => bail!("the result was taken twice"),
        }
    }
}

impl CustomOp1 for Value {
    fn name(&self) -> &'static str {
        "value"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        match self.take()? {
            (Storage::Cpu(storage), shape) => Ok((storage, shape)),
            (other, _) => {
                bail!("a result on {:?} for inputs on the CPU", other.device().location())
            }
        }
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        match self.take()? {
            (Storage::Cuda(storage), shape) => Ok((storage, shape)),
            (other, _) => {
                bail!("a result on {:?} for inputs on a CUDA device", other.device().location())
            }
        }
    }

    fn bwd(&self, _handle: &Tensor, _value: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        self.link.give(grad.clone()).map(Some)
    }
}
