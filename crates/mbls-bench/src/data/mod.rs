//! Where a suite's data comes from, and its splits.

mod class_counts;
mod parts;
mod sizes;
mod source;
mod spec;
mod splits;

pub(crate) use class_counts::{ClassCounts, Counted, PartCounts};
pub(crate) use parts::unused;
pub(crate) use sizes::Sizes;
pub(crate) use source::Source;
use spec::{CandleOrigin, CandleSet, FolderParts};
pub(crate) use spec::{DataSpec, TaskKind, locate, missing};
pub(crate) use splits::for_testing;
