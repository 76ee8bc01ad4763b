//! The device a benchmark runs on.

use anyhow::{Context, Result};
use candle_core::Device;

/// What the command line may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DeviceChoice {
    /// The processor.
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
    /// The GPU of an Apple machine.
    Metal,
    /// The device that the program was built for.
    Auto,
}

impl DeviceChoice {
    /// The device and its name in results.
    ///
    /// # Errors
    ///
    /// A device that the program was not built for, or that the machine does not have.
    pub(crate) fn open(self) -> Result<(Device, &'static str)> {
        match self {
            Self::Cpu => Ok((Device::Cpu, "cpu")),
            Self::Cuda => {
                let device = Device::new_cuda(0).context("--device cuda: no CUDA device can be used")?;
                #[cfg(feature = "cuda")]
                {
                    mbls_nn::keep_memory(&device, u64::MAX)?;
                    // SAFETY: nothing here opens a second stream.
                    unsafe { mbls_nn::without_events(&device)? };
                }
                Ok((device, "cuda"))
            }
            Self::Metal => Ok((Device::new_metal(0).context("--device metal: no Metal device can be used")?, "metal")),
            Self::Auto if cfg!(feature = "cuda") => Self::Cuda.open(),
            Self::Auto if cfg!(feature = "metal") => Self::Metal.open(),
            Self::Auto => Self::Cpu.open(),
        }
    }
}
