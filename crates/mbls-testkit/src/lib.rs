//! What the tests of several mbls crates share: reading golden files, networks whose weights follow from their names, gradients by
//! finite differences.

mod device;
pub mod golden;
pub mod gradient;
pub mod procedural;

pub use device::device;
