//! The device on which a benchmark runs.

use crate::spec::Precision;
use anyhow::{Context, Result, bail};
use candle_core::Device;

/// The values of `--device`.
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
    /// Returns the device and its name in results.
    ///
    /// # Errors
    ///
    /// If the program was not built for the device or the machine does not have it.
    pub(crate) fn open(self) -> Result<(Device, &'static str)> {
        match self {
            Self::Cpu => Ok((Device::Cpu, "cpu")),
            Self::Cuda => {
                let device =
                    Device::new_cuda(0).context("--device cuda: no CUDA device can be used")?;
                #[cfg(feature = "cuda")]
                {
                    mbls_nn::keep_memory(&device, u64::MAX)?;
                    // SAFETY: this program never opens a second stream.
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

/// Sets the precision of all later computations on the device.
///
/// # Errors
///
/// Any precision other than f32 on a device that is not an NVIDIA GPU.
pub(crate) fn prepare(device: &Device, precision: Precision) -> Result<()> {
    match precision {
        Precision::Tf32 | Precision::Bf16 if !device.is_cuda() => {
            let [found, place] = [
                format!("{precision:?}").to_lowercase(),
                format!("{:?}", device.location()).to_lowercase(),
            ];
            bail!(
                "recipe.precision = \"{found}\": expected \"f32\" on the device {place}; the others require cuda"
            )
        }
        #[cfg(feature = "cuda")]
        _ => mbls_nn::allow_tf32(precision == Precision::Tf32),
        #[cfg(not(feature = "cuda"))]
        _ => {}
    }
    Ok(())
}
