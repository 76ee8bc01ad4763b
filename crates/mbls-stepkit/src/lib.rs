//! Training steps of networks for tests and benchmarks: [`published`] compares them with those of
//! the published code, [`timing`] is the program of the `step` benchmarks.

pub mod published;
pub mod timing;

/// The result type; tests and benchmarks only print the error, which can be of any kind.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
