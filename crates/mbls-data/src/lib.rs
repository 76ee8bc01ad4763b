//! Data sets, seeded splits and a prefetching loader whose batches do not depend on the number of
//! threads.
//!
//! A [`Dataset`] gives one item for an index and a [`Seed`]; a [`Collate`] makes a batch of items;
//! the [`DataLoader`] walks the data set epoch by epoch, in worker threads where asked to. Whatever
//! is random is a function of a seed and an index, so one seed gives one sequence of batches,
//! whoever computes them. Files are read with [`mbls_io`].

mod batches;
mod dataset;
mod epoch;
mod error;
mod legacy_shuffle;
mod loader;
mod seed;
mod split;

pub use batches::Batches;
pub use dataset::{Dataset, Subset};
pub use epoch::Epoch;
pub use error::{Error, Result};
pub use legacy_shuffle::LegacyShuffle;
pub use loader::{Collate, DataLoader, LoaderConfig, Order};
pub use seed::Seed;
pub use split::{random_split, stratified_split};

// The code of the README compiles as a reader would paste it.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
