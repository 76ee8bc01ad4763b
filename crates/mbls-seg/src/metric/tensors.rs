use super::{Pictures, SegmentationMetrics};
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use mbls_core::metric::Metric;
use mbls_core::{Error, Result};

impl SegmentationMetrics {
    /// Adds a batch of pictures that a network's tensors hold, on any device.
    ///
    /// Logits in f32 on the CPU are read where they are; others are converted first.
    ///
    /// # Shapes
    ///
    /// `logits` `[N, C, H, W]` of any float type, `labels` `[N, H, W]` of u8, u32 or i64, `indices` `[N]`.
    ///
    /// # Errors
    ///
    /// Those of [`update`](Metric::update); [`Error::Shape`] for tensors of other ranks, [`Error::ElementType`] for labels of
    /// another type, [`Error::Label`] for a negative label, [`Error::Candle`] where candle fails.
    pub fn update_tensors(&mut self, logits: &Tensor, labels: &Tensor, indices: &[u64]) -> Result<()> {
        let &[images, classes, height, width] = logits.dims() else {
            return Err(wrong_shape("logits", "[N, C, H, W]".into(), logits));
        };
        if labels.dims() != [images, height, width] {
            return Err(wrong_shape("labels", format!("{:?}", [images, height, width]), labels));
        }
        let labels = labels_on_host(labels, classes)?;
        let logits = logits.detach().to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?;
        let (storage, layout) = logits.storage_and_layout();
        let Storage::Cpu(CpuStorage::F32(values)) = &*storage else {
            return Err(candle_core::Error::Msg("logits on the host are not f32".into()).into());
        };
        let start = layout.start_offset();
        let logits = &values[start..start + images * classes * height * width];
        self.update(Pictures { logits, shape: [images, classes, height, width], labels: &labels, indices })
    }
}

fn wrong_shape(what: &'static str, expected: String, found: &Tensor) -> Error {
    Error::Shape { what, expected, found: format!("{:?}", found.dims()) }
}

fn labels_on_host(labels: &Tensor, classes: usize) -> Result<Vec<u32>> {
    match labels.dtype() {
        DType::U8 | DType::U32 => Ok(labels.flatten_all()?.to_dtype(DType::U32)?.to_vec1()?),
        DType::I64 => {
            let labels: Vec<i64> = labels.flatten_all()?.to_vec1()?;
            let convert =
                |(row, label): (usize, i64)| u32::try_from(label).map_err(|_| Error::Label { label, row, classes });
            labels.into_iter().enumerate().map(convert).collect()
        }
        other => Err(Error::ElementType { what: "labels", expected: "u8, u32 or i64", found: other.as_str() }),
    }
}
