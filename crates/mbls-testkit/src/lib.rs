//! What the tests of several mbls crates share: reading golden files and checking gradients by finite differences.

mod device;
pub mod golden;
pub mod gradient;

pub use device::device;
