//! Classification of images and texts as a task of the trainer.

use super::measures::MEASURES;
use crate::epoch_metrics::{EpochMetrics, EpochReport};
use crate::learning::Learning;
use crate::measure::of_epoch;
use candle_core::{DType, Device, ModuleT, Tensor};
use mbls_core::loss::{LogitBatch, LossOutput, Reduction, Term};
use mbls_core::metric::{
    ClassificationMetrics, ClassificationReport, LogitRows, Metric, Predictions,
};
use mbls_nlp::dataset::TextBatch;
use mbls_train::{Mode, Output, Predicted, Result, Task, TaskState};
use mbls_vision::{ImageBatch, Partner};
use std::marker::PhantomData;

/// A batch of labelled samples.
pub(crate) trait LabelledBatch: Send {
    /// Returns the inputs of the network.
    fn inputs(&self, dtype: DType, device: &Device) -> candle_core::Result<Tensor>;

    /// Returns the labels, `[N]`.
    fn labels(&self, device: &Device) -> candle_core::Result<Tensor>;

    /// Returns the partner with which each sample was mixed, if samples were mixed.
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

/// A model with a loss, evaluated by all classification metrics.
pub(crate) struct ClassificationTask<B> {
    /// The network, from samples to logits.
    pub(crate) model: Box<dyn ModuleT + Send + Sync>,
    /// The loss and the dropout.
    pub(crate) learning: Learning,
    /// The data type of the network.
    pub(crate) dtype: DType,
    /// The device.
    pub(crate) device: Device,
    /// The empty metrics.
    pub(crate) metrics: ClassificationMetrics,
    /// The type of batch.
    pub(crate) batch: PhantomData<fn(B)>,
}

impl<B> ClassificationTask<B> {
    /// Returns the loss of mixed images: the mean of `(1 - w) L(l, y) + w L(l, y')` with a partner
    /// of label `y'` and weight `w`.
    ///
    /// For losses that are linear in the target distribution, such as cross-entropy, label
    /// smoothing and their sums with a penalty that depends only on the logits, this is the loss of
    /// the soft target.
    ///
    /// With class weights, each of the two losses is weighted by its label, and the sum is divided
    /// by the sum of the weights.
    ///
    /// # Errors
    ///
    /// If the loss uses a statistic of the whole batch.
    fn mixed(
        &self,
        logits: &Tensor,
        labels: &Tensor,
        partners: &[Partner],
    ) -> Result<Option<LossOutput>> {
        let per_row = |labels: &Tensor| {
            self.learning
                .loss
                .forward(&LogitBatch::new(logits, labels, None)?.with_reduction(Reduction::None))
        };
        let device = logits.device();
        let others = Tensor::from_vec(
            partners.iter().map(|partner| partner.label).collect(),
            partners.len(),
            device,
        )?;
        let (own, other) = (per_row(labels)?, per_row(&others)?);
        let weights: Vec<f32> = partners.iter().map(|partner| partner.weight).collect();
        let weights =
            Tensor::from_vec(weights, partners.len(), device)?.to_dtype(own.total.dtype())?;
        let by_class = match self.mixed_weights(labels, partners)? {
            None => None,
            Some(pairs) => {
                let total: f64 = pairs.iter().flatten().sum();
                if total == 0.0 {
                    return Ok(None);
                }
                let share = |at: usize| {
                    let shares: Vec<f64> = pairs.iter().map(|pair| pair[at] / total).collect();
                    Tensor::from_vec(shares, pairs.len(), &Device::Cpu)?
                        .to_dtype(own.total.dtype())?
                        .to_device(device)
                };
                Some([share(0)?, share(1)?])
            }
        };
        let mean = |own: &Tensor, other: &Tensor| match &by_class {
            None => (own + (weights.mul(&(other - own)?)?))?.mean_all(),
            Some([of_own, of_other]) => (own.mul(of_own)? + other.mul(of_other)?)?.sum_all(),
        };
        let total = mean(&own.total, &other.total)?;
        let terms = own.terms.iter().zip(&other.terms);
        let terms = terms.map(|(a, b)| {
            // In half precision the terms may differ in type from the total.
            Ok(Term {
                value: mean(
                    &a.value.to_dtype(weights.dtype())?,
                    &b.value.to_dtype(weights.dtype())?,
                )?,
                ..a.clone()
            })
        });
        Ok(Some(LossOutput { total, terms: terms.collect::<candle_core::Result<_>>()? }))
    }

