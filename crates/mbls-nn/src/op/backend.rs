//! Which back end runs an operation.

use crate::cpu;
#[cfg(feature = "cuda")]
use crate::cuda;
use candle_core::Tensor;

/// An implementation of the operations.
///
/// All of them give the same results up to rounding; the portable one is what the others are tested
/// against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Candle's operations, differentiated by candle: every device and floating-point type.
    Portable,
    /// Operations of their own for `f32` and `f64` on the CPU.
    Cpu,
    /// cuDNN, cuBLAS and kernels of their own for `f16`, `bf16`, `f32` and `f64` on NVIDIA GPUs.
    #[cfg(feature = "cuda")]
    Cuda,
}

impl Backend {
    /// The fast one of the tensor's device where there is one for its type, else the portable one.
    pub fn of(x: &Tensor) -> Self {
        #[cfg(feature = "cuda")]
        if cuda::supports(x) {
            return Self::Cuda;
        }
        if cpu::supports(x) { Self::Cpu } else { Self::Portable }
    }
}

/// Calls the function by which a back end computes an operation.
///
/// Each back end has one of the same name, arguments and result; the compiler compares them here.
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
