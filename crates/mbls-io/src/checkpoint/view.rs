//! Tensors as strided views of storages.

use super::array::{Array, ElementType};
use super::values::{Id, Parsed, Values};
use std::borrow::Cow;
use std::ops::Range;

/// The element type of a storage in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Element {
    /// A type that can be read.
    Known(ElementType),
    /// Another type, of this size in bytes.
    Unknown(usize),
}

impl Element {
    /// Returns the element type of a PyTorch storage class.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "DoubleStorage" => Self::Known(ElementType::F64),
            "FloatStorage" => Self::Known(ElementType::F32),
            "HalfStorage" => Self::Known(ElementType::F16),
            "BFloat16Storage" => Self::Known(ElementType::BF16),
            "LongStorage" => Self::Known(ElementType::I64),
            "IntStorage" => Self::Known(ElementType::I32),
            "ShortStorage" => Self::Known(ElementType::I16),
            "ByteStorage" | "UntypedStorage" | "_UntypedStorage" => Self::Known(ElementType::U8),
            "CharStorage" => Self::Known(ElementType::I8),
            "BoolStorage" => Self::Known(ElementType::Bool),
            "QInt8Storage" | "QUInt8Storage" | "QUInt4x2Storage" | "QUInt2x4Storage" => {
                Self::Unknown(1)
            }
            "QInt32Storage" => Self::Unknown(4),
            "ComplexFloatStorage" => Self::Unknown(8),
            "ComplexDoubleStorage" => Self::Unknown(16),
            _ => return None,
        })
    }

    pub(super) fn size(self) -> usize {
        match self {
            Self::Known(element) => element.size(),
            Self::Unknown(size) => size,
        }
    }
}

/// A byte range of a file that tensors view.
#[derive(Debug)]
pub(super) struct StorageRef {
    /// The name of the storage within the file, a string.
    pub(super) key: Id,
    pub(super) element: Element,
    /// The first element, if this is a part of the storage `key`.
    pub(super) start: usize,
    /// Number of elements.
    pub(super) length: usize,
    /// The byte range; empty until located.
    range: Range<usize>,
}

impl StorageRef {
    pub(super) fn new(key: Id, element: Element, start: usize, length: usize) -> Self {
        Self { key, element, start, length, range: 0..0 }
    }

    pub(super) fn locate(&mut self, key: &str, found: Range<usize>) -> Parsed<()> {
        let size = self.element.size();
        let span = || {
            let start = found.start.checked_add(self.start.checked_mul(size)?)?;
            let end = start.checked_add(self.length.checked_mul(size)?)?;
            (end <= found.end).then_some(start..end)
        };
        self.range = span().ok_or_else(|| {
            format!(
                "storage {key:?} has {} bytes, expected {} elements of {size} bytes after the first {}",
                found.len(),
                self.length,
                self.start
            )
        })?;
        Ok(())
    }
}

/// A tensor of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct TensorRef {
    /// An index into [`Values::storages`].
    pub(super) storage: u32,
    /// The first element within the storage.
    pub(super) offset: usize,
    /// A tuple of integers.
    pub(super) shape: Id,
    /// A tuple of integers, in elements.
    pub(super) stride: Id,
    /// Whether this is a lazily conjugated or negated view, so the stored numbers are not its
    /// values.
    pub(super) marked: bool,
}

/// A byte range of a file with an element type and a shape.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct View {
    storage: usize,
    element: Element,
    offset: usize,
    layout: Layout,
}

impl View {
    /// Returns the size of a copy in bytes.
    pub(super) fn byte_count(&self) -> usize {
        self.layout.count * self.element.size()
    }
}

/// The shape and strides of a tensor all of whose elements are within its storage.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Layout {
    shape: Vec<usize>,
    stride: Vec<usize>,
    count: usize,
}

/// PyTorch's maximum number of axes.
const MAX_AXES: usize = 64;

