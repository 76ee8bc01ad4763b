mod cell;
mod counts;
mod fixed_sum;
mod large_sum;
mod numbers;
mod samples;
mod size_histogram;

pub(in crate::metric) use cell::{Cell, Tally};
pub(in crate::metric) use counts::{MAX_ROWS, add_counts};
pub use fixed_sum::FixedSum;
pub(in crate::metric) use fixed_sum::{
    out_of_range, unit_interval_units, unit_interval_units_by_parts, units_to_f64,
};
pub(in crate::metric) use large_sum::LargeSum;
pub(in crate::metric) use numbers::Numbers;
pub(in crate::metric) use samples::{Sample, Samples, samples_of};
pub(in crate::metric) use size_histogram::SizeHistogram;
