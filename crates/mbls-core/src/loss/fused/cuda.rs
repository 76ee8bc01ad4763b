//! The kernels of `kernel.cu`, compiled at the first use of a type and launched on the stream of
//! the device.
//!
//! There is no synchronisation with the device. The forward pass computes only the values. The
//! backward pass reads the logits again and writes the gradient times the upstream factor, which
//! takes less memory traffic than storing a gradient and scaling it.

use super::super::AugmentedPenalty;
use super::plan::{Base, Form, Penalty, Prepared};
use super::stored::Stored;
use crate::simd::Real;
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, CudaView, DeviceRepr, LaunchArgs, PushKernelArg,
};
use candle_core::cuda_backend::{CudaDType, CudaDevice, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, DType, Layout, Result, Storage, Tensor, bail,
};
use half::{bf16, f16};
use mbls_cuda::{Module, THREADS, grid};
use std::sync::Arc;

static LOSSES: Module =
    Module::new("mbls-fused-loss", "the fused losses", "kernel.cu", &[include_str!("kernel.cu")]);

/// The maximum number of blocks; each continues with further rows if there are more. It is the same
/// on every device, so results are bit-identical.
const MAX_BLOCKS: u64 = 4096;

/// Above this number of classes, a whole block processes a row.
const CLASSES_OF_A_WARP: u32 = 1024;

/// A type that logits are stored in on the device.
trait Element: Stored<Compute: CudaDType + DeviceRepr> + mbls_cuda::Element {}

impl<T: Stored<Compute: CudaDType + DeviceRepr> + mbls_cuda::Element> Element for T {}

/// `Plan` in `kernel.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Scalars {
    gamma_below: [f64; 2],
    gamma: [f64; 2],
    gamma_otherwise: f64,
    base_weight: f64,
    uniform_weight: f64,
    penalty_weight: f64,
    second_weight: f64,
    linear: f64,
    quadratic: f64,
    delta: f64,
    scale: f64,
    inverse_margin: f64,
    top_logit_margin: f64,
    top_logit_weight: f64,
    focal: u32,
    has_second: u32,
    has_top_logit: u32,
    target_anchor: u32,
    moves_anchor: u32,
    augmented: u32,
}

// SAFETY: plain numbers, laid out as in the source: the same fields in the same order, `repr(C)`,
// the same size.
unsafe impl DeviceRepr for Scalars {}

/// `kernel.cu` asserts the same.
const _: () = assert!(size_of::<Scalars>() == 152 && size_of::<Extent>() == 24);

/// `Shape` in `kernel.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Extent {
    rows: u64,
    positions: u64,
    classes: u32,
    width: u32,
}

// SAFETY: as above.
unsafe impl DeviceRepr for Extent {}

impl Scalars {
    fn new<F: Real>(prepared: &Prepared<F>, second_weight: Option<f64>) -> Self {
        let gamma = match prepared.base {
            Base::CrossEntropy => None,
            Base::Focal(gamma) => Some(gamma),
        };
        let penalty = &prepared.penalty;
        let [linear, quadratic, delta] = match penalty.form {
            Form::Hinge => [1.0, 0.0, 0.0],
            Form::Shaped(cost) => [cost.linear, cost.quadratic, cost.delta].map(Real::f64),
            Form::Nothing | Form::Uniform | Form::Augmented(_) => [0.0; 3],
        };
        let (augmented, inverse_margin) = match penalty.form {
            Form::Augmented(cost) => (augmented(cost.penalty), cost.inverse_margin.f64()),
            _ => (0, 0.0),
        };
        let (has_second, second_weight) = (second_weight.is_some(), second_weight.unwrap_or(0.0));
        Self {
            gamma_below: gamma.map_or([0.0; 2], |gamma| gamma.below.map(|(below, _)| below)),
            gamma: gamma.map_or([0.0; 2], |gamma| gamma.below.map(|(_, gamma)| gamma)),
            gamma_otherwise: gamma.map_or(0.0, |gamma| gamma.otherwise),
            base_weight: prepared.base_weight,
            uniform_weight: prepared.uniform_weight,
            penalty_weight: prepared.penalty_weight,
            second_weight,
            linear,
            quadratic,
            delta,
            scale: penalty.scale,
            inverse_margin,
            top_logit_margin: prepared.top_logit.map_or(0.0, |top_logit| top_logit.margin),
            top_logit_weight: prepared.top_logit.map_or(0.0, |top_logit| top_logit.weight),
            focal: gamma.is_some().into(),
            has_second: has_second.into(),
            has_top_logit: prepared.top_logit.is_some().into(),
            target_anchor: penalty.target_anchor.into(),
            moves_anchor: penalty.moves_anchor.into(),
            augmented,
        }
    }
}