    /// Returns the class-weighted weights of each image's own loss and its partner's, `[(1 - w)
    /// c_y, w c_y']`; `None` without class weights.
    fn mixed_weights(
        &self,
        labels: &Tensor,
        partners: &[Partner],
    ) -> Result<Option<Vec<[f64; 2]>>> {
        let Some(by_class) = &self.learning.class_weights else { return Ok(None) };
        let of = |label: u32| by_class.get(label as usize).copied().unwrap_or(0.0);
        let labels = labels.to_vec1::<u32>()?;
        let pairs = labels.into_iter().zip(partners).map(|(label, partner)| {
            let weight = f64::from(partner.weight);
            [(1.0 - weight) * of(label), weight * of(partner.label)]
        });
        Ok(Some(pairs.collect()))
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
        if let Some(partners) = batch.partners() {
            return self.mixed(logits, labels, partners);
        }
        let batch = self.learning.weighted(LogitBatch::new(logits, labels, None)?)?;
        Ok(batch.map(|batch| self.learning.loss.forward(&batch)).transpose()?)
    }

    fn loss_weight(&self, batch: &B, Output { logits, labels }: &Output) -> Result<f64> {
        if let Some(partners) = batch.partners() {
            let pairs = self.mixed_weights(labels, partners)?;
            return Ok(pairs.map_or(partners.len() as f64, |pairs| pairs.iter().flatten().sum()));
        }
        let batch = self.learning.weighted(LogitBatch::new(logits, labels, None)?)?;
        Ok(batch.map_or(0.0, |batch| batch.total_weight()))
    }

