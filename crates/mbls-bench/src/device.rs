//! The device a benchmark runs on.

use crate::spec::Precision;
use anyhow::{Context, Result, bail};
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
                let device =
                    Device::new_cuda(0).context("--device cuda: no CUDA device can be used")?;
                #[cfg(feature = "cuda")]
                {
                    mbls_nn::keep_memory(&device, u64::MAX)?;
                    // SAFETY: nothing here opens a second stream.
                    unsafe { mbls_nn::without_events(&device)? };
                }
                Ok((device, "cuda"))
            }
            Self::Metal => Ok((
                Device::new_metal(0).context("--device metal: no Metal device can be used")?,
                "metal",
            )),
            Self::Auto if cfg!(feature = "cuda") => Self::Cuda.open(),
            Self::Auto if cfg!(feature = "metal") => Self::Metal.open(),
            Self::Auto => Self::Cpu.open(),
        }
    }
}

/// Makes what runs on the device from here on run in this precision.
///
/// # Errors
///
/// Anything but 32 bits on a device other than an NVIDIA GPU.
pub(crate) fn prepare(device: &Device, precision: Precision) -> Result<()> {
    match precision {
        Precision::Tf32 | Precision::Bf16 if !device.is_cuda() => {
            let [found, place] = [
                format!("{precision:?}").to_lowercase(),
                format!("{:?}", device.location()).to_lowercase(),
            ];
            bail!(
                "recipe.precision = \"{found}\": expected \"f32\" on the device {place}; the others are for cuda"
            )
        }
        #[cfg(feature = "cuda")]
        _ => mbls_nn::allow_tf32(precision == Precision::Tf32),
        #[cfg(not(feature = "cuda"))]
        _ => {}
    }
    Ok(())
}
