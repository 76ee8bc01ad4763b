//! Losses in one pass over the logits: value and gradient together, in the layout of the logits.
//!
//! The composed form of a loss allocates a tensor for every step, and another for the gradient of
//! each. Here a row is read while it is in the cache, and the only allocation is the gradient,
//! which the backward pass returns. This covers cross-entropy, label smoothing, the focal losses,
//! every [`LogitPenalty`](super::LogitPenalty), ACLS and CALS-ALM. CUDA devices have kernels of the
//! same formulas, which store no gradient and read the logits again instead.

mod cost;
#[cfg(feature = "cuda")]
mod cuda;
mod op;
mod plan;
mod rows;
mod run;
mod stored;
mod tiles;

pub(super) use plan::{Base, Gamma, Plan, Second};

use super::{LogitBatch, LossOutput, Reduction, Term, mask};
use crate::Result;
use candle_core::Device;
use std::ops::AddAssign;

/// Weighted sums over rows.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    base: f64,
    second: f64,
    top_logit: f64,
}

impl Sums {
    /// Base, penalty of the top logit and second term.
    fn terms(self) -> [f64; 3] {
        [self.base, self.top_logit, self.second]
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.base += other.base;
        self.second += other.second;
        self.top_logit += other.top_logit;
    }
}

/// Computes the loss that `plan` describes; `None` if only its composed form can be used: on other
/// devices, for a value per row, and if the batch requests it.
pub(super) fn forward(batch: &LogitBatch, plan: &Plan) -> Result<Option<LossOutput>> {
    let has_kernels = match batch.source().device() {
        Device::Cpu => true,
        Device::Cuda(_) => cfg!(feature = "cuda"),
        Device::Metal(_) => false,
    };
    if !has_kernels || batch.reduction() == Reduction::None || batch.is_composed() {
        return Ok(None);
    }
    let op::Values { total, terms } = op::apply(batch, plan)?;
    mask::check(&total, || batch.logits(), batch.targets())?;
    let terms = plan.terms().into_iter().zip(terms).filter_map(|(term, value)| {
        let (name, weight) = term?;
        Some(Term { name, weight, value })
    });
    Ok(Some(LossOutput { total, terms: terms.collect() }))
}
