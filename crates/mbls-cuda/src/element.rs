//! Storage types of numbers.

use candle_core::cuda_backend::CudaDType;
use candle_core::cuda_backend::cudarc::driver::DeviceRepr;
use half::{bf16, f16};

/// The names of all types for which a source is compiled.
pub const ELEMENTS: [&str; 4] = [
    <f64 as Element>::NAME,
    <f32 as Element>::NAME,
    <f16 as Element>::NAME,
    <bf16 as Element>::NAME,
];

/// A storage type of numbers on the device.
pub trait Element: CudaDType + DeviceRepr {
    /// The name of the type in module names and in the source, where `STORED_` followed by this
    /// name is defined.
    const NAME: &'static str;

    /// The position in [`ELEMENTS`].
    const INDEX: usize;
}

macro_rules! element {
    ($type:ty, $index:literal, $name:literal) => {
        impl Element for $type {
            const NAME: &'static str = $name;
            const INDEX: usize = $index;
        }
    };
}

element!(f64, 0, "F64");
element!(f32, 1, "F32");
element!(f16, 2, "F16");
element!(bf16, 3, "BF16");

/// Evaluates an expression with `$t` bound to the storage type, or fails with an error that calls
/// the operations `$what`.
#[macro_export]
macro_rules! for_element {
    ($what:literal, $dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F16 => {
                type $t = half::f16;
                $body
            }
            candle_core::DType::BF16 => {
                type $t = half::bf16;
                $body
            }
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => candle_core::bail!("type {other:?}: {} handle f16, bf16, f32 and f64", $what),
        }
    };
}
