//! The numbers of a tensor, without a tensor library.

use std::borrow::Cow;

/// A type of number that a checkpoint may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElementType {
    /// Floating point of 64 bits.
    F64,
    /// Floating point of 32 bits.
    F32,
    /// Floating point of 16 bits (IEEE binary16).
    F16,
    /// Floating point of 16 bits with the exponent of 32 bits.
    BF16,
    /// Signed integers of 64 bits.
    I64,
    /// Signed integers of 32 bits.
    I32,
    /// Signed integers of 16 bits.
    I16,
    /// Signed integers of 8 bits.
    I8,
    /// Unsigned integers of 32 bits.
    U32,
    /// Unsigned integers of 8 bits.
    U8,
    /// Truth values of one byte each: 0 is false, anything else is true.
    Bool,
}

impl ElementType {
    /// Returns the number of bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

/// The numbers of a tensor in row-major order.
///
/// They lie in the checkpoint's memory where the file has them in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array<'a> {
    /// The type of the elements.
    pub element: ElementType,
    /// The shape, whose product is the number of elements.
    pub shape: Vec<usize>,
    /// The elements, little-endian.
    pub bytes: Cow<'a, [u8]>,
}
