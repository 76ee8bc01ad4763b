//! cuDNN's convolutions: handles, descriptors, and the choice among its algorithms.
//!
//! An algorithm is chosen once for each problem, thread and device by cuDNN's heuristics, which run nothing: the fastest
//! expected of those that it calls deterministic and whose workspace fits [`WORKSPACE`]. That leaves out
//! `CUDNN_CONVOLUTION_BWD_DATA_ALGO_0`, `CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0` and `.._ALGO_3`, which add atomically.

use super::device::Element;
use candle_core::cuda_backend::cudarc::cudnn::{CudnnError, result, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, CudaView, DevicePtr, DevicePtrMut};
use candle_core::cuda_backend::{CudaDevice, DeviceId, WrapErr};
use candle_core::{Result, WithDType, bail};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::panic::catch_unwind;
use std::ptr::null_mut;
use std::rc::Rc;
use std::sync::Arc;

/// The most memory that an algorithm may work in, in bytes.
const WORKSPACE: usize = 1 << 30;

/// At least as many as any pass has algorithms.
const MOST_ALGORITHMS: usize = 16;

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
    /// Whether factors in `f32` may be rounded to TF32.
    pub(super) tf32: bool,
}

/// What to compute from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pass {
    /// `y` from `x` and `weight`.
    Forward,
    /// The gradient of `x` from `weight` and that of `y`.
    Data,
    /// The gradient of `weight` from `x` and the gradient of `y`.
    Filter,
}

#[derive(Clone, Copy, Debug)]
enum Algorithm {
    Forward(sys::cudnnConvolutionFwdAlgo_t),
    Data(sys::cudnnConvolutionBwdDataAlgo_t),
    Filter(sys::cudnnConvolutionBwdFilterAlgo_t),
}

#[derive(Clone, Copy, Debug)]
struct Choice {
    algorithm: Algorithm,
    workspace: usize,
    math: sys::cudnnMathType_t,
}

/// A value of cuDNN that is destroyed with its owner.
macro_rules! owned {
    ($name:ident, $raw:ty, $create:path, $destroy:path) => {
        struct $name($raw);

        impl $name {
            fn new() -> std::result::Result<Self, CudnnError> {
                Ok(Self($create()?))
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: made by cuDNN in `new`, and destroyed here alone. There is nobody to tell of an error.
                let _ = unsafe { $destroy(self.0) };
            }
        }
    };
}

owned!(Handle, sys::cudnnHandle_t, result::create_handle, result::destroy_handle);
owned!(TensorShape, sys::cudnnTensorDescriptor_t, result::create_tensor_descriptor, result::destroy_tensor_descriptor);
owned!(FilterShape, sys::cudnnFilterDescriptor_t, result::create_filter_descriptor, result::destroy_filter_descriptor);
owned!(
    Window,
    sys::cudnnConvolutionDescriptor_t,
    result::create_convolution_descriptor,
    result::destroy_convolution_descriptor
);

/// A pass of a problem, ready to run.
struct Plan {
    descriptors: Descriptors,
    choice: Choice,
}

/// A problem in cuDNN's terms.
struct Descriptors {
    x: TensorShape,
    weight: FilterShape,
    y: TensorShape,
    window: Window,
}

impl Descriptors {
    fn new(p: &Problem) -> std::result::Result<Self, CudnnError> {
        let d = Self {
            x: TensorShape::new()?,
            weight: FilterShape::new()?,
            y: TensorShape::new()?,
            window: Window::new()?,
        };
        let format = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW;
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let ([ph, pw], [sh, sw], [dh, dw]) = (p.padding, p.stride, p.dilation);
        // SAFETY: all four were made above and live.
        unsafe {
            result::set_tensor4d_descriptor(d.x.0, format, p.stored, p.x)?;
            result::set_filter4d_descriptor(d.weight.0, p.stored, format, p.weight)?;
            result::set_tensor4d_descriptor(d.y.0, format, p.stored, p.y)?;
            result::set_convolution2d_descriptor(d.window.0, ph, pw, sh, sw, dh, dw, mode, p.compute)?;
            result::set_convolution_group_count(d.window.0, p.groups)?;
            result::set_convolution_math_type(d.window.0, p.math())?;
        }
        Ok(d)
    }
}

impl Problem {
    /// The arithmetic that is allowed.
    fn math(&self) -> sys::cudnnMathType_t {
        match self.stored {
            sys::cudnnDataType_t::CUDNN_DATA_HALF | sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16 => {
                sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH
            }
            // The default rounds f32 to TF32.
            sys::cudnnDataType_t::CUDNN_DATA_FLOAT if self.tf32 => sys::cudnnMathType_t::CUDNN_DEFAULT_MATH,
            _ => sys::cudnnMathType_t::CUDNN_FMA_MATH,
        }
    }
}

