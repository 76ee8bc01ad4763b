//! Where a suite's data comes from, and its splits.

mod source;
mod spec;
mod splits;

pub(crate) use source::{Sizes, Source};
use spec::{CandleOrigin, CandleSet};
pub(crate) use spec::{DataSpec, locate, missing};
pub(crate) use splits::for_testing;
