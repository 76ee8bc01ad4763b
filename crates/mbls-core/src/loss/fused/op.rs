use super::Sums;
#[cfg(feature = "cuda")]
use super::cuda::OnDevice;
use super::plan::{Plan, Prepared};
use super::run::{Stored, run};
use crate::Result;
use crate::loss::LogitBatch;
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Tensor, WithDType};
use std::sync::{Arc, OnceLock};

/// `[total, base]` of a batch, or `[total, base, second]` where the plan has a second term; the total can be differentiated.
pub(super) fn apply(batch: &LogitBatch, plan: &Plan) -> Result<Tensor> {
    let source = batch.source().contiguous()?;
    let op = FusedLoss {
        single: Prepared::new(plan, batch)?,
        double: Prepared::new(plan, batch)?,
        plan: plan.clone(),
        classes: batch.classes(),
        positions: batch.targets().len() / source.dims()[0],
        targets: batch.shared_targets(),
        wants_gradient: source.track_op(),
        gradient: OnceLock::new(),
        #[cfg(feature = "cuda")]
        on_device: OnceLock::new(),
    };
    Ok(source.apply_op1(op)?)
}

struct FusedLoss {
    plan: Plan,
    single: Prepared<f32>,
    double: Prepared<f64>,
    classes: usize,
    positions: usize,
    targets: Arc<[u32]>,
    wants_gradient: bool,
    /// That of the total, kept by the forward pass.
    gradient: OnceLock<Tensor>,
    /// What the backward pass needs, kept by the forward pass on a CUDA device.
    #[cfg(feature = "cuda")]
    on_device: OnceLock<Arc<OnDevice>>,
}

impl FusedLoss {
    fn run<T: Stored + WithDType>(
        &self,
        logits: &[T],
        layout: &Layout,
        plan: &Prepared<T::Compute>,
    ) -> candle_core::Result<Vec<f64>> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("fused loss of logits that are not contiguous");
        };
        let shape = [self.classes, self.positions];
        let (sums, gradient) = run(&logits[start..end], shape, &self.targets, plan, self.wants_gradient);
        if let Some(gradient) = gradient {
            // Only a second forward pass of one op could have set it before, and to the same.
            let _ = self.gradient.set(Tensor::from_vec(gradient, layout.shape(), &Device::Cpu)?);
        }
        Ok(self.values(sums))
    }

    fn values(&self, Sums { base, second }: Sums) -> Vec<f64> {
        let total = self.plan.base_weight * base;
        match self.plan.second {
            super::Second::None => vec![total, base],
            _ => vec![total + self.plan.second_weight * second, base, second],
        }
    }
}

impl CustomOp1 for FusedLoss {
    fn name(&self) -> &'static str {
        "fused-loss"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let single = |values: Vec<f64>| CpuStorage::F32(values.into_iter().map(|value| value as f32).collect());
        let (values, count) = match storage {
            CpuStorage::F64(logits) => {
                let values = self.run(logits, layout, &self.double)?;
                let count = values.len();
                (CpuStorage::F64(values), count)
            }
            CpuStorage::F32(logits) => {
                let values = self.run(logits, layout, &self.single)?;
                let count = values.len();
                (single(values), count)
            }
            CpuStorage::F16(logits) => {
                let values = self.run(logits, layout, &self.single)?;
                let count = values.len();
                (single(values), count)
            }
            CpuStorage::BF16(logits) => {
                let values = self.run(logits, layout, &self.single)?;
                let count = values.len();
                (single(values), count)
            }
            _ => candle_core::bail!("fused loss of logits that are no floating-point numbers"),
        };
        Ok((values, count.into()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        storage: &candle_core::CudaStorage,
        layout: &Layout,
    ) -> candle_core::Result<(candle_core::CudaStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        let (device, shape) = (&storage.device, [self.classes, self.positions]);
        let on_device = match storage.dtype() {
            candle_core::DType::F64 => OnDevice::new(device, &self.plan, &self.double, shape, &self.targets)?,
            _ => OnDevice::new(device, &self.plan, &self.single, shape, &self.targets)?,
        };
        let values = on_device.values(storage, layout)?;
        if self.wants_gradient {
            // As on the CPU.
            let _ = self.on_device.set(on_device.into());
        }
        Ok((values, 3.into()))
    }

    /// The gradient of the total, times that of what is made of it: the terms are for logs.
    #[cfg_attr(not(feature = "cuda"), allow(unused_variables, reason = "only kernels on a device read logits again"))]
    fn bwd(&self, logits: &Tensor, _: &Tensor, upstream: &Tensor) -> candle_core::Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if let Some(on_device) = self.on_device.get() {
            return on_device.gradient(logits, &upstream.get(0)?).map(Some);
        }
        let Some(gradient) = self.gradient.get() else { return Ok(None) };
        let factor = upstream.get(0)?.to_dtype(candle_core::DType::F64)?.to_scalar::<f64>()?;
        Ok(Some(if factor == 1.0 { gradient.clone() } else { gradient.affine(factor, 0.0)? }))
    }
}
