use super::masked::check_logits;
use crate::{Error, Result};

/// Validated rows of logits without labels. A logit of minus infinity masks its class in that row.
///
/// # Shapes
///
/// `[rows, classes]` in row-major order.
///
/// ```
/// use mbls_core::metric::LogitRows;
///
/// let rows = LogitRows::new(&[2.0, 0.0, 1.0, 1.0], 2)?;
/// assert_eq!((rows.rows(), rows.row(1)), (2, &[1.0, 1.0][..]));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitRows<'a> {
    logits: &'a [f32],
    classes: usize,
}

/// `classes`, where rows can have so many: a class must fit into u32, the type of a label.
pub(crate) fn check_classes(classes: usize) -> Result<usize> {
    if classes >= 2 && u32::try_from(classes).is_ok() {
        return Ok(classes);
    }
    Err(Error::Setting { name: "classes", value: classes.to_string(), expected: "from 2 to 2^32 - 1" })
}

impl<'a> LogitRows<'a> {
    /// Checks logits.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than two classes, [`Error::Shape`] where the length is no multiple of them,
    /// [`Error::Value`] for a logit of NaN or plus infinity and for a row whose logits are all minus infinity.
    pub fn new(logits: &'a [f32], classes: usize) -> Result<Self> {
        check_classes(classes)?;
        if !logits.len().is_multiple_of(classes) {
            let (expected, found) = (format!("rows of {classes} classes"), format!("{} values", logits.len()));
            return Err(Error::Shape { what: "logits", expected, found });
        }
        check_logits(logits, classes)?;
        Ok(Self { logits, classes })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.logits.len() / self.classes
    }

    /// The number of classes, at least 2.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The logits of a row.
    ///
    /// # Panics
    ///
    /// As indexing does, where `row` is not below [`rows`](Self::rows).
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.logits[row * self.classes..][..self.classes]
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        self.logits.chunks_exact(self.classes)
    }
}

/// The largest logit of a row, how far the next one is below it, and how far the smallest one that is not masked.
pub(super) struct Spread {
    pub(super) max: f64,
    /// Infinite where all other classes are masked.
    pub(super) gap: f64,
    pub(super) range: f64,
}

impl Spread {
    pub(super) fn of(row: &[f32]) -> Self {
        let (mut first, mut second, mut last) = (f32::NEG_INFINITY, f32::NEG_INFINITY, f32::INFINITY);
        for &logit in row {
            (first, second) = if logit > first { (logit, first) } else { (first, second.max(logit)) };
            last = if logit > f32::NEG_INFINITY { last.min(logit) } else { last };
        }
        let max = f64::from(first);
        Self { max, gap: max - f64::from(second), range: max - f64::from(last) }
    }
}
