//! Conversion of tensors to the slices that metrics accept.

use crate::Result;
use crate::loss::LogitBatch;
use crate::metric::{
    LogitDistances, LogitRows, Metric, PredictionMetric, Predictions, measure_logits,
};
use candle_core::{CpuStorage, DType, Device, Storage};

impl LogitBatch {
    /// Returns the rows that are not ignored as predictions, with which a metric can be updated;
    /// the logits are copied to the host.
    ///
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use mbls_core::loss::LogitBatch;
    /// use mbls_core::metric::{Accuracy, Metric};
    ///
    /// let logits = Tensor::new(&[[2f32, 0.], [0., 1.], [0., 3.]], &Device::Cpu)?;
    /// let batch =
    ///     LogitBatch::new(&logits, &Tensor::new(&[0u32, 255, 0], &Device::Cpu)?, Some(255))?;
    /// let mut accuracy = Accuracy::new();
    /// accuracy.update(&batch.predictions()?)?;
    /// assert_eq!(accuracy.value(), Some(0.5));
    /// # Ok::<(), mbls_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Value`](crate::Error::Value) for a logit that is not finite, or an error of candle.
    pub fn predictions(&self) -> Result<Predictions<'static>> {
        self.on_host(|logits, labels| match logits {
            Host::Single(logits) => {
                Ok(Predictions::from_logits(logits, self.classes(), labels)?.into_owned())
            }
            Host::Double(logits) => {
                Ok(Predictions::from_logits(logits, self.classes(), labels)?.into_owned())
            }
        })
    }

    /// Measures the rows that are not ignored with an empty metric, like [`measure_logits`]: a
    /// large batch needs no more memory than the logits themselves.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`measure_logits`], or an error of candle.
    pub fn measure<M>(&self, empty: &M) -> Result<M>
    where
        M: PredictionMetric + Sync,
    {
        self.on_host(|logits, labels| match logits {
            Host::Single(logits) => measure_logits(empty, logits, self.classes(), labels),
            Host::Double(logits) => measure_logits(empty, logits, self.classes(), labels),
        })
    }

    /// Adds the distances between the logits of the rows that are not ignored; the logits are
    /// copied to the host.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](crate::Error::Value) for a logit that is not finite,
    /// [`Error::Shape`](crate::Error::Shape) for another number of classes than before, or an error
    /// of candle.
    pub fn add_distances(&self, distances: &mut LogitDistances) -> Result<()> {
        self.on_host(|logits, _| match logits {
            Host::Single(logits) => distances.update(LogitRows::new(logits, self.classes())?),
            Host::Double(logits) => distances.update(LogitRows::new(logits, self.classes())?),
        })
    }

    fn on_host<R>(&self, read: impl FnOnce(Host, &[u32]) -> Result<R>) -> Result<R> {
        let logits = self.logits()?.detach().to_device(&Device::Cpu)?;
        let labels: Vec<u32> = self.kept_targets().copied().collect();
        let (storage, layout) = logits.storage_and_layout();
        let range = layout.start_offset()..layout.start_offset() + logits.elem_count();
        match &*storage {
            Storage::Cpu(CpuStorage::F32(values)) => read(Host::Single(&values[range]), &labels),
            Storage::Cpu(CpuStorage::F64(values)) => read(Host::Double(&values[range]), &labels),
            _ => {
                let found = DType::as_str(&logits.dtype());
                Err(candle_core::Error::Msg(format!(
                    "logits became {found} on the host: expected f32 or f64"
                ))
                .into())
            }
        }
    }
}

/// Logits `[rows, classes]` on the host.
enum Host<'a> {
    Single(&'a [f32]),
    Double(&'a [f64]),
}
