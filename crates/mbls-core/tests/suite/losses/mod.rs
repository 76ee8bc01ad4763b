//! Losses compared with finite differences, PyTorch's values and slow, simple implementations.

mod contract;
#[cfg(feature = "cuda")]
mod cuda;
mod degenerate;
pub(crate) mod evaluated;
mod fused;
mod gradients;
mod labels;
mod learnt;
mod masks;
mod properties;
mod pytorch;
mod reductions;
pub(crate) mod slow;
mod spatial;

use candle_core::{Device, Tensor};
use evaluated::{Evaluated, flat};
use mbls_core::loss::{
    AlphaSchedule, Anchor, AugmentedPenalty, ClassReduction, LossSpec, MarginChoice, NeighbourNorm,
    PenaltyShape,
};

/// One loss of each kind that needs no neighbours, with settings at which no term vanishes.
fn one_of_each() -> Vec<LossSpec> {
    vec![
        LossSpec::CrossEntropy,
        LossSpec::LabelSmoothing { alpha: 0.1 },
        LossSpec::Focal { gamma: 2.5 },
        LossSpec::SampleDependentFocal { gamma: 1.5 },
        LossSpec::DualFocal { gamma: 2.5 },
        LossSpec::EntropyPenalty { alpha: 0.3 },
        LossSpec::L1Penalty { alpha: 0.4 },
        LossSpec::Brier,
        LossSpec::Mmce { lambda: 1.5 },
        LossSpec::WeightedMmce { lambda: 1.5 },
        LossSpec::Mdca { gamma: 1.0, beta: 1.5 },
        LossSpec::LogitNorm { tau: 0.5 },
        LossSpec::margin(1.5, 0.2),
        LossSpec::margin(0.0, 0.2),
        LossSpec::Acls { margin: 1.5, alpha: 0.2, pos_lambda: 0.7, neg_lambda: 0.3 },
        LossSpec::ClassAdaptive { margin: 1.5, penalty: AugmentedPenalty::Phr },
        LossSpec::ClassAdaptive { margin: 1.5, penalty: AugmentedPenalty::P2 },
        LossSpec::ClassAdaptive { margin: 1.5, penalty: AugmentedPenalty::P3 },
    ]
}

/// The logit penalty with settings other than those of MbLS.
fn margin_variants() -> Vec<LossSpec> {
    let with = |anchor, shape, class_reduction| LossSpec::Margin {
        margin: MarginChoice::Fixed(1.5),
        alpha: 0.2,
        anchor,
        detached_anchor: false,
        shape,
        class_reduction,
        schedule: AlphaSchedule::None,
        max_alpha: None,
    };
    vec![
        with(Anchor::Max, PenaltyShape::Quadratic, ClassReduction::Mean),
        with(Anchor::Max, PenaltyShape::Huber { delta: 2.0 }, ClassReduction::Sum),
        with(Anchor::Target, PenaltyShape::Linear, ClassReduction::Mean),
        with(Anchor::Target, PenaltyShape::Huber { delta: 0.5 }, ClassReduction::Mean),
    ]
}

/// One loss of each kind that uses neighbours.
fn spatial() -> Vec<LossSpec> {
    vec![
        LossSpec::SpatialLabelSmoothing { sigma: 1.0 },
        LossSpec::NeighbourPenalty { alpha: 0.2, norm: NeighbourNorm::L1 },
        LossSpec::NeighbourPenalty { alpha: 0.2, norm: NeighbourNorm::L2 },
    ]
}

/// Whether a loss has a value for each row; others are statistics of the batch.
fn has_rows(spec: &LossSpec) -> bool {
    !matches!(spec, LossSpec::Mmce { .. } | LossSpec::WeightedMmce { .. } | LossSpec::Mdca { .. })
}

/// Logits without ties, of standard deviation about 3, from a fixed recurrence.
fn logits(shape: &[usize]) -> Tensor {
    let n = shape.iter().product::<usize>();
    let mut state = 1u64;
    let values: Vec<f64> = (0..n)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * 10.0
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).expect("shape and length agree")
}
