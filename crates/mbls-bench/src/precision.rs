//! What numbers a network is computed in.

use anyhow::{Result, bail};
use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};

/// What numbers a network is computed in; losses, metrics and the steps of optimizers are in `f32` or better in every case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 32 bits; convolutions and products round their factors to 10 bits of mantissa. NVIDIA's GPUs alone.
    Tf32,
    /// bfloat16, with weights that the optimizer keeps in 32 bits. NVIDIA's GPUs alone.
    Bf16,
}

impl Precision {
    /// Whether it is the one that is not mentioned.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The type of weights and pictures.
    pub(crate) fn dtype(self) -> DType {
        match self {
            Self::F32 | Self::Tf32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }

    /// Makes what runs on the device from here on run in this precision.
    ///
    /// # Errors
    ///
    /// Anything but 32 bits on a device other than an NVIDIA GPU.
    pub(crate) fn prepare(self, device: &Device) -> Result<()> {
        match self {
            Self::Tf32 | Self::Bf16 if !device.is_cuda() => {
                let [found, place] =
                    [format!("{self:?}").to_lowercase(), format!("{:?}", device.location()).to_lowercase()];
                bail!("recipe.precision = \"{found}\": expected \"f32\" on the device {place}; the others are for cuda")
            }
            #[cfg(feature = "cuda")]
            _ => mbls_nn::allow_tf32(self == Self::Tf32),
            #[cfg(not(feature = "cuda"))]
            _ => {}
        }
        Ok(())
    }
}
