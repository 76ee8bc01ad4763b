//! Convolutions with cuDNN's graph API: a plan is created once per problem, thread and device, and
//! then run repeatedly.
//!
//! A plan is the first candidate of cuDNN's heuristics, which rank candidates by expected speed
//! without running them, that cuDNN documents as deterministic and whose workspace fits
//! [`WORKSPACE`]. The older API looks up its kernels in every call, which took half of the host's
//! time in a training step of ResNet-50.

mod descriptor;
mod plan;

use super::device::Element;
use candle_core::cuda_backend::cudarc::cudnn::{CudnnError, result, sys};
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaStream, CudaView, DevicePtr, DevicePtrMut,
};
use candle_core::cuda_backend::{CudaDevice, DeviceId, WrapErr};
use candle_core::{Result, bail};
use plan::Plan;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_int;
use std::panic::catch_unwind;
use std::rc::Rc;
use std::sync::Arc;

/// The maximum workspace of a plan in bytes.
const WORKSPACE: usize = 1 << 30;

/// The largest alignment of tensors in bytes that kernels require.
const ALIGNMENT: usize = 16;

/// A convolution of images, or of sequences as images of height 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Problem {
    /// The type of all three tensors.
    pub(super) stored: sys::cudnnDataType_t,
    /// The type of sums.
    pub(super) compute: sys::cudnnDataType_t,
    /// `[N, C, H, W]`.
    pub(super) x: [c_int; 4],
    /// `[O, C / groups, kh, kw]`.
    pub(super) weight: [c_int; 4],
    /// `[N, O, H', W']`.
    pub(super) y: [c_int; 4],
    pub(super) padding: [c_int; 2],
    pub(super) stride: [c_int; 2],
    pub(super) dilation: [c_int; 2],
    pub(super) groups: c_int,
    /// Whether `f32` factors may be rounded to TF32.
    pub(super) tf32: bool,
}

/// The tensor to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pass {
    /// `y` from `x` and `weight`.
    Forward,
    /// The gradient of `x` from `weight` and that of `y`.
    Data,
    /// The gradient of `weight` from `x` and the gradient of `y`.
    Filter,
}

/// A cuDNN handle, destroyed with its owner.
struct Handle(sys::cudnnHandle_t);

impl Handle {
    fn new() -> std::result::Result<Self, CudnnError> {
        Ok(Self(result::create_handle()?))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: created by cuDNN in `new`, and destroyed only here. `drop` cannot report an
        // error.
        let _ = unsafe { result::destroy_handle(self.0) };
    }
}

/// A thread's access to cuDNN on one device; a handle must not be used by two threads at once.
struct Context {
    /// Declared before the handle, because the plans refer to it and must be dropped first.
    plans: RefCell<HashMap<(Problem, Pass, usize), Rc<Plan>>>,
    handle: Handle,
    stream: Arc<CudaStream>,
    /// The workspace of the plans, which share it because the stream runs them sequentially.
    workspace: RefCell<CudaSlice<u8>>,
}

thread_local! {
    static CONTEXTS: RefCell<HashMap<DeviceId, Rc<Context>>> = RefCell::default();
}

/// Returns an error with cuDNN's status and the request.
fn refused(p: &Problem, pass: Pass, error: CudnnError) -> candle_core::Error {
    candle_core::Error::Msg(format!("cuDNN: {error} for the pass {pass:?} of {p:?}")).bt()
}

impl Context {
    fn of(device: &CudaDevice) -> Result<Rc<Self>> {
        CONTEXTS.with_borrow_mut(|contexts| {
            if let Some(context) = contexts.get(&device.id()) {
                return Ok(context.clone());
            }
            let stream = device.cuda_stream();
            stream.context().bind_to_thread().w()?;
            // cudarc panics if it does not find the library.
            let Ok(handle) = catch_unwind(Handle::new) else {
                bail!("convolutions on a CUDA device need cuDNN 9, whose library was not found");
            };
            let handle = handle?;
            // SAFETY: both are alive; the stream lives as long as the handle.
            unsafe { result::set_stream(handle.0, stream.cu_stream().cast())? };
            let workspace = RefCell::new(device.alloc_zeros::<u8>(1)?);
            let context = Rc::new(Self { plans: RefCell::default(), handle, stream, workspace });
            contexts.insert(device.id(), context.clone());
            Ok(context)
        })
    }

