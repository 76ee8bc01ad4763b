//! Selection of the back end of an operation.

use crate::cpu;
#[cfg(feature = "cuda")]
use crate::cuda;
use candle_core::Tensor;

/// An implementation of the operations.
///
/// All back ends return the same results up to rounding. The others are tested against the portable
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Candle's operations and automatic differentiation: every device and floating-point type.
    Portable,
    /// Fused operations for `f32` and `f64` on the CPU.
    Cpu,
    /// cuDNN, cuBLAS and CUDA kernels for `f16`, `bf16`, `f32` and `f64` on NVIDIA GPUs.
    #[cfg(feature = "cuda")]
    Cuda,
}

impl Backend {
    /// Returns the fast back end of the tensor's device if it supports the tensor's type, otherwise
    /// the portable one.
    pub fn of(x: &Tensor) -> Self {
        #[cfg(feature = "cuda")]
        if cuda::supports(x) {
            return Self::Cuda;
        }
        if cpu::supports(x) { Self::Cpu } else { Self::Portable }
    }
}

/// Calls a back end's function for an operation.
///
/// Each back end has a function with the same name, arguments and result, which the compiler checks
/// here.
macro_rules! dispatch {
    ($backend:expr, $operation:ident($($argument:expr),+)) => {
        match $backend {
            $crate::op::Backend::Portable => $crate::portable::$operation($($argument),+),
            $crate::op::Backend::Cpu => $crate::cpu::$operation($($argument),+),
            #[cfg(feature = "cuda")]
            $crate::op::Backend::Cuda => $crate::cuda::$operation($($argument),+),
        }
    };
}

pub(super) use dispatch;
