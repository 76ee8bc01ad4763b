use crate::{Error, Result};
use std::borrow::Cow;
use std::ops::Range;

/// An integer type of labels: `u8` to `u64`, `usize`, `i8` to `i64` or `isize`.
///
/// A label is the index of a class, or a number that marks its row as ignored, such as PyTorch's
/// -100 or the 255 of masks. Labels never wrap around: a negative label that is not ignored is an
/// error.
pub trait Label: sealed::Label {}

/// Borrowed labels of any [`Label`] type.
///
/// ```
/// use mbls_core::metric::Labels;
///
/// let labels = Labels::from(&[0i64, 2, -100]);
/// assert_eq!(labels.len(), 3);
/// assert_eq!(labels.range(1..3).len(), 2);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a>(pub(in crate::metric) Slice<'a>);

/// Seals the trait: only integer types implement it.
pub(in crate::metric) mod sealed {
    pub trait Label: Copy + Eq + Send + Sync + std::fmt::Debug + 'static {
        /// Returns the label as an i128, which holds every integer type.
        fn number(self) -> i128;
        /// Returns the label with a given value; `None` if the type cannot represent it.
        fn of(number: i64) -> Option<Self>;
        /// Returns the class; `None` if the label is not one of `classes`.
        fn class(self, classes: usize) -> Option<u32>;
        /// Returns the labels as a slice with a dynamic type.
        fn labels(slice: &[Self]) -> super::Labels<'_>;
    }
}

macro_rules! labels {
    ($($variant:ident $type:ty),*) => {
        /// Borrowed labels, one variant per type.
        #[derive(Clone, Copy, Debug)]
        pub(in crate::metric) enum Slice<'a> {
            $($variant(&'a [$type]),)*
        }

        $(
            impl Label for $type {}

            impl sealed::Label for $type {
                fn number(self) -> i128 {
                    self as i128
                }

                fn of(number: i64) -> Option<Self> {
                    Self::try_from(number).ok()
                }

                #[inline(always)]
                fn class(self, classes: usize) -> Option<u32> {
                    u32::try_from(self).ok().filter(|&class| (class as usize) < classes)
                }

                fn labels(slice: &[Self]) -> Labels<'_> {
                    Labels(Slice::$variant(slice))
                }
            }
        )*
    };
}

labels!(U8 u8, U16 u16, U32 u32, U64 u64, Usize usize, I8 i8, I16 i16, I32 i32, I64 i64, Isize isize);

/// Evaluates an expression with the labels as a typed slice.
macro_rules! with_slice {
    ($labels:expr, $slice:ident => $body:expr) => {
        match $labels.0 {
            $crate::metric::input::label::Slice::U8($slice) => $body,
            $crate::metric::input::label::Slice::U16($slice) => $body,
            $crate::metric::input::label::Slice::U32($slice) => $body,
            $crate::metric::input::label::Slice::U64($slice) => $body,
            $crate::metric::input::label::Slice::Usize($slice) => $body,
            $crate::metric::input::label::Slice::I8($slice) => $body,
            $crate::metric::input::label::Slice::I16($slice) => $body,
            $crate::metric::input::label::Slice::I32($slice) => $body,
            $crate::metric::input::label::Slice::I64($slice) => $body,
            $crate::metric::input::label::Slice::Isize($slice) => $body,
        }
    };
}
pub(in crate::metric) use with_slice;

impl<'a> Labels<'a> {
    /// Returns the number of labels.
    pub fn len(&self) -> usize {
        with_slice!(self, labels => labels.len())
    }

    /// Returns whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a range of the labels.
    ///
    /// # Panics
    ///
    /// Panics if the range is not within the labels.
    #[must_use]
    pub fn range(&self, range: Range<usize>) -> Self {
        with_slice!(self, labels => sealed::Label::labels(&labels[range]))
    }

    /// Copies the labels as `u32`, with `u32::MAX` for ignored ones.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for the first label that is neither ignored nor from 0 to 2^32 - 2.
    pub fn to_u32(self, ignored: &[i64]) -> Result<Vec<u32>> {
        with_slice!(self, labels => to_u32(labels, ignored, |label, row| Error::Setting {
            name: "label",
            value: format!("{label:?} at row {row}"),
            expected: "from 0 to 2^32 - 2, or one that is ignored",
        }))
    }
}

