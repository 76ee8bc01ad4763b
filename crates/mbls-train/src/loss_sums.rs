//! The sums of the losses of an epoch.

use crate::Result;
use candle_core::{DType, Tensor};
use mbls_core::loss::LossOutput;
use std::collections::BTreeMap;

/// The sums of the losses of the steps, and of the loss terms.
///
/// The loss of a step stays on its device until [`read`](Self::read) copies all pending losses to
/// the host at once, so a step does not wait for the device. The sums are in f64, in the order of
/// the steps: they are bit-identical however often they are read.
#[derive(Debug, Default)]
pub(crate) struct LossSums {
    sums: BTreeMap<String, f64>,
    pending: Vec<Pending>,
}

/// The loss of one step that has not been read yet.
#[derive(Debug)]
struct Pending {
    step: usize,
    /// Detached scalars: `loss`, and each term.
    values: Vec<(String, Tensor)>,
}

/// A loss that is NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NonFiniteLoss {
    pub(crate) step: usize,
    pub(crate) value: f64,
}

impl LossSums {
    /// Continues from sums that were read.
    pub(crate) fn from_sums(sums: BTreeMap<String, f64>) -> Self {
        Self { sums, pending: Vec::new() }
    }

    /// Adds the loss of a step, to be read later.
    pub(crate) fn add(&mut self, step: usize, output: &LossOutput) {
        let terms =
            output.terms.iter().map(|term| (format!("loss_{}", term.name), term.value.detach()));
        let values =
            std::iter::once(("loss".to_owned(), output.total.detach())).chain(terms).collect();
        self.pending.push(Pending { step, values });
    }

    /// Reads the pending losses. Returns the mean loss of those steps; `None` if there are none.
    ///
    /// # Errors
    ///
    /// The inner result is the first loss that is not finite; nothing of its step or later steps is
    /// added.
    pub(crate) fn read(&mut self) -> Result<Result<Option<f64>, NonFiniteLoss>> {
        let Some(first) = self.pending.first().and_then(|step| step.values.first()) else {
            return Ok(Ok(None));
        };
        // Metal has no f64. In half precision, terms and total may have different types.
        let element = if first.1.device().is_metal() { DType::F32 } else { DType::F64 };
        let all = self.pending.iter().flat_map(|step| &step.values);
        let all = all
            .map(|(_, value)| value.to_dtype(element)?.reshape(1))
            .collect::<candle_core::Result<Vec<_>>>()?;
        let all: Vec<f64> = Tensor::cat(&all, 0)?
            .to_device(&candle_core::Device::Cpu)?
            .to_dtype(DType::F64)?
            .to_vec1()?;
        let (mut values, mut sum, steps) = (all.into_iter(), 0.0, self.pending.len());
        for Pending { step, values: names } in std::mem::take(&mut self.pending) {
            for ((name, _), value) in names.into_iter().zip(&mut values) {
                if name == "loss" {
                    if !value.is_finite() {
                        return Ok(Err(NonFiniteLoss { step, value }));
                    }
                    sum += value;
                }
                *self.sums.entry(name).or_default() += value;
            }
        }
        Ok(Ok(Some(sum / steps as f64)))
    }

    /// Returns the sums read so far, by name.
    pub(crate) fn sums(&self) -> &BTreeMap<String, f64> {
        &self.sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use mbls_core::loss::Term;

    fn output(loss: f32) -> LossOutput {
        let tensor = |value: f32| Tensor::new(value, &Device::Cpu).unwrap();
        let term = |name, weight, value| Term { name, weight, value: tensor(value) };
        LossOutput {
            total: tensor(loss),
            terms: vec![term("ce", 1.0, loss / 3.0), term("penalty", 0.5, -loss)],
        }
    }

    #[test]
    fn sums_do_not_depend_on_when_they_are_read() {
        let losses: Vec<f32> = (1..40).map(|i| 1.0 / i as f32).collect();
        let summed = |every: usize| {
            let mut sums = LossSums::default();
            for (step, &loss) in losses.iter().enumerate() {
                sums.add(step, &output(loss));
                if (step + 1).is_multiple_of(every) {
                    let mean = sums.read().unwrap().unwrap().unwrap();
                    let expected = losses[step + 1 - every..=step]
                        .iter()
                        .map(|&loss| f64::from(loss))
                        .sum::<f64>();
                    assert_eq!(mean, expected / every as f64);
                }
            }
            sums.read().unwrap().unwrap();
            assert_eq!(sums.read().unwrap(), Ok(None));
            // As after an interruption.
            LossSums::from_sums(sums.sums().clone()).sums().clone()
        };
        let expected = |f: fn(f32) -> f32| {
            losses.iter().map(|&loss| f64::from(f(loss))).fold(0.0, |a, b| a + b)
        };
        let each = summed(1);
        assert_eq!(each["loss"], expected(|loss| loss));
        assert_eq!(each["loss_ce"], expected(|loss| loss / 3.0));
        assert_eq!(each["loss_penalty"], expected(|loss| -loss));
        for every in [2, 7, 100] {
            assert_eq!(summed(every), each);
        }
    }

    #[test]
    fn the_first_loss_that_is_not_finite_is_named() {
        let mut sums = LossSums::default();
        for (step, loss) in [1.0, 2.0, f32::INFINITY, f32::NAN, 3.0].into_iter().enumerate() {
            sums.add(step + 10, &output(loss));
        }
        assert_eq!(sums.read().unwrap(), Err(NonFiniteLoss { step: 12, value: f64::INFINITY }));
        assert_eq!(sums.sums()["loss"], 3.0);
    }
}