    fn learn(&mut self, _batch: &B, Output { logits, labels }: &Output) -> Result<()> {
        match self.learning.weighted(LogitBatch::new(logits, labels, None)?)? {
            Some(batch) => Ok(self.learning.loss.observe(&batch)?),
            None => Ok(()),
        }
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

    fn summary(
        &self,
        value: &EpochReport<ClassificationReport>,
    ) -> Vec<(&'static str, Option<f64>)> {
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

    fn task(class_weights: Option<Vec<f64>>) -> ClassificationTask<ImageBatch> {
        ClassificationTask {
            model: Box::new(Unused),
            learning: Learning {
                loss: LossSpec::margin(1.0, 0.5).build().unwrap(),
                dropout: None,
                class_weights,
            },
            dtype: DType::F32,
            device: Device::Cpu,
            metrics: ClassificationMetrics::new(15).unwrap(),
            batch: PhantomData,
        }
    }

    /// Cross-entropy with the soft target plus a penalty that does not depend on it; weighted by
    /// the classes of both labels.
    #[test]
    fn the_loss_of_mixed_images_is_that_of_the_soft_target() {
        let rows = [[2.0f32, -1.0, 0.5], [0.0, 3.0, 1.0]];
        let (labels, partners) = ([0u32, 1], [(2u32, 0.25f32), (1, 0.0)]);
        let device = Device::Cpu;
        let (logits, own) =
            (Tensor::new(&rows, &device).unwrap(), Tensor::new(&labels, &device).unwrap());
        let partners = partners.map(|(label, weight)| Partner { label, weight });
        for by_class in [None, Some(vec![2.0, 0.5, 4.0])] {
            let task = task(by_class.clone());
            let of_class =
                |label: u32| by_class.as_ref().map_or(1.0, |weights| weights[label as usize]);
            let found = task.mixed(&logits, &own, &partners).unwrap().unwrap();
            let (mut cross_entropy, mut penalty, mut total) = (0.0, 0.0, 0.0);
            for ((row, label), partner) in rows.iter().zip(labels).zip(&partners) {
                let row = row.map(f64::from);
                let normaliser = row.iter().map(|l| l.exp()).sum::<f64>().ln();
                let weight = f64::from(partner.weight);
                let (own, other) =
                    ((1.0 - weight) * of_class(label), weight * of_class(partner.label));
                let of = |label: u32| normaliser - row[label as usize];
                cross_entropy += own * of(label) + other * of(partner.label);
                let max = row.iter().copied().fold(f64::MIN, f64::max);
                penalty +=
                    (own + other) * row.iter().map(|l| (max - l - 1.0).max(0.0)).sum::<f64>() / 3.0;
                total += own + other;
            }
            let (cross_entropy, penalty) = (cross_entropy / total, penalty / total);
            let value = |tensor: &Tensor| f64::from(tensor.to_scalar::<f32>().unwrap());
            assert!(
                (value(&found.total) - (cross_entropy + 0.5 * penalty)).abs() < 1e-6,
                "{found:?}"
            );
            assert!((value(&found.terms[0].value) - cross_entropy).abs() < 1e-6, "{found:?}");
            assert!((value(&found.terms[1].value) - penalty).abs() < 1e-6, "{found:?}");
            let pairs = task.mixed_weights(&own, &partners).unwrap();
            assert_eq!(
                pairs.map(|pairs| pairs.iter().flatten().sum::<f64>()),
                by_class.map(|_| total)
            );
        }
        let nothing = task(Some(vec![0.0, 0.0, 1.0]));
        let partners = [Partner { label: 1, weight: 0.5 }, Partner { label: 0, weight: 0.25 }];
        assert!(nothing.mixed(&logits, &own, &partners).unwrap().is_none());
    }

    /// As `torch.nn.CrossEntropyLoss(weight=...)`: the sum of the weighted losses divided by the
    /// sum of the weights.
    #[test]
    fn the_loss_of_a_batch_is_the_mean_weighted_by_class() {
        let batch = ImageBatch {
            pixels: vec![0.0; 3],
            shape: [3, 1, 1, 1],
            labels: vec![0, 2, 2],
            partners: None,
        };
        let rows = [[2.0f32, -1.0, 0.5], [0.0, 3.0, 1.0], [0.0, 0.5, 0.25]];
        let output = Output {
            logits: Tensor::new(&rows, &Device::Cpu).unwrap(),
            labels: Tensor::new(&[0u32, 2, 2], &Device::Cpu).unwrap(),
        };
        let weights = [3.0, 0.0, 0.5];
        let mut weighted = task(Some(weights.to_vec()));
        weighted.learning.loss = LossSpec::CrossEntropy.build().unwrap();
        let loss =
            weighted.loss(&batch, &output).unwrap().unwrap().total.to_scalar::<f32>().unwrap();
        let losses = rows.iter().zip([0usize, 2, 2]).map(|(row, label)| {
            let normaliser = row.iter().map(|l| f64::from(*l).exp()).sum::<f64>().ln();
            weights[label] * (normaliser - f64::from(row[label]))
        });
        assert!((f64::from(loss) - losses.sum::<f64>() / 4.0).abs() < 1e-6, "{loss}");
        assert_eq!(weighted.loss_weight(&batch, &output).unwrap(), 4.0);
        assert_eq!(task(None).loss_weight(&batch, &output).unwrap(), 3.0);
        // A batch whose classes all have weight 0 has no loss.
        assert!(task(Some(vec![0.0, 1.0, 0.0])).loss(&batch, &output).unwrap().is_none());
    }
}
