//! Element-wise updates in place.

use candle_core::{CpuStorage, DType, InplaceOp3, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;

/// Elements per task; results do not depend on it.
const CHUNK: usize = 1 << 15;

/// Whether [`update`] can run: `f32` and `f64` on the CPU.
pub(super) fn supports(var: &Var) -> bool {
    var.device().is_cpu() && matches!(var.dtype(), DType::F32 | DType::F64)
}

/// `dst[i] <- rule(dst[i], a[i], b[i])`, computed in `f64` and rounded once.
pub(super) fn update(dst: &Var, a: &Tensor, b: &Tensor, rule: impl Fn(f64, f64, f64) -> f64 + Sync) -> Result<()> {
    dst.inplace_op3(a, b, &Rule(rule))
}

struct Rule<F>(F);

impl<F: Fn(f64, f64, f64) -> f64 + Sync> Rule<F> {
    fn run<T: Copy + Send + Sync>(
        &self,
        (dst, a, b): (&mut [T], &[T], &[T]),
        wide: impl Fn(T) -> f64 + Sync,
        narrow: impl Fn(f64) -> T + Sync,
    ) {
        let chunks = dst.par_chunks_mut(CHUNK).zip(a.par_chunks(CHUNK)).zip(b.par_chunks(CHUNK));
        chunks.for_each(|((dst, a), b)| {
            for ((dst, &a), &b) in dst.iter_mut().zip(a).zip(b) {
                *dst = narrow((self.0)(wide(*dst), wide(a), wide(b)));
            }
        });
    }
}

impl<F: Fn(f64, f64, f64) -> f64 + Sync> InplaceOp3 for Rule<F> {
    fn name(&self) -> &'static str {
        "element-wise update"
    }

    fn cpu_fwd(
        &self,
        dst: &mut CpuStorage,
        dst_layout: &Layout,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<()> {
        let offsets = [dst_layout, a_layout, b_layout].map(Layout::contiguous_offsets);
        let [Some((d0, d1)), Some((a0, a1)), Some((b0, b1))] = offsets else {
            bail!("element-wise update of a tensor that is not contiguous");
        };
        match (dst, a, b) {
            (CpuStorage::F32(dst), CpuStorage::F32(a), CpuStorage::F32(b)) => {
                self.run((&mut dst[d0..d1], &a[a0..a1], &b[b0..b1]), f64::from, |v| v as f32);
            }
            (CpuStorage::F64(dst), CpuStorage::F64(a), CpuStorage::F64(b)) => {
                self.run((&mut dst[d0..d1], &a[a0..a1], &b[b0..b1]), |v| v, |v| v);
            }
            (dst, a, b) => bail!(
                "element-wise update of {:?} with {:?} and {:?}, expected f32 or f64 throughout",
                candle_core::backend::BackendStorage::dtype(dst),
                candle_core::backend::BackendStorage::dtype(a),
                candle_core::backend::BackendStorage::dtype(b)
            ),
        }
        Ok(())
    }
}
