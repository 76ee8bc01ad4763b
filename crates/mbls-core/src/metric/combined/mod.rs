//! Several metrics as one, and metrics that are chosen when the program runs.

mod any;
mod ignoring_labels;
mod set;
mod spec;
mod tuple;

pub use any::{AnyMetric, MetricValue};
pub use ignoring_labels::IgnoringLabels;
pub use set::{MetricSet, NamedValue};
pub use spec::MetricSpec;