impl TensorRef {
    /// Checks the tensor and returns its layout.
    pub(super) fn layout(&self, values: &Values, limit: usize) -> Parsed<Layout> {
        let sizes = |what: &str, id: Id| -> Parsed<Vec<usize>> {
            let items = values
                .tuple(id)
                .ok_or_else(|| format!("a tensor's {what} is {}", values.describe(id)))?;
            if items.len() > MAX_AXES {
                return Err(format!(
                    "a tensor has {} axes, expected at most {MAX_AXES}",
                    items.len()
                ));
            }
            let size = |&item: &Id| {
                let wrong = || {
                    format!("a tensor's {what} holds {}, expected 0 or more", values.describe(item))
                };
                values.index(item).ok_or_else(wrong)
            };
            items.iter().map(size).collect()
        };
        let (shape, stride) = (sizes("shape", self.shape)?, sizes("stride", self.stride)?);
        if shape.len() != stride.len() {
            return Err(format!("a tensor of shape {shape:?} has the strides {stride:?}"));
        }
        // With an axis of size 0 the product is 0 whatever the others are, but multiplying the
        // sizes one by one must not overflow either.
        let spread =
            shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size.max(1)));
        let storage = &values.storages[self.storage as usize];
        let bytes = spread.and_then(|count| count.checked_mul(storage.element.size()));
        if bytes.is_none_or(|bytes| bytes > limit) {
            return Err(format!("a tensor of shape {shape:?} is larger than its file can hold"));
        }
        let count = shape.iter().product();
        if count > 0 {
            let last = shape.iter().zip(&stride).try_fold(self.offset, |last, (&size, &stride)| {
                last.checked_add((size - 1).checked_mul(stride)?)
            });
            if last.is_none_or(|last| last >= storage.length) {
                return Err(format!(
                    "a tensor of shape {shape:?}, strides {stride:?} and offset {} does not lie within its storage of {} elements",
                    self.offset, storage.length
                ));
            }
        }
        Ok(Layout { shape, stride, count })
    }

    /// Returns a key that is equal for tensors that view the same numbers in the same shape.
    pub(super) fn view(&self, values: &Values, limit: usize) -> Parsed<View> {
        let storage = &values.storages[self.storage as usize];
        Ok(View {
            storage: storage.range.start,
            element: storage.element,
            offset: self.offset,
            layout: self.layout(values, limit)?,
        })
    }

    /// Reads the elements in row-major order.
    pub(super) fn read<'a>(
        &self,
        values: &Values,
        limit: usize,
        file: &'a [u8],
    ) -> Parsed<Array<'a>> {
        let layout = self.layout(values, limit)?;
        let storage = &values.storages[self.storage as usize];
        let Element::Known(element) = storage.element else {
            return Err("its numbers are of a type that cannot be read (complex, quantized)".into());
        };
        if self.marked {
            return Err(
                "it is a lazily negated or conjugated view; save it after .resolve_neg()".into()
            );
        }
        let bytes = file.get(storage.range.clone()).unwrap_or_default();
        let size = element.size();
        let bytes = if layout.count == 0 {
            Cow::Borrowed(&[][..])
        } else if layout.is_contiguous() {
            let start = self.offset * size;
            Cow::Borrowed(&bytes[start..start + layout.count * size])
        } else {
            Cow::Owned(layout.gather(bytes, self.offset, size))
        };
        Ok(Array { element, shape: layout.shape, bytes })
    }
}

impl Layout {
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.stride).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected *= size;
            fits
        })
    }

    /// Copies the elements in row-major order.
    fn gather(&self, bytes: &[u8], offset: usize, size: usize) -> Vec<u8> {
        let mut gathered = Vec::with_capacity(self.count * size);
        let mut index = vec![0; self.shape.len()];
        let mut at = offset;
        for _ in 0..self.count {
            gathered.extend_from_slice(&bytes[at * size..(at + 1) * size]);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                at += self.stride[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                at -= self.shape[axis] * self.stride[axis];
                index[axis] = 0;
            }
        }
        gathered
    }
}
