//! Classification of images and of texts, as the trainer sees it.

use super::measures::MEASURES;
use crate::epoch_metrics::{EpochMetrics, EpochReport};
use crate::learning::Learning;
use crate::measure::of_epoch;
use candle_core::{DType, Device, ModuleT, Tensor};
use mbls_core::loss::{LogitBatch, LossOutput, Reduction, Term};
use mbls_core::metric::{ClassificationMetrics, ClassificationReport, LogitRows, Metric, Predictions};
use mbls_nlp::dataset::TextBatch;
use mbls_train::{Mode, Output, Predicted, Result, Task, TaskState};
use mbls_vision::{ImageBatch, Partner};
use std::marker::PhantomData;

/// Samples with classes, as a network takes them.
pub(crate) trait LabelledBatch: Send {
    /// What the network takes.
    fn inputs(&self, dtype: DType, device: &Device) -> candle_core::Result<Tensor>;

    /// The classes `[N]`.
    fn labels(&self, device: &Device) -> candle_core::Result<Tensor>;

    /// What each sample was mixed with, where any was.
    fn partners(&self) -> Option<&[Partner]>;
}

impl LabelledBatch for ImageBatch {
    fn inputs(&self, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        self.images(device)?.to_dtype(dtype)
    }

    fn labels(&self, device: &Device) -> candle_core::Result<Tensor> {
        self.labels(device)
    }

    fn partners(&self) -> Option<&[Partner]> {
        self.partners.as_deref()
    }
}

impl LabelledBatch for TextBatch {
    fn inputs(&self, _dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        self.ids(device)
    }

    fn labels(&self, device: &Device) -> candle_core::Result<Tensor> {
        self.labels(device)
    }

    fn partners(&self) -> Option<&[Partner]> {
        None
    }
}

/// A model with a loss, measured by all classification metrics.
pub(crate) struct ClassificationTask<B> {
    /// The network: samples to logits.
    pub(crate) model: Box<dyn ModuleT + Send + Sync>,
    /// Its loss and its dropout.
    pub(crate) learning: Learning,
    /// The type that the network is computed in.
    pub(crate) dtype: DType,
    /// Where it runs.
    pub(crate) device: Device,
    /// What is measured, before it has seen anything.
    pub(crate) metrics: ClassificationMetrics,
    /// What it takes.
    pub(crate) batch: PhantomData<fn(B)>,
}

impl<B> ClassificationTask<B> {
    /// The loss of mixed images: the mean over them of `(1 - w) L(l, y) + w L(l, y')` with a partner of label `y'` and weight `w`.
    ///
    /// For losses that are linear in the distribution of the target, such as cross-entropy, label smoothing and their sums with a
    /// penalty of the logits alone, that is the loss of the soft target.
    ///
    /// # Errors
    ///
    /// Losses that are statistics of a whole batch.
    fn mixed(&self, logits: &Tensor, labels: &Tensor, partners: &[Partner]) -> Result<LossOutput> {
        let per_row = |labels: &Tensor| {
            self.learning.loss.forward(&LogitBatch::new(logits, labels, None)?.with_reduction(Reduction::None))
        };
        let device = logits.device();
        let others = Tensor::from_vec(partners.iter().map(|partner| partner.label).collect(), partners.len(), device)?;
        let (own, other) = (per_row(labels)?, per_row(&others)?);
        let weights: Vec<f32> = partners.iter().map(|partner| partner.weight).collect();
        let weights = Tensor::from_vec(weights, partners.len(), device)?.to_dtype(own.total.dtype())?;
        let mean = |own: &Tensor, other: &Tensor| (own + (weights.mul(&(other - own)?)?))?.mean_all();
        let total = mean(&own.total, &other.total)?;
        let terms = own.terms.iter().zip(&other.terms);
        let terms = terms.map(|(a, b)| {
            // In half precision terms and total may differ in type, as logits and losses do.
            Ok(Term {
                value: mean(&a.value.to_dtype(weights.dtype())?, &b.value.to_dtype(weights.dtype())?)?,
                ..a.clone()
            })
        });
        Ok(LossOutput { total, terms: terms.collect::<candle_core::Result<_>>()? })
    }
}

impl<B: LabelledBatch> Task for ClassificationTask<B> {
    type Batch = B;
    type Metrics = EpochMetrics<ClassificationMetrics>;

