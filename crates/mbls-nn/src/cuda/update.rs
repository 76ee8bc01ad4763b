//! Steps in place: one kernel for a parameter, its gradient and the optimizer's state of it; and
//! for a running statistic.

use super::channels::expect;
use super::device::{Element, compute, device, for_element, held, kernel, spread};
use candle_core::cuda_backend::cudarc::driver::{CudaViewMut, DeviceRepr, PushKernelArg};
use candle_core::cuda_backend::{CudaDType, WrapErr};
use candle_core::{CpuStorage, CudaStorage, InplaceOp1, Layout, Result, Tensor, Var, bail};
use std::sync::{Mutex, PoisonError};

/// The most tensors that a step writes besides the parameter: master weights and two moments.
const KEPT: usize = 3;

/// What a kernel does to each element, in the order of the source's fields.
pub(crate) trait Rule: DeviceRepr + Sync {
    const KERNEL: &'static str;
    /// How many of the two moments it cannot be without.
    const MOMENTS: usize;
}

/// The factors of a step of stochastic gradient descent, as in `optim::sgd`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Sgd {
    pub(crate) learning_rate: f64,
    pub(crate) momentum: f64,
    pub(crate) share: f64,
    pub(crate) weight_decay: f64,
    /// 1 with Nesterov's momentum, else 0.
    pub(crate) nesterov: u64,
}

/// The factors of a step of Adam, as in `optim::adam`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Adam {
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) eps: f64,
    pub(crate) decay: f64,
    pub(crate) shrink: f64,
    pub(crate) step_size: f64,
    pub(crate) root: f64,
}

/// How a running statistic moves: `p <- (1 - share) p + share factor g`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Running {
    pub(crate) share: f64,
    pub(crate) factor: f64,
}

// SAFETY: plain numbers, laid out as in the source: the same fields in the same order, `repr(C)`,
// the same size.
unsafe impl DeviceRepr for Sgd {}
// SAFETY: as above.
unsafe impl DeviceRepr for Running {}
// SAFETY: as above.
unsafe impl DeviceRepr for Adam {}

/// The source asserts the same.
const _: () =
    assert!(size_of::<Sgd>() == 40 && size_of::<Adam>() == 56 && size_of::<Running>() == 16);

impl Rule for Sgd {
    const KERNEL: &'static str = "sgd";
    const MOMENTS: usize = 0;
}

impl Rule for Running {
    const KERNEL: &'static str = "running";
    const MOMENTS: usize = 0;
}

impl Rule for Adam {
    const KERNEL: &'static str = "adam";
    const MOMENTS: usize = 2;
}

/// Moves `p` along its gradient `g`, which has its type; `kept` are its master weights and two
/// moments, where there are such, all in the type of sums.
///
/// Computed in `f64`; each number that is kept is rounded once. A parameter that is not what its
/// master weight rounds to has been set by somebody since, and counts.
///
/// # Errors
///
/// Where types or sizes do not fit, or a tensor is not contiguous or not on the parameter's device.
pub(crate) fn update<R: Rule>(
    p: &Var,
    g: &Tensor,
    kept: [Option<&Var>; KEPT],
    rule: &R,
) -> Result<()> {
    if kept[1..].iter().flatten().count() < R::MOMENTS {
        bail!("{}: expected {} moments", R::KERNEL, R::MOMENTS);
    }
    for var in kept.iter().flatten() {
        if var.dtype() != compute(p.dtype()) || var.shape() != p.shape() {
            let (found, expected) = (var.dtype(), compute(p.dtype()));
            bail!(
                "{}: a state of {found:?} and {:?} for {expected:?} and {:?}",
                R::KERNEL,
                var.shape(),
                p.shape()
            );
        }
    }
    if p.elem_count() == 0 {
        return Ok(());
    }
    for_element!(p.dtype(), T => lend::<T, R>(&Step { p, g, kept, rule }, Vec::new()))
}

struct Step<'a, R> {
    p: &'a Var,
    g: &'a Tensor,
    kept: [Option<&'a Var>; KEPT],
    rule: &'a R,
}

impl<R: Rule> Step<'_, R> {
    fn launch<T: Element>(
        &self,
        mut p: CudaViewMut<T>,
        kept: Vec<Option<CudaViewMut<T::Compute>>>,
    ) -> Result<()> {
        let (device, g_held) = (device(self.p)?, self.g.storage_and_layout());
        let (g, count, nothing) = (held::<T>(&g_held)?, p.len(), 0u64);
        expect("the gradient of a step", &g, count)?;
        let (kernel, stream, work) =
            (kernel::<T>(device, R::KERNEL)?, device.cuda_stream(), count as u64);
        let mut kept = kept;
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(&mut p).arg(&g);
        for view in &mut kept {
            match view {
                Some(view) => launch.arg(view),
                None => launch.arg(&nothing),
            };
        }
        launch.arg(&work).arg(self.rule);
        // SAFETY: the arguments are those of the kernel: as many numbers in each buffer, or a null
        // pointer where the kernel looks for one, and the rule that it is for.
        unsafe { launch.launch(spread(count)) }.w()?;
        Ok(())
    }
}

/// Candle lends one tensor's memory for writing to one operation, so the operations nest: what is
/// kept first, the parameter last.
fn lend<T: Element, R: Rule>(
    step: &Step<'_, R>,
    held: Vec<Option<CudaViewMut<'_, T::Compute>>>,
) -> Result<()> {
    match step.kept.get(held.len()) {
        None => step.p.inplace_op1(&OfParameter::<T, R> { step, held: Mutex::new(held) }),
        Some(Some(var)) => var.inplace_op1(&OfKept::<T, R> { step, held: Mutex::new(held) }),
        Some(None) => {
            let mut held = held;
            held.push(None);
            lend::<T, R>(step, held)
        }
    }
}

struct OfKept<'a, T: Element, R> {
    step: &'a Step<'a, R>,
    held: Mutex<Vec<Option<CudaViewMut<'a, T::Compute>>>>,
}

struct OfParameter<'a, T: Element, R> {
    step: &'a Step<'a, R>,
    held: Mutex<Vec<Option<CudaViewMut<'a, T::Compute>>>>,
}

impl<T: Element, R: Rule> InplaceOp1 for OfKept<'_, T, R> {
    fn name(&self) -> &'static str {
        R::KERNEL
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        bail!("{}: the CUDA operation of a tensor on the CPU", R::KERNEL)
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, layout: &Layout) -> Result<()> {
        let view = written::<T::Compute>(storage, layout)?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held: Vec<_> =
            held.iter_mut().map(|view| view.as_mut().map(|view| view.slice_mut(..))).collect();
        held.push(Some(view));
        lend::<T, R>(self.step, held)
    }
}

impl<T: Element, R: Rule> InplaceOp1 for OfParameter<'_, T, R> {
    fn name(&self) -> &'static str {
        R::KERNEL
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        bail!("{}: the CUDA operation of a tensor on the CPU", R::KERNEL)
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, layout: &Layout) -> Result<()> {
        let view = written::<T>(storage, layout)?;
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        self.step.launch::<T>(view, held)
    }
}

/// The numbers of a contiguous tensor within its storage, for writing.
fn written<'a, T: CudaDType>(
    storage: &'a mut CudaStorage,
    layout: &Layout,
) -> Result<CudaViewMut<'a, T>> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("the steps of optimizers need contiguous tensors, got {layout:?}");
    };
    match storage.as_cuda_slice_mut::<T>()?.try_slice_mut(start..end) {
        Some(view) => Ok(view),
        None => bail!("a tensor of {layout:?} in a storage that is shorter"),
    }
}
