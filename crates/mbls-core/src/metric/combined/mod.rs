//! Combinations of metrics, and metrics chosen at run time.

mod any;
mod ignoring_labels;
mod set;
mod spec;
mod tuple;

pub use any::{AnyMetric, MetricValue};
pub use ignoring_labels::IgnoringLabels;
pub use set::{MetricSet, NamedValue};
pub use spec::MetricSpec;
