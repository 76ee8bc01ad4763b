//! Precision of a network's computation.

use candle_core::DType;
use serde::{Deserialize, Serialize};

/// Precision of a network's computation. Losses, metrics and optimizer steps always use `f32` or
/// better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floating point.
    #[default]
    F32,
    /// 32-bit floating point; convolutions and matrix products round their inputs to a 10-bit
    /// mantissa. NVIDIA GPUs only.
    Tf32,
    /// bfloat16, with a 32-bit copy of the weights in the optimizer. NVIDIA GPUs only.
    Bf16,
}

impl Precision {
    /// Returns whether this is the default, which is not serialised.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the data type of weights and images.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 | Self::Tf32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}