    fn forward(&self, batch: &B, mode: Mode) -> Result<Output> {
        let inputs = batch.inputs(self.dtype, &self.device)?;
        let logits = self.model.forward_t(&inputs, mode.is_train())?.to_dtype(DType::F32)?;
        // Labels are read on the host.
        Ok(Output { logits, labels: batch.labels(&Device::Cpu)? })
    }

    fn loss(&self, batch: &B, Output { logits, labels }: &Output) -> Result<Option<LossOutput>> {
        Ok(Some(match batch.partners() {
            None => self.learning.loss.forward(&LogitBatch::new(logits, labels, None)?)?,
            Some(partners) => self.mixed(logits, labels, partners)?,
        }))
    }

    fn learn(&mut self, _batch: &B, Output { logits, labels }: &Output) -> Result<()> {
        Ok(self.learning.loss.observe(&LogitBatch::new(logits, labels, None)?)?)
    }

    fn metrics(&self) -> Self::Metrics {
        EpochMetrics::new(&self.metrics, self.learning.loss.margin())
    }

    fn observe(&self, predicted: &Predicted, metrics: &mut Self::Metrics) -> Result<()> {
        let classes = predicted.shape.last().copied().unwrap_or(0);
        let mut distances = metrics.no_distances();
        distances.update(LogitRows::new(&predicted.logits, classes)?)?;
        let predictions = Predictions::from_logits(&predicted.logits, classes, &predicted.labels)?;
        Ok(metrics.update((&predictions, &distances))?)
    }

    fn score(&self, value: &EpochReport<ClassificationReport>) -> Option<f64> {
        Some(value.report.accuracy)
    }

    fn summary(&self, value: &EpochReport<ClassificationReport>) -> Vec<(&'static str, Option<f64>)> {
        of_epoch(&MEASURES, value)
    }

    fn begin_epoch(&mut self, epoch: usize) {
        self.learning.begin_epoch(epoch);
    }

    fn end_epoch(&mut self, epoch: usize) {
        self.learning.end_epoch(epoch);
    }

    fn state(&self) -> TaskState {
        self.learning.state()
    }

    fn restore(&mut self, state: &TaskState) -> Result<()> {
        self.learning.restore(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mbls_core::loss::LossSpec;

    struct Unused;

    impl ModuleT for Unused {
        fn forward_t(&self, x: &Tensor, _train: bool) -> candle_core::Result<Tensor> {
            Ok(x.clone())
        }
    }

    /// Cross-entropy with the soft target, and a penalty that does not depend on it.
    #[test]
    fn the_loss_of_mixed_images_is_that_of_the_soft_target() {
        let rows = [[2.0f32, -1.0, 0.5], [0.0, 3.0, 1.0]];
        let (labels, partners) = ([0u32, 1], [(2u32, 0.25f32), (1, 0.0)]);
        let device = Device::Cpu;
        let logits = Tensor::new(&rows, &device).unwrap();
        let task = ClassificationTask::<ImageBatch> {
            model: Box::new(Unused),
            learning: Learning { loss: LossSpec::margin(1.0, 0.5).build().unwrap(), dropout: None },
            dtype: DType::F32,
            device: device.clone(),
            metrics: ClassificationMetrics::new(15).unwrap(),
            batch: PhantomData,
        };
        let partners = partners.map(|(label, weight)| Partner { label, weight });
        let found = task.mixed(&logits, &Tensor::new(&labels, &device).unwrap(), &partners).unwrap();
        let (mut cross_entropy, mut penalty) = (0.0, 0.0);
        for ((row, label), partner) in rows.iter().zip(labels).zip(&partners) {
            let row = row.map(f64::from);
            let normaliser = row.iter().map(|l| l.exp()).sum::<f64>().ln();
            let weight = f64::from(partner.weight);
            let of = |label: u32| normaliser - row[label as usize];
            cross_entropy += ((1.0 - weight) * of(label) + weight * of(partner.label)) / 2.0;
            let max = row.iter().copied().fold(f64::MIN, f64::max);
            penalty += row.iter().map(|l| (max - l - 1.0).max(0.0)).sum::<f64>() / 6.0;
        }
        let value = |tensor: &Tensor| f64::from(tensor.to_scalar::<f32>().unwrap());
        assert!((value(&found.total) - (cross_entropy + 0.5 * penalty)).abs() < 1e-6, "{found:?}");
        assert!((value(&found.terms[0].value) - cross_entropy).abs() < 1e-6, "{found:?}");
        assert!((value(&found.terms[1].value) - penalty).abs() < 1e-6, "{found:?}");
    }
}