    fn plan(&self, p: &Problem, pass: Pass, alignment: usize) -> Result<Rc<Plan>> {
        let key = (*p, pass, alignment);
        if let Some(plan) = self.plans.borrow().get(&key) {
            return Ok(plan.clone());
        }
        let made = Plan::new(self.handle.0, p, pass, alignment, WORKSPACE);
        let Some(plan) = made.map_err(|error| refused(p, pass, error))? else {
            bail!(
                "cuDNN has no deterministic algorithm within {WORKSPACE} bytes for the pass {pass:?} of {p:?}"
            );
        };
        let plan = Rc::new(plan);
        self.plans.borrow_mut().insert(key, plan.clone());
        Ok(plan)
    }
}

/// Computes one pass of a problem: from `x` and `weight`, from `weight` and the gradient of `y`, or
/// from `x` and the gradient of `y`.
pub(super) fn run<T: Element>(
    device: &CudaDevice,
    p: &Problem,
    pass: Pass,
    [first, second]: [&CudaView<T>; 2],
) -> Result<CudaSlice<T>> {
    let entries =
        |shape: [c_int; 4]| shape.into_iter().map(|size| size as usize).product::<usize>();
    let sizes = [p.x, p.weight, p.y].map(entries);
    let (inputs, output) = pass.tensors();
    let inputs = inputs.map(|place| sizes[place]);
    if [first.len(), second.len()] != inputs || p.stored != T::DATA_TYPE {
        bail!(
            "convolution of {} and {} numbers, expected {inputs:?} for {p:?}",
            first.len(),
            second.len()
        );
    }
    let context = Context::of(device)?;
    // SAFETY: with a factor of 0 cuDNN does not read the result, and writes all of it.
    let mut result = unsafe { device.alloc::<T>(sizes[output])? };
    let launched = {
        let (first, _first) = first.device_ptr(&context.stream);
        let (second, _second) = second.device_ptr(&context.stream);
        let (out, _out) = result.device_ptr_mut(&context.stream);
        // A view of a tensor may start at any address.
        let aligned = [first, second, out].iter().all(|address| address % ALIGNMENT as u64 == 0);
        let plan = context.plan(p, pass, if aligned { ALIGNMENT } else { size_of::<T>() })?;
        let mut workspace = context.workspace.borrow_mut();
        if workspace.len() < plan.workspace {
            // SAFETY: cuDNN only reads what it has written there.
            *workspace = unsafe { device.alloc::<u8>(plan.workspace)? };
        }
        let (work, _work) = workspace.device_ptr_mut(&context.stream);
        // SAFETY: the buffers have the sizes of the problem and live until the guards are dropped;
        // memory freed then is freed in stream order, after this run. The workspace is as large as
        // cuDNN requires.
        unsafe { plan.run(context.handle.0, pass, [first, second], out, work) }
    };
    launched.map_err(|error| refused(p, pass, error))?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::Graph;

    /// Returns whether cuDNN accepts the operations of all passes; requires its library, not a
    /// device.
    fn taken(p: &Problem) -> [bool; 3] {
        [Pass::Forward, Pass::Data, Pass::Filter].map(|pass| Graph::new(p, pass, ALIGNMENT).is_ok())
    }

    #[test]
    fn operations_describe_the_problem() {
        if catch_unwind(result::get_version).is_err() {
            eprintln!("skipped: cuDNN is not available");
            return;
        }
        let types = [
            (sys::cudnnDataType_t::CUDNN_DATA_FLOAT, sys::cudnnDataType_t::CUDNN_DATA_FLOAT),
            (sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16, sys::cudnnDataType_t::CUDNN_DATA_FLOAT),
            (sys::cudnnDataType_t::CUDNN_DATA_HALF, sys::cudnnDataType_t::CUDNN_DATA_FLOAT),
            (sys::cudnnDataType_t::CUDNN_DATA_DOUBLE, sys::cudnnDataType_t::CUDNN_DATA_DOUBLE),
        ];
        for (stored, compute) in types {
            let p = Problem {
                stored,
                compute,
                x: [2, 4, 9, 8],
                weight: [6, 2, 3, 2],
                y: [2, 6, 5, 7],
                padding: [1, 0],
                stride: [2, 1],
                dilation: [1, 1],
                groups: 2,
                tf32: false,
            };
            let wrong = Problem { y: [2, 6, 5, 8], ..p };
            assert_eq!((taken(&p), taken(&wrong)), ([true; 3], [false; 3]), "{p:?}");
            let p = Problem {
                x: [3, 4, 1, 30],
                weight: [6, 2, 1, 5],
                y: [3, 6, 1, 12],
                padding: [0, 3],
                ..p
            };
            let p = Problem { stride: [1, 2], dilation: [1, 3], ..p };
            let wrong = Problem { padding: [0, 2], ..p };
            assert_eq!((taken(&p), taken(&wrong)), ([true; 3], [false; 3]), "{p:?}");
        }
    }
}