/// Whether there is a penalty on distances; the uniform term has a separate weight.
fn has_penalty<F>(penalty: &Penalty<F>) -> bool {
    matches!(penalty.form, Form::Hinge | Form::Shaped(_) | Form::Augmented(_))
}

/// Returns the number of a penalty in `kernel.cu`.
fn augmented(penalty: AugmentedPenalty) -> u32 {
    match penalty {
        AugmentedPenalty::Phr => 1,
        AugmentedPenalty::P2 => 2,
        AugmentedPenalty::P3 => 3,
    }
}

/// The values of a batch, in the type of the computation.
pub(super) struct Values {
    pub(super) total: CudaStorage,
    /// Base, penalty of the top logit and second term without their weights, `[3]`; undefined for
    /// terms that the plan lacks.
    pub(super) terms: Tensor,
}

/// A loss of one batch, in the memory of a device.
pub(super) struct OnDevice {
    targets: CudaSlice<u32>,
    row_weights: CudaSlice<f64>,
    /// The penalty's margins, then its weights, or its multipliers and their parameters, in the
    /// type of the computation; a single 0 if there is no penalty.
    per_class: CudaStorage,
    scalars: Scalars,
    extent: Extent,
    has_penalty: bool,
}

impl OnDevice {
    /// Copies the inputs of the kernels for a loss and a batch `[images, classes, positions]`.
    pub(super) fn new<F: Real + CudaDType + DeviceRepr + 'static>(
        device: &CudaDevice,
        prepared: &Prepared<F>,
        second_weight: Option<f64>,
        [classes, positions]: [usize; 2],
        targets: &[u32],
    ) -> Result<Self> {
        let Ok(count) = i32::try_from(classes) else {
            bail!("fused loss of {classes} classes: at most {} on a CUDA device", i32::MAX);
        };
        let count = count.unsigned_abs();
        let penalty = &prepared.penalty;
        let has_penalty = has_penalty(penalty);
        let per_class: Vec<F> = if has_penalty {
            [0, 1]
                .into_iter()
                .flat_map(|number| (0..classes).map(move |class| penalty.of_class(class)[number]))
                .collect()
        } else {
            // Allocations cannot be empty.
            vec![F::default()]
        };
        Ok(Self {
            targets: device.clone_htod(targets)?,
            row_weights: device.clone_htod(prepared.row_weights.as_slice())?,
            per_class: CudaStorage::wrap_cuda_slice(device.clone_htod(&per_class)?, device.clone()),
            scalars: Scalars::new(prepared, second_weight),
            extent: Extent {
                rows: targets.len() as u64,
                positions: positions as u64,
                classes: count,
                width: if count > CLASSES_OF_A_WARP {
                    THREADS
                } else {
                    count.next_power_of_two().min(32)
                },
            },
            has_penalty,
        })
    }

    /// Computes the values of the batch with these logits.
    pub(super) fn values(&self, logits: &CudaStorage, layout: &Layout) -> Result<Values> {
        match logits.dtype() {
            DType::F64 => self.values_of::<f64>(logits, layout),
            DType::F32 => self.values_of::<f32>(logits, layout),
            DType::F16 => self.values_of::<f16>(logits, layout),
            DType::BF16 => self.values_of::<bf16>(logits, layout),
            dtype => bail!("fused loss of logits in {dtype:?}"),
        }
    }

    /// Computes the gradient of the total by the logits, times `upstream`, one number on the device
    /// of the logits.
    pub(super) fn gradient(self: &Arc<Self>, logits: &Tensor, upstream: &Tensor) -> Result<Tensor> {
        logits.contiguous()?.apply_op2_no_bwd(&upstream.contiguous()?, &Gradient(self.clone()))
    }

    fn values_of<T: Element>(&self, logits: &CudaStorage, layout: &Layout) -> Result<Values> {
        let (device, stream) = (&logits.device, logits.device.cuda_stream());
        let logits = self.view::<T>(logits, layout)?;
        let blocks = self.blocks();
        // SAFETY: every block writes its three numbers before `add_terms` reads them.
        let mut partial = unsafe { device.alloc::<f64>(3 * blocks as usize)? };
        let kernel = self.kernel::<T>(device, Pass::Terms)?;
        let mut launch = stream.launch_builder(&kernel);
        self.arguments::<T>(&mut launch, &logits)?.arg(&mut partial);
        // SAFETY: the arguments are those of the kernel, with as many numbers as the extent says:
        // `view` has checked the logits, `LogitBatch` that targets are classes or ignored,
        // `Prepared` the numbers per class.
        unsafe { launch.launch(grid(blocks)) }.w()?;

        // SAFETY: the kernel writes all four.
        let (mut total, mut terms) =
            unsafe { (device.alloc::<T::Compute>(1)?, device.alloc::<T::Compute>(3)?) };
        let kernel = LOSSES.kernel::<T>(device, "add_terms")?;
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(&partial).arg(&blocks).arg(&self.scalars).arg(&mut total).arg(&mut terms);
        // SAFETY: the arguments are those of the kernel, three numbers a block, room for a total
        // and three terms.
        unsafe { launch.launch(grid(1)) }.w()?;
        let terms = Storage::Cuda(CudaStorage::wrap_cuda_slice(terms, device.clone()));
        Ok(Values {
            total: CudaStorage::wrap_cuda_slice(total, device.clone()),
            terms: Tensor::from_storage(terms, 3, BackpropOp::none(), false),
        })
    }

    fn gradient_of<T: Element>(
        &self,
        logits: &CudaStorage,
        layout: &Layout,
        upstream: &CudaStorage,
        at: usize,
    ) -> Result<CudaStorage> {
        let (device, stream) = (&logits.device, logits.device.cuda_stream());
        let logits = self.view::<T>(logits, layout)?;
        let upstream = upstream.as_cuda_slice::<T::Compute>()?;
        let Some(upstream) = upstream.try_slice(at..at + 1) else {
            bail!("fused loss: no upstream gradient at {at} of {}", upstream.len());
        };
        // SAFETY: the kernel writes every number.
        let mut gradient = unsafe { device.alloc::<T>(layout.shape().elem_count())? };
        let kernel = self.kernel::<T>(device, Pass::Gradient)?;
        let mut launch = stream.launch_builder(&kernel);
        self.arguments::<T>(&mut launch, &logits)?.arg(&upstream).arg(&mut gradient);
        // SAFETY: as for the values; the gradient has as many numbers as the logits, and there is
        // one upstream factor.
        unsafe { launch.launch(grid(self.blocks())) }.w()?;
        Ok(CudaStorage::wrap_cuda_slice(gradient, device.clone()))
    }

    /// Returns the logits, an error unless there are as many as the batch has.
    fn view<'a, T: Element>(
        &self,
        logits: &'a CudaStorage,
        layout: &Layout,
    ) -> Result<CudaView<'a, T>> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("fused loss of logits that are not contiguous");
        };
        let expected = self.targets.len() * self.extent.classes as usize;
        match logits.as_cuda_slice::<T>()?.try_slice(start..end) {
            Some(view) if view.len() == expected => Ok(view),
            _ => bail!("fused loss of {} logits where the batch has {expected}", end - start),
        }
    }

    /// Adds the leading arguments of both kinds of kernels.
    fn arguments<'a, 'b, T: Element>(
        &'a self,
        launch: &'b mut LaunchArgs<'a>,
        logits: &'a CudaView<'a, T>,
    ) -> Result<&'b mut LaunchArgs<'a>> {
        let per_class = self.per_class.as_cuda_slice::<T::Compute>()?;
        launch.arg(logits).arg(&self.targets).arg(&self.row_weights).arg(per_class);
        Ok(launch.arg(&self.scalars).arg(&self.extent))
    }

    fn kernel<T: Element>(&self, device: &CudaDevice, what: Pass) -> Result<CudaFunction> {
        let name = match (self.extent.positions == 1, what, self.has_penalty) {
            (true, Pass::Terms, false) => "rows_terms",
            (true, Pass::Terms, true) => "rows_terms_penalty",
            (true, Pass::Gradient, false) => "rows_gradient",
            (true, Pass::Gradient, true) => "rows_gradient_penalty",
            (false, Pass::Terms, false) => "columns_terms",
            (false, Pass::Terms, true) => "columns_terms_penalty",
            (false, Pass::Gradient, false) => "columns_gradient",
            (false, Pass::Gradient, true) => "columns_gradient_penalty",
        };
        LOSSES.kernel::<T>(device, name)
    }

    fn blocks(&self) -> u32 {
        let rows = u64::from(if self.extent.positions == 1 {
            THREADS / self.extent.width
        } else {
            THREADS
        });
        self.extent.rows.div_ceil(rows).min(MAX_BLOCKS) as u32
    }
}

