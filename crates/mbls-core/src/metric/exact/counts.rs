use crate::{Error, Result};

/// The most rows a metric takes: far from where the sums of its counts and gaps would overflow.
pub(in crate::metric) const MAX_ROWS: u64 = 1 << 47;

/// The sum of two counts.
pub(in crate::metric) fn add_counts(a: u64, b: u64) -> Result<u64> {
    a.checked_add(b).filter(|sum| *sum <= MAX_ROWS).ok_or_else(|| Error::Accumulator {
        what: "count of rows",
        value: format!("{a} + {b}"),
        expected: "at most 2^47",
    })
}