/// A thread's access to cuDNN on one device; a handle must not be used by two threads at once.
struct Context {
    handle: Handle,
    stream: Arc<CudaStream>,
    plans: RefCell<HashMap<(Problem, Pass), Rc<Plan>>>,
    /// What the algorithms work in, one after the other, as the stream runs them.
    workspace: RefCell<CudaSlice<u8>>,
}

thread_local! {
    static CONTEXTS: RefCell<HashMap<DeviceId, Rc<Context>>> = RefCell::default();
}

/// cuDNN's answers without what it was asked.
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
            // cudarc panics where it does not find the library.
            let Ok(handle) = catch_unwind(Handle::new) else {
                bail!("convolutions on a CUDA device need cuDNN 9, whose library was not found");
            };
            let handle = handle?;
            // SAFETY: both live; the stream lives as long as the handle.
            unsafe { result::set_stream(handle.0, stream.cu_stream().cast())? };
            let workspace = RefCell::new(device.alloc_zeros::<u8>(1)?);
            let context = Rc::new(Self { handle, stream, plans: RefCell::default(), workspace });
            contexts.insert(device.id(), context.clone());
            Ok(context)
        })
    }

    fn plan(&self, p: &Problem, pass: Pass) -> Result<Rc<Plan>> {
        if let Some(plan) = self.plans.borrow().get(&(*p, pass)) {
            return Ok(plan.clone());
        }
        let descriptors = Descriptors::new(p).map_err(|error| refused(p, pass, error))?;
        let found = self.candidates(pass, &descriptors).map_err(|error| refused(p, pass, error))?;
        let Some(mut choice) = found.into_iter().find(|choice| choice.workspace <= WORKSPACE) else {
            bail!("cuDNN has no deterministic algorithm within {WORKSPACE} bytes for the pass {pass:?} of {p:?}");
        };
        // What is not allowed is not taken, whatever the heuristics say.
        if p.math() == sys::cudnnMathType_t::CUDNN_FMA_MATH {
            choice.math = p.math();
        }
        // SAFETY: the descriptor lives.
        let set = unsafe { result::set_convolution_math_type(descriptors.window.0, choice.math) };
        set.map_err(|error| refused(p, pass, error))?;
        let plan = Rc::new(Plan { descriptors, choice });
        self.plans.borrow_mut().insert((*p, pass), plan.clone());
        Ok(plan)
    }

    /// The deterministic algorithms, the fastest expected first.
    fn candidates(&self, pass: Pass, d: &Descriptors) -> std::result::Result<Vec<Choice>, CudnnError> {
        let (x, weight, y, window) = (d.x.0, d.weight.0, d.y.0, d.window.0);
        macro_rules! ask {
            ($ask:path, $kind:path, $($argument:expr),+) => {{
                // SAFETY: plain numbers and enumerations that have a value 0.
                let mut found = [unsafe { std::mem::zeroed() }; MOST_ALGORITHMS];
                let mut count: c_int = 0;
                // SAFETY: handle and descriptors live; there is room for as many answers as are asked for.
                unsafe {
                    $ask(self.handle.0, $($argument),+, MOST_ALGORITHMS as c_int, &mut count, found.as_mut_ptr())?;
                }
                let count = usize::try_from(count).unwrap_or(0);
                found
                    .iter()
                    .take(count)
                    .filter(|a| a.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS)
                    .filter(|a| a.determinism == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC)
                    .map(|a| Choice { algorithm: $kind(a.algo), workspace: a.memory, math: a.mathType })
                    .collect()
            }};
        }
        Ok(match pass {
            Pass::Forward => ask!(result::get_convolution_forward_algorithm, Algorithm::Forward, x, weight, window, y),
            Pass::Data => ask!(result::get_convolution_backward_data_algorithm, Algorithm::Data, weight, y, window, x),
            Pass::Filter => {
                ask!(result::get_convolution_backward_filter_algorithm, Algorithm::Filter, x, y, window, weight)
            }
        })
    }
}

