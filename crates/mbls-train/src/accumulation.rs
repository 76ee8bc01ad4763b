//! Accumulation of the gradients of several batches into one step.

use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use mbls_nn::backward;

/// The accumulated gradients of the batches of a step.
///
/// The loss of a batch is a mean. The loss of all batches together is `sum_i w_i L_i / sum_i w_i`,
/// where `w_i` is the divisor of the mean of batch i. The same holds for the gradient. The
/// gradients of a step with one batch are bit-identical to those of the batch.
#[derive(Debug, Default)]
pub(crate) struct Accumulation {
    /// `sum_i w_i g_i / w_1`.
    grads: Option<GradStore>,
    first: f64,
    total: f64,
}

impl Accumulation {
    /// Adds the gradients of a batch's loss, which is a mean with divisor `weight`.
    pub(crate) fn add(
        &mut self,
        parameters: &[(String, Var)],
        loss: &Tensor,
        weight: f64,
    ) -> Result<()> {
        if !(weight.is_finite() && weight > 0.0) {
            let expected = "a positive number, the divisor of the mean of a batch's loss";
            return Err(Error::Setting {
                name: "loss_weight",
                value: weight.to_string(),
                expected,
            });
        }
        let Some(before) = self.grads.take() else {
            (self.grads, self.first, self.total) = (Some(backward(loss)?), weight, weight);
            return Ok(());
        };
        let mut grads = backward(&loss.affine(weight / self.first, 0.0)?)?;
        for (_, variable) in parameters {
            if let Some(before) = before.get(variable) {
                let sum = match grads.get(variable) {
                    Some(grad) => (before + grad)?,
                    None => before.clone(),
                };
                grads.insert(variable, sum);
            }
        }
        self.grads = Some(grads);
        self.total += weight;
        Ok(())
    }

    /// Returns the gradients of the step and resets them; `None` if no batch of the step had a
    /// loss.
    pub(crate) fn take(&mut self, parameters: &[(String, Var)]) -> Result<Option<GradStore>> {
        let Some(mut grads) = self.grads.take() else { return Ok(None) };
        let share = self.first / self.total;
        if share != 1.0 {
            for (_, variable) in parameters {
                if let Some(grad) = grads.get(variable) {
                    let mean = grad.affine(share, 0.0)?;
                    grads.insert(variable, mean);
                }
            }
        }
        Ok(Some(grads))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device, Module};
    use mbls_core::loss::{LogitBatch, LossSpec};
    use mbls_nn::{Linear, ParamStore};

    const CLASSES: usize = 3;

    /// Labelled points of a batch, as rows or as positions of images, with class weights and some
    /// labels ignored.
    struct Points {
        points: Tensor,
        labels: Tensor,
        shape: Vec<usize>,
    }

    fn points(range: std::ops::Range<usize>, positions: usize) -> Points {
        let device = Device::Cpu;
        let rows: Vec<usize> =
            range.clone().flat_map(|n| (0..positions).map(move |at| n * positions + at)).collect();
        let values: Vec<f64> = rows
            .iter()
            .flat_map(|row| [0, 1].map(|k| ((row * 37 + k * 11) % 17) as f64 / 8.0))
            .collect();
        let labels: Vec<u32> = rows.iter().map(|row| [0, 2, 9, 1, 2, 2, 9][row % 7]).collect();
        let shape =
            if positions == 1 { vec![range.len()] } else { vec![range.len(), 1, positions] };
        Points {
            points: Tensor::from_vec(values, (rows.len(), 2), &device).unwrap(),
            labels: Tensor::from_vec(labels, shape.as_slice(), &device).unwrap(),
            shape,
        }
    }

    /// Returns the loss of a batch and the divisor of its mean.
    fn loss(
        layer: &Linear,
        spec: &LossSpec,
        points: &Points,
        weights: Option<&[f64]>,
    ) -> (Tensor, f64) {
        let rows = layer.forward(&points.points).unwrap();
        let logits = match points.shape[..] {
            [_] => rows,
            _ => {
                let [images, height, width] = points.shape[..] else {
                    panic!("{:?}", points.shape)
                };
                rows.reshape((images, height, width, CLASSES))
                    .unwrap()
                    .permute((0, 3, 1, 2))
                    .unwrap()
                    .contiguous()
                    .unwrap()
            }
        };
        let batch = LogitBatch::new(&logits, &points.labels, Some(9)).unwrap();
        let batch =
            weights.map_or(Ok(batch.clone()), |weights| batch.with_class_weights(weights)).unwrap();
        (spec.build().unwrap().forward(&batch).unwrap().total, batch.total_weight())
    }

    /// Batches with different numbers of rows, of which different numbers count.
    #[test]
    fn the_gradient_of_batches_equals_that_of_one_big_batch() {
        let store = ParamStore::new(7, DType::F64, &Device::Cpu);
        let layer = Linear::new(2, CLASSES, store.var_builder().pp("fc")).unwrap();
        let parameters = store.parameters();
        let values = |grads: &GradStore| -> Vec<f64> {
            let of = |(_, variable): &(String, Var)| {
                grads.get(variable).unwrap().flatten_all().unwrap().to_vec1().unwrap()
            };
            parameters.iter().flat_map(of).collect()
        };
        for spec in [
            LossSpec::CrossEntropy,
            LossSpec::margin(0.1, 0.5),
            LossSpec::Brier,
            LossSpec::LabelSmoothing { alpha: 0.1 },
        ] {
            for (positions, weights) in
                [(1, None), (1, Some([0.5, 0.0, 3.0])), (6, None), (6, Some([0.5, 3.0, 0.25]))]
            {
                let weights = weights.as_ref().map(<[f64; 3]>::as_slice);
                let big = values(
                    &backward(&loss(&layer, &spec, &points(0..12, positions), weights).0).unwrap(),
                );
                let mut accumulation = Accumulation::default();
                for range in [0..4, 4..5, 5..12] {
                    let (loss, weight) = loss(&layer, &spec, &points(range, positions), weights);
                    accumulation.add(&parameters, &loss, weight).unwrap();
                }
                let found = values(&accumulation.take(&parameters).unwrap().unwrap());
                assert!(big.iter().any(|value| value.abs() > 1e-3), "{big:?}");
                for (found, expected) in found.iter().zip(&big) {
                    assert!(
                        (found - expected).abs() < 1e-14,
                        "{spec:?} {positions}: {found}, expected {expected}"
                    );
                }
                assert!(accumulation.take(&parameters).unwrap().is_none());
            }
        }
    }

    #[test]
    fn one_batch_keeps_its_gradient_and_a_batch_without_weight_is_an_error() {
        let store = ParamStore::new(7, DType::F64, &Device::Cpu);
        let layer = Linear::new(2, CLASSES, store.var_builder().pp("fc")).unwrap();
        let parameters = store.parameters();
        let (loss, weight) = loss(&layer, &LossSpec::CrossEntropy, &points(0..5, 1), None);
        let mut accumulation = Accumulation::default();
        accumulation.add(&parameters, &loss, weight).unwrap();
        let (found, expected) =
            (accumulation.take(&parameters).unwrap().unwrap(), backward(&loss).unwrap());
        for (_, variable) in &parameters {
            let [found, expected] =
                [&found, &expected].map(|grads| grads.get(variable).unwrap().to_string());
            assert_eq!(found, expected);
        }
        for weight in [0.0, -1.0, f64::NAN] {
            let error = accumulation.add(&parameters, &loss, weight).unwrap_err().to_string();
            assert!(error.starts_with("loss_weight = "), "{error}");
        }
    }
}
