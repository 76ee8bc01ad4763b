//! What all tasks do with their data: find it, size its parts, count its classes.

mod class_counts;
mod locate;
mod parts;
mod sizes;

pub(crate) use class_counts::{ClassCounts, Counted, PartCounts};
pub(crate) use locate::{locate, missing};
pub(crate) use parts::unused;
pub(crate) use sizes::Sizes;
