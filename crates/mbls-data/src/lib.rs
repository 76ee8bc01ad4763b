//! Data sets, seeded splits and a prefetching loader whose batches do not depend on the number of threads.
//!
//! A [`Dataset`] gives one item for an index and a [`Seed`]; a [`Collate`] makes a batch of items; the [`DataLoader`] walks
//! the data set epoch by epoch, in worker threads where asked to. Whatever is random is a function of a seed and an index,
//! so one seed gives one sequence of batches, whoever computes them. [`mod@file`], [`mod@gzip`], [`delimited`], [`LabelColumn`] and
//! [`listing`] hold what readers of data files share; a [`Reading`] says what such a reader found.

mod batches;
mod dataset;
pub mod delimited;
mod epoch;
mod error;
pub mod file;
pub mod gzip;
mod label_column;
mod legacy_shuffle;
pub mod listing;
mod loader;
mod on_error;
mod part_names;
mod reading;
mod seed;
mod split;

pub use batches::Batches;
pub use dataset::{Dataset, Subset};
pub use epoch::Epoch;
pub use error::{Error, Result};
pub use label_column::{Classes, Label, LabelColumn, LabelReading, Labels, Written};
pub use legacy_shuffle::LegacyShuffle;
pub use loader::{Collate, DataLoader, LoaderConfig, Order};
pub use on_error::OnError;
pub use part_names::{PartEntries, PartName};
pub use reading::{LeftOut, MultiLine, Reading};
pub use seed::Seed;
pub use split::{random_split, stratified_split};
