//! Updates in place: one kernel for a parameter, its gradient and its optimizer state, and one for
//! a running statistic.

use super::channels::expect;
use super::device::{Element, compute, device, for_element, held, kernel, spread};
use candle_core::cuda_backend::cudarc::driver::{CudaViewMut, DeviceRepr, PushKernelArg};
use candle_core::cuda_backend::{CudaDType, WrapErr};
use candle_core::{CpuStorage, CudaStorage, InplaceOp1, Layout, Result, Tensor, Var, bail};
use std::sync::{Mutex, PoisonError};

/// The maximum number of tensors that a step writes besides the parameter: master weights and two
/// moments.
const KEPT: usize = 3;

/// The update rule of a kernel: a struct with the fields of the kernel source, in the same order.
pub(crate) trait Rule: DeviceRepr + Sync {
    const KERNEL: &'static str;
    /// The number of the two moments that the kernel requires.
    const MOMENTS: usize;
}

/// The factors of an SGD step, as in `optim::sgd`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Sgd {
    pub(crate) learning_rate: f64,
    pub(crate) momentum: f64,
    pub(crate) share: f64,
    pub(crate) weight_decay: f64,
    /// 1 with Nesterov momentum, otherwise 0.
    pub(crate) nesterov: u64,
}

/// The factors of an Adam step, as in `optim::adam`.
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

/// The update of a running statistic: `p <- (1 - share) p + share factor g`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Running {
    pub(crate) share: f64,
    pub(crate) factor: f64,
}

// SAFETY: plain numbers with the layout of the kernel source: the same fields in the same order,
// `repr(C)`, the same size.
unsafe impl DeviceRepr for Sgd {}
// SAFETY: as above.
unsafe impl DeviceRepr for Running {}
// SAFETY: as above.
unsafe impl DeviceRepr for Adam {}

/// The kernel source asserts the same sizes.
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

/// Updates `p` along its gradient `g`, which has the same type. `kept` are its master weights and
/// two moments, if they exist, all in the type of sums.
///
/// Computed in `f64`; each stored number is rounded once. If a parameter differs from its rounded
/// master weight, it was set from elsewhere since, and its value is used.
///
/// # Errors
///
/// Fails if types or sizes do not fit, or a tensor is not contiguous or not on the parameter's
/// device.
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
        // SAFETY: the arguments match the kernel's parameters: buffers of equal size, or a null
        // pointer where the kernel checks for one, and the rule of that kernel.
        unsafe { launch.launch(spread(count)) }.w()?;
        Ok(())
    }
}

/// Borrows all tensors and runs the kernel. Candle lends the memory of only one tensor to an
/// operation for writing, so the operations nest: first the kept tensors, then the parameter.
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

/// Returns the numbers of a contiguous tensor within its storage, for writing.
fn written<'a, T: CudaDType>(
    storage: &'a mut CudaStorage,
    layout: &Layout,
) -> Result<CudaViewMut<'a, T>> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("optimizer steps require contiguous tensors, got {layout:?}");
    };
    match storage.as_cuda_slice_mut::<T>()?.try_slice_mut(start..end) {
        Some(view) => Ok(view),
        None => bail!("a tensor of {layout:?} in a shorter storage"),
    }
}