/// The value of ignored labels as `u32`, larger than any class.
const IGNORED: u32 = u32::MAX;

impl<'a, L: Label> From<&'a [L]> for Labels<'a> {
    fn from(labels: &'a [L]) -> Self {
        L::labels(labels)
    }
}

impl<'a, L: Label> From<&'a Vec<L>> for Labels<'a> {
    fn from(labels: &'a Vec<L>) -> Self {
        L::labels(labels)
    }
}

impl<'a, L: Label, const N: usize> From<&'a [L; N]> for Labels<'a> {
    fn from(labels: &'a [L; N]) -> Self {
        L::labels(labels)
    }
}

fn to_u32<L: Label>(
    labels: &[L],
    ignored: &[i64],
    wrong: impl Fn(L, usize) -> Error,
) -> Result<Vec<u32>> {
    let ignored = of_type(ignored);
    let convert = |(row, &label): (usize, &L)| match label.class(IGNORED as usize) {
        _ if ignored.contains(&label) => Ok(IGNORED),
        Some(label) => Ok(label),
        None => Err(wrong(label, row)),
    };
    labels.iter().enumerate().map(convert).collect()
}

/// Returns the ignored values that the label type can represent.
pub(crate) fn of_type<L: Label>(ignored: &[i64]) -> Vec<L> {
    ignored.iter().filter_map(|&number| L::of(number)).collect()
}

/// Creates the error for a label that is neither a class nor ignored.
pub(crate) fn not_a_class(label: impl Label, row: usize, classes: usize) -> Error {
    Error::Label { label: label.number(), row, classes }
}

/// Converts labels, none of which is ignored, to `u32`. Labels of this type are borrowed without
/// checking that they are classes; other types are checked.
pub(crate) fn classes_of<L: Label>(labels: &[L], classes: usize) -> Result<Cow<'_, [u32]>> {
    if let Slice::U32(labels) = L::labels(labels).0 {
        return Ok(Cow::Borrowed(labels));
    }
    let class = |(row, &label): (usize, &L)| {
        label.class(classes).ok_or_else(|| not_a_class(label, row, classes))
    };
    Ok(Cow::Owned(labels.iter().enumerate().map(class).collect::<Result<_>>()?))
}

/// Like [`classes_of`], for labels that may include an ignored one. Also returns the value of the
/// ignored label as `u32`.
pub(crate) fn counted_classes_of<L: Label>(
    labels: &[L],
    ignore: Option<i64>,
    classes: usize,
) -> Result<(Cow<'_, [u32]>, Option<u32>)> {
    if let Slice::U32(labels) = L::labels(labels).0 {
        return Ok((Cow::Borrowed(labels), ignore.and_then(<u32 as sealed::Label>::of)));
    }
    let labels = to_u32(labels, ignore.as_slice(), |label, row| not_a_class(label, row, classes))?;
    Ok((Cow::Owned(labels), ignore.map(|_| IGNORED)))
}

/// The classes of the labels that are not ignored and, if some are ignored, the rows of the
/// remaining ones.
pub(in crate::metric) type Counted<'a> = (Cow<'a, [u32]>, Option<Vec<usize>>);

/// Removes ignored labels.
pub(in crate::metric) fn counted<'a, L: Label>(
    labels: &'a [L],
    ignored: &[i64],
    classes: usize,
) -> Result<Counted<'a>> {
    let ignored = of_type::<L>(ignored);
    let counts = |label: &L| !ignored.contains(label);
    let wrong = |(_, label): &(usize, &L)| counts(label) && label.class(classes).is_none();
    if let Some((row, &label)) = labels.iter().enumerate().find(wrong) {
        return Err(not_a_class(label, row, classes));
    }
    if labels.iter().all(counts) {
        return Ok((classes_of(labels, classes)?, None));
    }
    let rows = labels.iter().enumerate().filter(|(_, label)| counts(label));
    Ok(rows.filter_map(|(row, label)| Some((label.class(classes)?, row))).unzip())
        .map(|(classes, rows): (Vec<u32>, Vec<usize>)| (Cow::Owned(classes), Some(rows)))
}
