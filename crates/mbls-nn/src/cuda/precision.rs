//! Precision of `f32` products.

use candle_core::cuda_backend::set_gemm_reduced_precision_f32;
use std::sync::atomic::{AtomicBool, Ordering};

static TF32: AtomicBool = AtomicBool::new(false);

/// Sets whether convolutions and matrix products of `f32` may round their factors to TF32, with 10
/// bits of mantissa, which is many times faster on NVIDIA's tensor cores. The setting is off by
/// default and applies to the whole process. PyTorch allows TF32 for convolutions by default, and
/// for matrix products on request.
pub fn allow_tf32(allowed: bool) {
    TF32.store(allowed, Ordering::Relaxed);
    set_gemm_reduced_precision_f32(allowed);
}

/// Returns the last value set with [`allow_tf32`].
pub fn tf32_allowed() -> bool {
    TF32.load(Ordering::Relaxed)
}
