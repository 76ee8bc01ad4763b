//! Helpers shared by the tests of several mbls crates: reading golden files and fixtures, finding
//! real data sets, networks whose weights follow from their names, gradients by finite differences.

mod data;
mod device;
pub mod golden;
pub mod gradient;
pub mod procedural;
pub mod segmentation;

pub use data::data;
pub use device::device;
