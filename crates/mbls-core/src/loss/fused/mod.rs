//! Losses in one pass over the logits: value and gradient together, in the logits' own layout.
//!
//! The composed form of a loss makes a tensor for every step, and another for the gradient of each. Here a row is read while
//! it is in the cache, and all that is allocated is the gradient, which the backward pass hands out. It covers
//! cross-entropy, label smoothing, the focal losses and every [`LogitPenalty`](super::LogitPenalty). CUDA devices have kernels
//! of the same formulas, which keep no gradient and read the logits again instead.

mod columns;
#[cfg(feature = "cuda")]
mod cuda;
mod op;
mod plan;
mod rows;
mod run;

pub(super) use plan::{Base, Gamma, Plan, Second};

use super::{LogitBatch, LossOutput, Reduction, Term};
use crate::Result;
use candle_core::Device;
use std::ops::AddAssign;

/// Weighted sums over rows.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    base: f64,
    second: f64,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.base += other.base;
        self.second += other.second;
    }
}

/// The loss that `plan` describes, `None` where only its composed form can be used: on other devices, for a value per row, and
/// where the batch asks for it.
///
/// `names` are those of the terms.
pub(super) fn forward(batch: &LogitBatch, plan: &Plan, names: [&'static str; 2]) -> Result<Option<LossOutput>> {
    let has_kernels = match batch.source().device() {
        Device::Cpu => true,
        Device::Cuda(_) => cfg!(feature = "cuda"),
        Device::Metal(_) => false,
    };
    if !has_kernels || batch.reduction() == Reduction::None || batch.is_composed() {
        return Ok(None);
    }
    let op::Values { total, base, second } = op::apply(batch, plan)?;
    let mut terms = vec![Term { name: names[0], weight: plan.base_weight, value: base }];
    if plan.second != Second::None {
        terms.push(Term { name: names[1], weight: plan.second_weight, value: second });
    }
    Ok(Some(LossOutput { total, terms }))
}
