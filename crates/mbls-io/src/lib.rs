//! Files: read with bounds, written whole, recognised by their content.
//!
//! What readers of files share, without candle and without knowing what the files are for:
//! [`atomic`] writes a file whole or not at all; [`mod@file`] and [`mod@gzip`] read no more than a
//! limit; [`listing`] reads lists of lines and folders, and keeps paths in their folder;
//! [`delimited`] and [`LabelColumn`] turn records into labelled rows, and a [`Reading`] says how;
//! [`Fingerprint`] recognises content; [`checkpoint`] reads files of PyTorch and safetensors
//! without running them; [`BudgetCache`] keeps decoded files as far as a budget allows.
//!
//! Input is hostile: every reader bounds what it takes and ends in the crate's [`Error`], which
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
