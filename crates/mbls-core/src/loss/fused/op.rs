#[cfg(feature = "cuda")]
use super::cuda::{OnDevice, Values as DeviceValues};
use super::plan::{Plan, Prepared};
use super::run::run;
use super::stored::Stored;
use crate::Result;
use crate::loss::LogitBatch;
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor, WithDType};
use std::sync::{Arc, OnceLock};

/// The values of a batch: scalars in f64 for logits in f64, otherwise in f32.
pub(super) struct Values {
    /// The weighted sum of the terms, differentiable.
    pub(super) total: Tensor,
    /// The values of the terms, without their weights; undefined for terms that the plan lacks.
    pub(super) terms: [Tensor; 3],
}

/// Computes the values of a batch, and the gradient if it will be needed.
pub(super) fn apply(batch: &LogitBatch, plan: &Plan) -> Result<Values> {
    let source = batch.source().contiguous()?;
    let kept = Arc::new(Kept::default());
    let numbers = match source.dtype() {
        DType::F64 => Numbers::Double(Prepared::new(plan, batch)?),
        _ => Numbers::Single(Prepared::new(plan, batch)?),
    };
    let op = FusedLoss {
        numbers,
        weights: plan.terms().map(|term| term.map(|(_, weight)| weight)),
        shape: [batch.classes(), batch.targets().len() / source.dims()[0]],
        targets: batch.shared_targets(),
        wants_gradient: source.track_op(),
        kept: kept.clone(),
    };
    let total = source.apply_op1(op)?;
    match kept.terms.get() {
        Some(terms) => Ok(Values { total, terms: terms.clone() }),
        None => Err(candle_core::Error::Msg(
            "the fused loss has no terms after its forward pass".into(),
        )
        .into()),
    }
}

/// The results of the forward pass besides the total.
#[derive(Default)]
struct Kept {
    terms: OnceLock<[Tensor; 3]>,
    /// The gradient of the total with respect to the logits.
    gradient: OnceLock<Tensor>,
    /// The inputs of the backward pass, stored by the forward pass on a CUDA device.
    #[cfg(feature = "cuda")]
    on_device: OnceLock<Arc<OnDevice>>,
}

/// The plan in the type that the loss is computed in.
enum Numbers {
    Single(Prepared<f32>),
    Double(Prepared<f64>),
}

struct FusedLoss {
    numbers: Numbers,
    /// The weights of the terms; `None` for a missing one.
    weights: [Option<f64>; 3],
    /// Classes and positions of an image.
    shape: [usize; 2],
    targets: Arc<[u32]>,
    wants_gradient: bool,
    kept: Arc<Kept>,
}

impl FusedLoss {
    /// Computes the total; stores terms and gradient.
    fn run<T: Stored + WithDType>(
        &self,
        logits: &[T],
        layout: &Layout,
        numbers: &Prepared<T::Compute>,
    ) -> candle_core::Result<T::Compute>
    where
        T::Compute: WithDType,
    {
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("fused loss of logits that are not contiguous");
        };
        let (sums, gradient) =
            run(&logits[start..end], self.shape, &self.targets, numbers, self.wants_gradient);
        let sums = sums.terms();
        let term = |value| Tensor::new(T::Compute::from_f64(value), &Device::Cpu);
        // An op runs forward once; a second run would store the same.
        let _ = self.kept.terms.set([term(sums[0])?, term(sums[1])?, term(sums[2])?]);
        if let Some(gradient) = gradient {
            let _ =
                self.kept.gradient.set(Tensor::from_vec(gradient, layout.shape(), &Device::Cpu)?);
        }
        let weighted =
            self.weights.iter().zip(sums).filter_map(|(weight, sum)| Some((*weight)? * sum));
        Ok(T::Compute::from_f64(weighted.sum()))
    }
}

impl CustomOp1 for FusedLoss {
    fn name(&self) -> &'static str {
        "fused-loss"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let total = match (storage, &self.numbers) {
            (CpuStorage::F64(logits), Numbers::Double(plan)) => {
                CpuStorage::F64(vec![self.run(logits, layout, plan)?])
            }
            (CpuStorage::F32(logits), Numbers::Single(plan)) => {
                CpuStorage::F32(vec![self.run(logits, layout, plan)?])
            }
            (CpuStorage::F16(logits), Numbers::Single(plan)) => {
                CpuStorage::F32(vec![self.run(logits, layout, plan)?])
            }
            (CpuStorage::BF16(logits), Numbers::Single(plan)) => {
                CpuStorage::F32(vec![self.run(logits, layout, plan)?])
            }
            _ => candle_core::bail!("fused loss of logits that are not floating-point numbers"),
        };
        Ok((total, Shape::from(())))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        storage: &candle_core::CudaStorage,
        layout: &Layout,
    ) -> candle_core::Result<(candle_core::CudaStorage, Shape)> {
        let (device, weight) = (&storage.device, self.weights[2]);
        let on_device = match &self.numbers {
            Numbers::Single(numbers) => {
                OnDevice::new(device, numbers, weight, self.shape, &self.targets)?
            }
            Numbers::Double(numbers) => {
                OnDevice::new(device, numbers, weight, self.shape, &self.targets)?
            }
        };
        let DeviceValues { total, terms } = on_device.values(storage, layout)?;
        // As on the CPU.
        let _ = self.kept.terms.set([terms.get(0)?, terms.get(1)?, terms.get(2)?]);
        if self.wants_gradient {
            let _ = self.kept.on_device.set(on_device.into());
        }
        Ok((total, Shape::from(())))
    }

    /// Returns the gradient of the total times the upstream gradient.
    #[cfg_attr(
        not(feature = "cuda"),
        allow(unused_variables, reason = "only kernels on a device read logits again")
    )]
    fn bwd(
        &self,
        logits: &Tensor,
        _: &Tensor,
        upstream: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if let Some(on_device) = self.kept.on_device.get() {
            return on_device.gradient(logits, upstream).map(Some);
        }
        let Some(gradient) = self.kept.gradient.get() else { return Ok(None) };
        let factor = upstream.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        Ok(Some(if factor == 1.0 { gradient.clone() } else { gradient.affine(factor, 0.0)? }))
    }
}
