//! Data sets, seeded splits and a prefetching loader whose batches do not depend on the number of
//! threads.
//!
//! A [`Dataset`] returns one item for an index and a [`Seed`]; a [`Collate`] combines items into a
//! batch; the [`DataLoader`] iterates over the data set epoch by epoch, in worker threads if
//! requested. Everything random is a function of a seed and an index, so one seed gives the same
//! batches for any number of threads. [`mbls_io`] reads the files.

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
