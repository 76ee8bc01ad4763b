use super::element::ElementType;
use super::storage::Storage;
use anyhow::{Context, Result, ensure};
use std::ops::Range;
use std::sync::Arc;

/// An array in a file: where its elements stand, and how they are stored. Nothing has been read.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    storage: Arc<Storage>,
    offset: u64,
    pub(crate) element: ElementType,
    pub(crate) big_endian: bool,
    /// Whether the first axis varies fastest.
    pub(crate) fortran: bool,
    pub(crate) shape: Vec<usize>,
}

/// How the elements of an array are stored.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) element: ElementType,
    pub(crate) big_endian: bool,
    pub(crate) fortran: bool,
    pub(crate) shape: Vec<usize>,
}

impl Array {
    /// Describes an array that begins at byte `offset`, whose elements must all be there.
    pub(crate) fn new(storage: Arc<Storage>, offset: u64, layout: Layout) -> Result<Self> {
        let Layout { element, big_endian, fortran, shape } = layout;
        let bytes = shape
            .iter()
            .try_fold(1u64, |product, &size| product.checked_mul(size as u64))
            .and_then(|elements| elements.checked_mul(element.size() as u64))
            .filter(|&bytes| usize::try_from(bytes).is_ok())
            .with_context(|| format!("shape {shape:?} is too large"))?;
        let available = storage.len().saturating_sub(offset);
        ensure!(
            bytes <= available,
            "truncated: shape {shape:?} of {element} needs {bytes} bytes after byte {offset}, \
             and there are {available}"
        );
        Ok(Self { storage, offset, element, big_endian, fortran, shape })
    }

    /// Creates an array of f64 in memory.
    pub(crate) fn of_numbers(numbers: &[f64], shape: Vec<usize>) -> Result<Self> {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let element = ElementType::F64;
        let layout = Layout { element, big_endian: false, fortran: false, shape };
        Self::new(Arc::new(Storage::Memory(bytes)), 0, layout)
    }

    /// Returns the number of elements, which [`new`](Self::new) has checked.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Reads consecutive elements in the order of the file.
    pub(crate) fn read<T: bytemuck::Pod>(
        &self,
        elements: Range<usize>,
        into: &mut [T],
    ) -> Result<()> {
        let size = size_of::<T>();
        debug_assert_eq!((size, elements.len()), (self.element.size(), into.len()));
        let offset = self.offset + elements.start as u64 * size as u64;
        let bytes = bytemuck::cast_slice_mut::<T, u8>(into);
        self.storage.read_at(offset, bytes)?;
        if self.big_endian != cfg!(target_endian = "big") {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        Ok(())
    }
}
