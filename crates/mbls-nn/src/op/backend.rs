//! Which back end runs an operation.

#[cfg(feature = "cuda")]
use crate::cuda;
use crate::operations::Operations;
use crate::{cpu, portable};
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

    pub(super) fn operations(self) -> &'static dyn Operations {
        match self {
            Self::Portable => &portable::Portable,
            Self::Cpu => &cpu::Cpu,
            #[cfg(feature = "cuda")]
            Self::Cuda => &cuda::Cuda,
        }
    }
}
