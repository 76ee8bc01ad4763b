//! How exactly products of `f32` are computed.

use candle_core::cuda_backend::set_gemm_reduced_precision_f32;
use std::sync::atomic::{AtomicBool, Ordering};

static TF32: AtomicBool = AtomicBool::new(false);

/// Whether convolutions and matrix products of `f32` may round their factors to TF32, with 10 bits
/// of mantissa, which is many times faster on NVIDIA's tensor cores. Off unless switched on; for
/// the whole process. PyTorch allows it to convolutions by default, and to matrix products on
/// request.
pub fn allow_tf32(allowed: bool) {
    TF32.store(allowed, Ordering::Relaxed);
    set_gemm_reduced_precision_f32(allowed);
}

/// What [`allow_tf32`] was last set to.
pub fn tf32_allowed() -> bool {
    TF32.load(Ordering::Relaxed)
}
