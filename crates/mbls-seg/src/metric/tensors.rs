use super::{SegmentationMetrics, SegmentedImages};
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use mbls_core::metric::{Labels, Metric};
use mbls_core::{Error, Result};

impl SegmentationMetrics {
    /// Adds a batch of images from tensors on any device.
    ///
    /// f32 logits on the CPU are read in place; others are converted first.
    ///
    /// # Shapes
    ///
    /// `logits` is `[N, C, H, W]` of any float type, `labels` `[N, H, W]` of any integer type and
    /// `indices` `[N]`.
    ///
    /// # Errors
    ///
    /// The errors of [`update`](Metric::update); [`Error::Shape`] for tensors of other shapes,
    /// [`Error::ElementType`] for labels of another type, [`Error::Candle`] if candle fails.
    pub fn update_tensors(
        &mut self,
        logits: &Tensor,
        labels: &Tensor,
        indices: &[u64],
    ) -> Result<()> {
        let &[images, classes, height, width] = logits.dims() else {
            return Err(wrong_shape("logits", "[N, C, H, W]".into(), logits));
        };
        if labels.dims() != [images, height, width] {
            return Err(wrong_shape("labels", format!("{:?}", [images, height, width]), labels));
        }
        if !labels.dtype().is_int() {
            let found = labels.dtype().as_str();
            return Err(Error::ElementType { what: "labels", expected: "an integer type", found });
        }
        // u32 labels, the usual type, are used as they are; all others fit into i64.
        let labels = labels.flatten_all()?;
        let (unsigned, signed): (Vec<u32>, Vec<i64>) = match labels.dtype() {
            DType::U32 => (labels.to_vec1()?, Vec::new()),
            _ => (Vec::new(), labels.to_dtype(DType::I64)?.to_vec1()?),
        };
        let labels = if labels.dtype() == DType::U32 {
            Labels::from(&unsigned)
        } else {
            Labels::from(&signed)
        };
        let logits = logits.detach().to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?;
        let (storage, layout) = logits.storage_and_layout();
        let Storage::Cpu(CpuStorage::F32(values)) = &*storage else {
            return Err(candle_core::Error::Msg("logits on the host are not f32".into()).into());
        };
        let start = layout.start_offset();
        let logits = &values[start..start + images * classes * height * width];
        self.update(SegmentedImages {
            logits: logits.into(),
            shape: [images, classes, height, width],
            labels,
            indices,
        })
    }
}

fn wrong_shape(what: &'static str, expected: String, found: &Tensor) -> Error {
    Error::Shape { what, expected, found: format!("{:?}", found.dims()) }
}
