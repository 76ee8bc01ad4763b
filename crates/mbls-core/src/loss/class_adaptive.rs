use super::cross_entropy::{TERM, negative_log_likelihood};
use super::fused::{self, Base, Plan, Second};
use super::logit_penalty::per_class;
use super::ops::{from_host, log_softmax, maximum, mean_over_classes};
use super::{AugmentedPenalty, LogitBatch, Loss, LossOutput, setting, state_error};
use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};

/// Class-adaptive label smoothing with learnt multipliers (CALS-ALM):
/// `CE + mean_{n,k} P(h_nk; lambda_k, rho_k)`.
///
/// The constraints are those of MbLS in units of the margin m,
/// `h_nk = (max_j l_nj - l_nk) / m - 1 <= 0`; P is an [`AugmentedPenalty`]. Instead of one weight
/// alpha, each class has a multiplier lambda, learnt from validation data:
/// [`observe`](Loss::observe) collects statistics, and [`end_epoch`](Loss::end_epoch) sets
/// `lambda_k = mean_n P'(h_nk; lambda_k, rho_k)`, with each derivative and their mean clamped to
/// `[1e-6, 1e6]`. After every tenth epoch `rho_k` grows by a factor of 1.2, up to 10, if the mean
/// constraint of the class is greater than `0.9 max(0, its value one epoch before)`. The starting
/// values are lambda 1e-6 and rho 1. These are the published settings.
///
/// An epoch without validation data changes nothing. The gradient of the maximum goes to the first
/// of tied logits; the published code splits it among them.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mbls_core::loss::{AugmentedPenalty, ClassAdaptive, LogitBatch, Loss};
///
/// let logits = Tensor::new(&[[30f32, 5., 0.]], &Device::Cpu)?;
/// let validation = LogitBatch::new(&logits, &Tensor::new(&[0u32], &Device::Cpu)?, None)?;
/// let mut loss = ClassAdaptive::new(10.0, AugmentedPenalty::Phr)?;
/// loss.observe(&validation)?;
/// loss.end_epoch(0);
/// // Classes 1 and 2 are 2.5 and 3 margins below the maximum, so 1.5 and 2 beyond the constraint.
/// let rounded: Vec<f64> = loss.multipliers().iter().map(|l| (l * 1e3).round() / 1e3).collect();
/// assert_eq!(rounded, [0.0, 1.5, 2.0]);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # References
///
/// Liu et al., Class Adaptive Network Calibration, CVPR 2023 (arXiv 2211.15088); code
/// by-liu/CALS, `calibrate/lagrangian/aug_lagrangian_class.py`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassAdaptive {
    margin: f64,
    penalty: AugmentedPenalty,
    learnt: Option<Learnt>,
    observed: Option<Observed>,
}

const MULTIPLIERS: std::ops::RangeInclusive<f64> = 1e-6..=1e6;
const RHOS: std::ops::RangeInclusive<f64> = 1.0..=10.0;
const RHO_STEP: usize = 10;
const RHO_GROWTH: f64 = 1.2;
const TOLERANCE: f64 = 0.9;
/// Rows that are observed at once: in f64, the pixels of a batch of large images would take
/// gigabytes.
const BLOCK: usize = 1 << 16;

/// State carried from one epoch to the next, per class.
#[derive(Clone, Debug, PartialEq)]
struct Learnt {
    lambda: Vec<f64>,
    rho: Vec<f64>,
    /// Mean constraints of the last epoch.
    constraint: Vec<f64>,
}

/// Sums over the rows of one epoch's validation data, per class.
#[derive(Clone, Debug, PartialEq)]
struct Observed {
    derivative: Vec<f64>,
    constraint: Vec<f64>,
    weight: f64,
}

impl ClassAdaptive {
    /// Constrains distances to `margin`, positive; published with 10 and [`AugmentedPenalty::Phr`].
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an invalid margin.
    pub fn new(margin: f64, penalty: AugmentedPenalty) -> Result<Self> {
        Ok(Self {
            margin: setting::positive("margin", margin)?,
            penalty,
            learnt: None,
            observed: None,
        })
    }

