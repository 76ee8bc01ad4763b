use crate::metric::{Label, not_a_class, of_type};
use crate::{Error, Result};
use candle_core::{CpuStorage, Device, Storage, Tensor};
use std::sync::Arc;

/// The target of an ignored row.
pub(crate) const IGNORED: u32 = u32::MAX;

/// Returns the labels on the host, in row-major order, with [`IGNORED`] in place of `ignore`, and
/// the number of labels that are not ignored.
pub(in crate::loss) fn read(
    labels: &Tensor,
    classes: usize,
    ignore: Option<i64>,
) -> Result<(Arc<[u32]>, usize)> {
    let element = labels.dtype();
    let wrong_type = || Error::ElementType {
        what: "labels",
        expected: "an integer type",
        found: element.as_str(),
    };
    if !element.is_int() {
        return Err(wrong_type());
    }
    let labels = labels.to_device(&Device::Cpu)?.contiguous()?;
    let (storage, layout) = labels.storage_and_layout();
    let range = layout.start_offset()..layout.start_offset() + labels.elem_count();
    match &*storage {
        Storage::Cpu(CpuStorage::U8(labels)) => targets(&labels[range], classes, ignore),
        Storage::Cpu(CpuStorage::U32(labels)) => targets(&labels[range], classes, ignore),
        Storage::Cpu(CpuStorage::I16(labels)) => targets(&labels[range], classes, ignore),
        Storage::Cpu(CpuStorage::I32(labels)) => targets(&labels[range], classes, ignore),
        Storage::Cpu(CpuStorage::I64(labels)) => targets(&labels[range], classes, ignore),
        _ => Err(wrong_type()),
    }
}

fn targets<L: Label>(
    labels: &[L],
    classes: usize,
    ignore: Option<i64>,
) -> Result<(Arc<[u32]>, usize)> {
    // A number that the label type cannot represent ignores nothing.
    let ignore = of_type::<L>(ignore.as_slice()).first().copied();
    // No class may equal `IGNORED`.
    let most = classes.min(IGNORED as usize);
    let mut counted = 0;
    let mut wrong = None;
    let target = |(row, &label): (usize, &L)| {
        if Some(label) == ignore {
            return IGNORED;
        }
        let Some(class) = label.class(most) else {
            wrong = wrong.or(Some((label, row)));
            return IGNORED;
        };
        counted += 1;
        class
    };
    // The iterator has a known length, so it writes directly into the `Arc`.
    let targets: Arc<[u32]> = labels.iter().enumerate().map(target).collect();
    match wrong {
        Some((label, row)) => Err(not_a_class(label, row, classes)),
        None => Ok((targets, counted)),
    }
}
