//! Where a suite's data comes from, and its splits.

mod sizes;
mod source;
mod spec;
mod splits;

pub(crate) use sizes::Sizes;
pub(crate) use source::Source;
use spec::{CandleOrigin, CandleSet};
pub(crate) use spec::{DataSpec, TaskKind, locate, missing};
pub(crate) use splits::for_testing;
