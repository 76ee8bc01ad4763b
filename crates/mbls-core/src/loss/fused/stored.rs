use crate::simd::Real;
use half::{bf16, f16};

/// A type that logits are stored in, with the type their loss is computed in.
pub(super) trait Stored: Copy + Send + Sync + Default {
    type Compute: Real;

    fn load(self) -> Self::Compute;

    fn store(value: Self::Compute) -> Self;
}

macro_rules! stored {
    ($type:ident as $compute:ident, $load:expr, $store:expr) => {
        impl Stored for $type {
            type Compute = $compute;

            #[inline(always)]
            fn load(self) -> $compute {
                $load(self)
            }

            #[inline(always)]
            fn store(value: $compute) -> Self {
                $store(value)
            }
        }
    };
}

stored!(f32 as f32, std::convert::identity, std::convert::identity);
stored!(f64 as f64, std::convert::identity, std::convert::identity);
stored!(bf16 as f32, bf16::to_f32, bf16::from_f32);
stored!(f16 as f32, f16::to_f32, f16::from_f32);
