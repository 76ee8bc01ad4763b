//! File input and output with bounded reads and atomic writes.
//!
//! Everything that readers of files share, without candle and without knowledge of what the files
//! contain: [`atomic`] writes a file completely or not at all; [`mod@file`] and [`mod@gzip`] read
//! no more than a limit; [`listing`] reads lists of lines and folders, and confines paths to their
//! folder; [`delimited`] and [`LabelColumn`] turn records into labelled rows, and a [`Reading`]
//! reports how; [`Fingerprint`] identifies content; [`checkpoint`] reads files of PyTorch and
//! safetensors without running them; [`BudgetCache`] caches decoded files within a budget.
//!
//! Input is untrusted: every reader bounds its memory and returns the crate's [`Error`], which
//! names the file.

pub mod atomic;
mod budget_cache;
mod by_name;
pub mod checkpoint;
pub mod delimited;
mod error;
pub mod file;
mod fingerprint;
pub mod gzip;
mod label_column;
pub mod listing;
mod on_error;
mod part_names;
mod reading;

pub use budget_cache::BudgetCache;
pub use by_name::by_name;
pub use error::{Error, Result, with_causes};
pub use fingerprint::Fingerprint;
pub use label_column::{Classes, Label, LabelColumn, LabelReading, Labels, Written};
pub use on_error::OnError;
pub use part_names::{PartEntries, PartName};
pub use reading::{LeftOut, MultiLine, Reading};

// The code of the README compiles as a reader would paste it.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
