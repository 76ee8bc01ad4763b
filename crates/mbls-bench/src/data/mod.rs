//! Operations on data shared by all tasks: locating it, sizing its parts, counting its classes.

mod class_counts;
mod locate;
mod parts;
mod sizes;
mod stored_images;
mod too_small;

pub(crate) use class_counts::{ClassCounts, Counted, PartCounts};
pub(crate) use locate::{locate, missing};
pub(crate) use parts::unused;
pub(crate) use sizes::Sizes;
pub(crate) use stored_images::{Facts, stored_images};
pub(crate) use too_small::too_small;
