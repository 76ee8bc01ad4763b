//! What numbers a network is computed in.

use candle_core::DType;
use serde::{Deserialize, Serialize};

/// What numbers a network is computed in; losses, metrics and the steps of optimizers are in `f32`
/// or better in every case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 32 bits; convolutions and products round their factors to 10 bits of mantissa. NVIDIA's GPUs
    /// alone.
    Tf32,
    /// bfloat16, with weights that the optimizer keeps in 32 bits. NVIDIA's GPUs alone.
    Bf16,
}

impl Precision {
    /// Whether it is the one that is not mentioned.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the type of weights and images.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 | Self::Tf32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}