/// Computes one pass of a problem: from `x` and `weight`, `weight` and the gradient of `y`, or `x` and the gradient of `y`.
pub(super) fn run<T: Element>(
    device: &CudaDevice,
    p: &Problem,
    pass: Pass,
    [first, second]: [&CudaView<T>; 2],
) -> Result<CudaSlice<T>> {
    let entries = |shape: [c_int; 4]| shape.into_iter().map(|size| size as usize).product::<usize>();
    let [x, weight, y] = [p.x, p.weight, p.y].map(entries);
    let (inputs, output) = match pass {
        Pass::Forward => ([x, weight], y),
        Pass::Data => ([weight, y], x),
        Pass::Filter => ([x, y], weight),
    };
    if [first.len(), second.len()] != inputs || p.stored != T::DATA_TYPE {
        bail!("convolution of {} and {} numbers, expected {inputs:?} for {p:?}", first.len(), second.len());
    }
    let context = Context::of(device)?;
    let plan = context.plan(p, pass)?;
    let mut workspace = context.workspace.borrow_mut();
    if workspace.len() < plan.choice.workspace {
        // SAFETY: cuDNN reads of it what it has written there.
        *workspace = unsafe { device.alloc::<u8>(plan.choice.workspace)? };
    }
    // SAFETY: with a factor of 0 cuDNN reads nothing of the result, and writes all of it.
    let mut result = unsafe { device.alloc::<T>(output)? };
    let launched = {
        let (first, _first) = first.device_ptr(&context.stream);
        let (second, _second) = second.device_ptr(&context.stream);
        let (out, _out) = result.device_ptr_mut(&context.stream);
        let (work, _work) = workspace.device_ptr_mut(&context.stream);
        // SAFETY: the buffers have the numbers that the descriptors say and live until the guards are dropped, and the
        // workspace is as large as cuDNN wants it.
        unsafe { launch::<T>(&context, &plan, [first, second].map(|a| a as *const c_void), out as _, work as _) }
    };
    launched.map_err(|error| refused(p, pass, error))?;
    Ok(result)
}

/// # Safety
///
/// The pointers are those of buffers that fit the plan, on the device of the context.
unsafe fn launch<T: Element>(
    context: &Context,
    plan: &Plan,
    [first, second]: [*const c_void; 2],
    out: *mut c_void,
    work: *mut c_void,
) -> std::result::Result<(), CudnnError> {
    let (d, choice) = (&plan.descriptors, plan.choice);
    let (x, weight, y, window) = (d.x.0, d.weight.0, d.y.0, d.window.0);
    // Factors have the type of sums.
    let (one, zero) = (T::Compute::from_f64(1.0), T::Compute::from_f64(0.0));
    let (one, zero) = ((&raw const one).cast::<c_void>(), (&raw const zero).cast::<c_void>());
    let (handle, size) = (context.handle.0, choice.workspace);
    let work = if size == 0 { null_mut() } else { work };
    // SAFETY: descriptors and handle live, the pointers fit them, see above.
    unsafe {
        match choice.algorithm {
            Algorithm::Forward(algorithm) => result::convolution_forward(
                handle, one, x, first, weight, second, window, algorithm, work, size, zero, y, out,
            ),
            Algorithm::Data(algorithm) => result::convolution_backward_data(
                handle, one, weight, first, y, second, window, algorithm, work, size, zero, x, out,
            ),
            Algorithm::Filter(algorithm) => result::convolution_backward_filter(
                handle, one, x, first, y, second, window, algorithm, work, size, zero, weight, out,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the result that cuDNN expects; needs its library, not a device.
    fn expected(p: &Problem) -> std::result::Result<[c_int; 4], CudnnError> {
        let (d, mut y) = (Descriptors::new(p)?, [0; 4]);
        let [n, c, h, w] = &mut y;
        // SAFETY: the descriptors live, and there is room for the four sizes.
        unsafe { sys::cudnnGetConvolution2dForwardOutputDim(d.window.0, d.x.0, d.weight.0, n, c, h, w).result()? };
        Ok(y)
    }

    #[test]
    fn descriptors_describe_the_problem() {
        if catch_unwind(result::get_version).is_err() {
            eprintln!("skipped: there is no cuDNN");
            return;
        }
        let types = [
            (sys::cudnnDataType_t::CUDNN_DATA_FLOAT, sys::cudnnDataType_t::CUDNN_DATA_FLOAT),
            (sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16, sys::cudnnDataType_t::CUDNN_DATA_FLOAT),
            (sys::cudnnDataType_t::CUDNN_DATA_HALF, sys::cudnnDataType_t::CUDNN_DATA_FLOAT),
            (sys::cudnnDataType_t::CUDNN_DATA_DOUBLE, sys::cudnnDataType_t::CUDNN_DATA_DOUBLE),
        ];
        for (stored, compute) in types {
            for tf32 in [false, true] {
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
                    tf32,
                };
                assert_eq!(expected(&p).expect("a convolution"), p.y, "{p:?}");
                let p = Problem { x: [3, 4, 1, 30], weight: [6, 2, 1, 5], y: [3, 6, 1, 11], padding: [0, 3], ..p };
                let p = Problem { stride: [1, 2], dilation: [1, 3], ..p };
                assert_eq!(expected(&p).expect("a convolution"), [3, 6, 1, 12], "{p:?}");
            }
        }
    }
}
