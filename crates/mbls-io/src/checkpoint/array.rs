//! Tensor data without a tensor library.

use std::borrow::Cow;

/// The element type of a tensor in a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElementType {
    /// 64-bit floating point.
    F64,
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point (IEEE binary16).
    F16,
    /// 16-bit floating point with an 8-bit exponent as in `F32` (bfloat16).
    BF16,
    /// Signed 64-bit integer.
    I64,
    /// Signed 32-bit integer.
    I32,
    /// Signed 16-bit integer.
    I16,
    /// Signed 8-bit integer.
    I8,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 8-bit integer.
    U8,
    /// Boolean of one byte: 0 is false, anything else is true.
    Bool,
}

impl ElementType {
    /// Returns the size of one element in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

/// The elements of a tensor in row-major order.
///
/// The bytes are borrowed from the checkpoint if the file stores them in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array<'a> {
    /// The element type.
    pub element: ElementType,
    /// The shape; the product of the sizes is the number of elements.
    pub shape: Vec<usize>,
    /// The elements, little-endian.
    pub bytes: Cow<'a, [u8]>,
}