    /// The multipliers of the classes; empty before the first epoch with validation data.
    pub fn multipliers(&self) -> &[f64] {
        self.learnt.as_ref().map_or(&[], |learnt| &learnt.lambda)
    }

    /// Computes `h`, `[rows, classes]`.
    fn constraints(&self, logits: &Tensor) -> candle_core::Result<Tensor> {
        maximum(logits)?.broadcast_sub(logits)?.affine(1.0 / self.margin, -1.0)
    }

    /// Returns `lambda` and `rho`: the learnt ones, which may have another number of classes, or
    /// the starting values.
    fn values(&self, classes: usize) -> (Vec<f64>, Vec<f64>) {
        match &self.learnt {
            Some(learnt) => (learnt.lambda.clone(), learnt.rho.clone()),
            None => (vec![*MULTIPLIERS.start(); classes], vec![*RHOS.start(); classes]),
        }
    }

    /// Returns `lambda` and `rho` as tensors `[1, classes]`.
    fn parameters(&self, like: &Tensor, classes: usize) -> Result<(Tensor, Tensor)> {
        let (lambda, rho) = self.values(classes);
        Ok((per_class("multipliers", &lambda, like)?, per_class("multipliers", &rho, like)?))
    }
}

impl Loss for ClassAdaptive {
    fn name(&self) -> &'static str {
        "class-adaptive"
    }

    fn margin(&self) -> Option<f64> {
        Some(self.margin)
    }

    fn forward(&self, batch: &LogitBatch) -> Result<LossOutput> {
        const PENALTY: &str = "augmented-lagrangian";
        let (lambda, rho) = self.values(batch.classes());
        let second = Second::Augmented { penalty: self.penalty, margin: self.margin, lambda, rho };
        let plan = Plan::new(TERM, 1.0, Base::CrossEntropy).with_second(PENALTY, 1.0, second);
        if let Some(output) = fused::forward(batch, &plan)? {
            return Ok(output);
        }
        let logits = batch.logits()?;
        let (lambda, rho) = self.parameters(logits, batch.classes())?;
        let penalty = self.penalty.value(&self.constraints(logits)?, &lambda, &rho)?;
        let cross_entropy =
            batch.reduce(&negative_log_likelihood(&log_softmax(logits)?, batch)?)?;
        LossOutput::new(TERM, 1.0, &cross_entropy)?.plus(
            PENALTY,
            1.0,
            &batch.reduce(&mean_over_classes(&penalty)?)?,
        )
    }

    fn observe(&mut self, batch: &LogitBatch) -> Result<()> {
        let logits = batch.logits()?.detach();
        let (lambda, rho) = self.parameters(&logits, batch.classes())?;
        let weights = batch.row_weights();
        let (mut derivative, mut constraint) =
            (vec![0.0; batch.classes()], vec![0.0; batch.classes()]);
        for start in (0..batch.rows()).step_by(BLOCK) {
            let rows = BLOCK.min(batch.rows() - start);
            let h = self.constraints(&logits.narrow(0, start, rows)?)?;
            let slope = within_multipliers(&self.penalty.derivative(&h, &lambda, &rho)?)?;
            let weights = weights.as_deref().map(|weights| &weights[start..start + rows]);
            add(&mut derivative, &sums(&slope, weights)?);
            add(&mut constraint, &sums(&h, weights)?);
        }
        if let Some(sum) = derivative.iter().chain(&constraint).find(|sum| !sum.is_finite()) {
            return Err(Error::Accumulator {
                what: "sum of the constraints",
                value: sum.to_string(),
                expected: "a finite number, from finite logits",
            });
        }
        let weight = weights.map_or(batch.rows() as f64, |weights| weights.iter().sum());
        match &mut self.observed {
            None => self.observed = Some(Observed { derivative, constraint, weight }),
            Some(observed) if observed.derivative.len() == derivative.len() => {
                add(&mut observed.derivative, &derivative);
                add(&mut observed.constraint, &constraint);
                observed.weight += weight;
            }
            Some(observed) => {
                return Err(Error::Shape {
                    what: "logits",
                    expected: format!(
                        "{} classes, as in earlier batches",
                        observed.derivative.len()
                    ),
                    found: format!("{} classes", derivative.len()),
                });
            }
        }
        Ok(())
    }

    fn end_epoch(&mut self, epoch: usize) {
        let Some(Observed { derivative, constraint, weight }) = self.observed.take() else {
            return;
        };
        let mean = |sums: Vec<f64>| sums.into_iter().map(move |sum| sum / weight);
        let lambda = mean(derivative)
            .map(|mean| mean.clamp(*MULTIPLIERS.start(), *MULTIPLIERS.end()))
            .collect();
        let constraint: Vec<f64> = mean(constraint).collect();
        let rho = match self.learnt.take() {
            Some(before) if (epoch + 1).is_multiple_of(RHO_STEP) => {
                let grown = |((rho, now), before): ((f64, &f64), f64)| {
                    if *now > TOLERANCE * before.max(0.0) {
                        (rho * RHO_GROWTH).min(*RHOS.end())
                    } else {
                        rho
                    }
                };
                before.rho.into_iter().zip(&constraint).zip(before.constraint).map(grown).collect()
            }
            Some(before) => before.rho,
            None => vec![*RHOS.start(); constraint.len()],
        };
        self.learnt = Some(Learnt { lambda, rho, constraint });
    }

    /// Returns the classes' multipliers, their rho and their mean constraints, one after the other;
    /// empty before the first epoch with validation data. Observations since the end of the last
    /// epoch are not included.
    fn state(&self) -> Vec<f64> {
        self.learnt.as_ref().map_or_else(Vec::new, |Learnt { lambda, rho, constraint }| {
            [lambda.as_slice(), rho, constraint].concat()
        })
    }

    fn restore(&mut self, state: &[f64]) -> Result<()> {
        let classes = state.len() / 3;
        let (lambda, rest) = state.split_at(classes);
        let (rho, constraint) = rest.split_at(classes);
        let valid = constraint.len() == classes
            && lambda.iter().all(|lambda| MULTIPLIERS.contains(lambda))
            && rho.iter().all(|rho| RHOS.contains(rho))
            && constraint.iter().all(|constraint| constraint.is_finite());
        if !valid {
            const EXPECTED: &str = "multipliers from 1e-6 to 1e6, as many rho from 1 to 10 and as many finite constraints";
            return Err(state_error(self.name(), state, EXPECTED));
        }
        self.observed = None;
        self.learnt = (classes > 0).then(|| Learnt {
            lambda: lambda.to_vec(),
            rho: rho.to_vec(),
            constraint: constraint.to_vec(),
        });
        Ok(())
    }
}

/// Clamps values to the range of multipliers.
fn within_multipliers(values: &Tensor) -> candle_core::Result<Tensor> {
    // `clamp` is generic and would compile candle's binary operations for all types again here.
    let bound = |value: f64| Tensor::new(value, values.device())?.to_dtype(values.dtype());
    values
        .broadcast_maximum(&bound(*MULTIPLIERS.start())?)?
        .broadcast_minimum(&bound(*MULTIPLIERS.end())?)
}

/// Returns the sums over rows, per class, in f64; rows have the given weights or all the same.
fn sums(values: &Tensor, weights: Option<&[f64]>) -> Result<Vec<f64>> {
    // Sums of many rows need f64, which Metal does not have.
    let element = if values.device().is_metal() { DType::F32 } else { DType::F64 };
    let values = values.to_dtype(element)?;
    let values = match weights {
        Some(weights) => values.broadcast_mul(&from_host(weights, (weights.len(), 1), &values)?)?,
        None => values,
    };
    Ok(values.sum(0)?.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec1()?)
}

fn add(sums: &mut [f64], values: &[f64]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
