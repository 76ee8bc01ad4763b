//! Checks that accumulators and batches agree in their settings and number of classes.

use crate::{Error, Result};

/// Returns an error if a batch has a different number of classes than the batches before it.
pub(in crate::metric) fn same_classes(
    what: &'static str,
    before: Option<usize>,
    found: usize,
) -> Result<()> {
    match before {
        Some(classes) if classes != found => Err(Error::Shape {
            what,
            expected: format!("{classes} classes, as before"),
            found: format!("{found} classes"),
        }),
        _ => Ok(()),
    }
}

/// Returns an error if a setting of two accumulators differs.
pub(in crate::metric) fn same<T: PartialEq + std::fmt::Debug>(
    name: &'static str,
    left: T,
    right: T,
) -> Result<()> {
    if left == right {
        Ok(())
    } else {
        Err(Error::Merge { name, left: format!("{left:?}"), right: format!("{right:?}") })
    }
}
