use crate::{Error, Result};

/// The maximum number of rows of a metric, far below the number at which its sums of counts and
/// gaps could overflow.
pub(in crate::metric) const MAX_ROWS: u64 = 1 << 47;

/// Adds two counts of rows.
pub(in crate::metric) fn add_counts(a: u64, b: u64) -> Result<u64> {
    a.checked_add(b).filter(|sum| *sum <= MAX_ROWS).ok_or_else(|| Error::Accumulator {
        what: "count of rows",
        value: format!("{a} + {b}"),
        expected: "at most 2^47",
    })
}
