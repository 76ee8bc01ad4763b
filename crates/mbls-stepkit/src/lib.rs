//! Training steps for the tests and benchmarks of the crates that have networks: [`published`]
//! compares them with those of the published code, [`timing`] is the program of the benchmarks
//! `step`.

pub mod published;
pub mod timing;

/// An error of any kind: tests and benchmarks only show it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
