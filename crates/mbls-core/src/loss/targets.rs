use crate::{Error, Result};
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use std::sync::Arc;

/// The target of a row that does not count.
pub(crate) const IGNORED: u32 = u32::MAX;

/// The labels on the host, in row-major order, [`IGNORED`] in the place of `ignore`, and how many of them count.
pub(super) fn read(labels: &Tensor, classes: usize, ignore: Option<u32>) -> Result<(Arc<[u32]>, usize)> {
    let element = labels.dtype();
    if !element.is_int() {
        return Err(Error::ElementType { what: "labels", expected: "an integer type", found: element.as_str() });
    }
    let mut labels = labels.to_device(&Device::Cpu)?.contiguous()?;
    if !matches!(element, DType::U8 | DType::U32) {
        labels = labels.to_dtype(DType::I64)?;
    }
    let (storage, layout) = labels.storage_and_layout();
    let range = layout.start_offset()..layout.start_offset() + labels.elem_count();
    let read = Targets { classes: classes as i64, ignore: ignore.map(i64::from) };
    match &*storage {
        Storage::Cpu(CpuStorage::U8(labels)) => read.all(&labels[range]),
        Storage::Cpu(CpuStorage::U32(labels)) => read.all(&labels[range]),
        Storage::Cpu(CpuStorage::I64(labels)) => read.all(&labels[range]),
        _ => Err(candle_core::Error::Msg(format!("labels of type {} did not become i64", element.as_str())).into()),
    }
}

struct Targets {
    classes: i64,
    ignore: Option<i64>,
}

impl Targets {
    fn all<T: Copy + Into<i64>>(&self, labels: &[T]) -> Result<(Arc<[u32]>, usize)> {
        let mut counted = 0;
        let mut wrong = None;
        let target = |(row, &label): (usize, &T)| {
            let label = label.into();
            if Some(label) == self.ignore {
                return IGNORED;
            }
            if !(0..self.classes.min(i64::from(IGNORED))).contains(&label) {
                wrong = wrong.or(Some((row, label)));
                return IGNORED;
            }
            counted += 1;
            label as u32
        };
        // Of known length, so that they are written where they stay.
        let targets: Arc<[u32]> = labels.iter().enumerate().map(target).collect();
        match wrong {
            Some((row, label)) => Err(Error::Label { label, row, classes: self.classes as usize }),
            None => Ok((targets, counted)),
        }
    }
}