/// The backward pass, with the logits and the upstream gradient as inputs.
struct Gradient(Arc<OnDevice>);

impl CustomOp2 for Gradient {
    fn name(&self) -> &'static str {
        "fused-loss-gradient"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, candle_core::Shape)> {
        bail!("the loss was computed on a CUDA device, but the logits are on the CPU");
    }

    fn cuda_fwd(
        &self,
        logits: &CudaStorage,
        layout: &Layout,
        upstream: &CudaStorage,
        upstream_layout: &Layout,
    ) -> Result<(CudaStorage, candle_core::Shape)> {
        let at = upstream_layout.start_offset();
        let gradient = match logits.dtype() {
            DType::F64 => self.0.gradient_of::<f64>(logits, layout, upstream, at)?,
            DType::F32 => self.0.gradient_of::<f32>(logits, layout, upstream, at)?,
            DType::F16 => self.0.gradient_of::<f16>(logits, layout, upstream, at)?,
            DType::BF16 => self.0.gradient_of::<bf16>(logits, layout, upstream, at)?,
            dtype => bail!("fused loss of logits in {dtype:?}"),
        };
        Ok((gradient, layout.shape().clone()))
    }
}

/// The results that a kernel computes from the rows.
#[derive(Clone, Copy)]
enum Pass {
    /// The three terms of the loss.
    Terms,
    /// The gradient of the logits.
    Gradient,
}

#[cfg(test)]
mod tests {
    use super::*;
    use mbls_cuda::{ELEMENTS, entry_points};

    /// Needs the compiler but no device.
    #[test]
    fn every_kernel_compiles_for_every_type() {
        for element in ELEMENTS {
            let ptx = match LOSSES.compile(element) {
                Err(error) if error.to_string().contains("was not found") => {
                    eprintln!("skipped: {error}");
                    return;
                }
                ptx => ptx.expect("a source that compiles"),
            };
            let expected = [
                "add_terms",
                "columns_gradient",
                "columns_gradient_penalty",
                "columns_terms",
                "columns_terms_penalty",
                "rows_gradient",
                "rows_gradient_penalty",
                "rows_terms",
                "rows_terms_penalty",
            ];
            assert_eq!(entry_points(&ptx), expected, "{element}");
        }
    }

    #[test]
    fn a_source_that_does_not_compile_is_an_error_with_the_log() {
        match LOSSES.compile("F8") {
            Err(error) if error.to_string().contains("was not found") => {
                eprintln!("skipped: {error}")
            }
            result => {
                let error = result.expect_err("no such type").to_string();
                assert!(error.contains("for F8") && error.contains("kernel.cu"), "{error}");
            }
        }
    }
}
