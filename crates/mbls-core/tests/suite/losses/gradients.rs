//! Gradients compared with f64 central differences, and at non-differentiable points.

use super::{Evaluated, flat, logits, margin_variants, one_of_each, spatial};
use candle_core::{DType, Device, Tensor, Var};
use mbls_core::loss::{
    Anchor, AugmentedPenalty, ClassReduction, LogitBatch, LogitPenalty, LossSpec, PenaltyShape,
};
use mbls_testkit::gradient;

#[test]
fn gradients_equal_finite_differences() -> mbls_core::Result<()> {
    let flat = Tensor::new(&[0u32, 3, 1, 9, 2], &Device::Cpu)?;
    let image = Tensor::new(&[[[0u32, 2], [9, 1]], [[9, 0], [2, 2]]], &Device::Cpu)?;
    let more = [
        LossSpec::Focal { gamma: 0.5 },
        LossSpec::Focal { gamma: 0.0 },
        LossSpec::DualFocal { gamma: 0.5 },
    ];
    // A detached anchor has no part in the gradient; that of ACLS is compared with PyTorch.
    let rows = one_of_each().into_iter().filter(|spec| !matches!(spec, LossSpec::Acls { .. }));
    let rows = rows.chain(margin_variants()).chain(more).map(|spec| (spec, true));
    for (spec, takes_rows) in rows.chain(spatial().into_iter().map(|spec| (spec, false))) {
        let loss = spec.build()?;
        let shapes = [(&[5, 4][..], &flat), (&[2, 3, 2, 2], &image)];
        for (shape, labels) in if takes_rows { &shapes[..] } else { &shapes[1..] } {
            gradient::check(&[logits(shape)], 1e-7, |inputs| {
                let batch = LogitBatch::new(&inputs[0], labels, Some(9));
                batch
                    .and_then(|b| loss.forward(&b))
                    .map(|o| o.total)
                    .map_err(candle_core::Error::wrap)
            })?;
        }
    }
    Ok(())
}

/// The penalty's part of the gradient, times rows x classes.
fn penalty_gradient<const ROWS: usize>(
    logits: &[[f64; 4]; ROWS],
    margin: f64,
) -> mbls_core::Result<Vec<f64>> {
    let (rows, classes) = (ROWS, 4);
    let logits = Tensor::new(logits, &Device::Cpu)?;
    let labels = Tensor::zeros(rows, DType::U32, &Device::Cpu)?;
    let gradient = |alpha| {
        Evaluated::new(&LossSpec::margin(margin, alpha), &logits, &labels, None)
            .map(|evaluated| evaluated.gradient())
    };
    let (with, without) = (gradient(1.0)?, gradient(0.0)?);
    // Integers up to rounding.
    Ok(with
        .iter()
        .zip(&without)
        .map(|(a, b)| ((a - b) * (rows * classes) as f64 * 1e9).round() / 1e9)
        .collect())
}

#[test]
fn the_first_of_tied_maxima_has_the_gradient() -> mbls_core::Result<()> {
    // Both others are beyond the margin; the tied maximum is not.
    assert_eq!(penalty_gradient(&[[0.0, 5.0, 5.0, -1.0]], 2.0)?, [-1.0, 2.0, 0.0, -1.0]);
    // At margin 0 every distance of 0 has gradient 0.
    assert_eq!(penalty_gradient(&[[3.0, 3.0, 3.0, 3.0]], 0.0)?, [0.0; 4]);
    assert_eq!(
        penalty_gradient(&[[1.0, 0.0, 1.0, 1.0], [0.0, 2.0, 2.0, 2.0]], 0.0)?,
        [1.0, -1.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0]
    );
    Ok(())
}

#[test]
fn a_distance_of_exactly_the_margin_has_no_gradient() -> mbls_core::Result<()> {
    assert_eq!(penalty_gradient(&[[4.0, 2.0, 1.0, 2.0]], 2.0)?, [1.0, 0.0, -1.0, 0.0]);
    Ok(())
}

#[test]
fn ignored_rows_have_no_gradient() -> mbls_core::Result<()> {
    let logits = logits(&[2, 3, 2]);
    let labels = Tensor::new(&[[7u32, 1], [2, 7]], &Device::Cpu)?;
    for spec in one_of_each().into_iter().chain(margin_variants()).chain(spatial()) {
        let gradient =
            Evaluated::new(&spec, &logits, &labels, Some(7))?.gradient.to_vec3::<f64>()?;
        for (n, d, ignored) in [(0, 0, true), (0, 1, false), (1, 0, false), (1, 1, true)] {
            let zero = (0..3).all(|c| gradient[n][c][d] == 0.0);
            assert_eq!(zero, ignored, "{spec:?}: {gradient:?}");
        }
    }
    Ok(())
}

#[test]
fn gradients_are_finite_for_logits_of_ten_thousand() -> mbls_core::Result<()> {
    let rows = [[1e4f32, -1e4, 0.0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4], [0.0, 0.0, 1e4]];
    let labels = Tensor::new(&[0u32, 0, 2, 2], &Device::Cpu)?;
    // One position per row, for losses that use neighbours.
    let (logits, labels) = (Tensor::new(&rows, &Device::Cpu)?.unsqueeze(2)?, labels.unsqueeze(1)?);
    let more = [
        LossSpec::Focal { gamma: 0.5 },
        LossSpec::Focal { gamma: 0.0 },
        LossSpec::DualFocal { gamma: 0.5 },
    ];
    for spec in one_of_each().into_iter().chain(margin_variants()).chain(spatial()).chain(more) {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            let evaluated = Evaluated::new(&spec, &logits.to_dtype(dtype)?, &labels, None)?;
            assert!(evaluated.total().is_finite(), "{spec:?} {dtype:?}: {}", evaluated.total());
            let gradient = evaluated.gradient();
            // The gradient of a cubic penalty exceeds the range of f16 there.
            let beyond = dtype == DType::F16
                && matches!(spec, LossSpec::ClassAdaptive { penalty: AugmentedPenalty::P2, .. });
            assert!(
                beyond || gradient.iter().all(|g| g.is_finite()),
                "{spec:?} {dtype:?}: {gradient:?}"
            );
        }
    }
    Ok(())
}

/// The gradient of the sum of a penalty over rows.
fn gradient_of(
    penalty: &LogitPenalty,
    logits: &[[f64; 4]; 1],
    labels: &[u32],
) -> mbls_core::Result<Vec<f64>> {
    let logits = Var::new(logits, &Device::Cpu)?;
    let batch = LogitBatch::new(&logits, &Tensor::new(labels, &Device::Cpu)?, None)?;
    let gradients = penalty.per_row(&batch)?.sum_all()?.backward()?;
    Ok(gradients.get(&logits).map(flat).expect("the penalty depends on the logits"))
}

#[test]
fn gradients_of_the_penalty_at_non_differentiable_points() -> mbls_core::Result<()> {
    let new =
        |margin| LogitPenalty::new(margin).map(|p| p.with_class_reduction(ClassReduction::Sum));
    // Distances 0, 2, 3 and 2; the margins of the classes are met exactly by classes 1 and 2.
    let by_class = new(0.0)?.with_class_margins(vec![0.0, 2.0, 3.0, 1.0])?;
    assert_eq!(gradient_of(&by_class, &[[4.0, 2.0, 1.0, 2.0]], &[0])?, [1.0, 0.0, 0.0, -1.0]);
    // From the label, class 1: the larger logit of class 0 is free, class 2 is at the margin, class
    // 3 is beyond it.
    let target = new(2.0)?.with_anchor(Anchor::Target);
    assert_eq!(gradient_of(&target, &[[9.0, 4.0, 2.0, 1.0]], &[1])?, [0.0, 1.0, 0.0, -1.0]);
    let detached = new(2.0)?.with_detached_anchor();
    assert_eq!(gradient_of(&detached, &[[0.0, 5.0, 5.0, -1.0]], &[0])?, [-1.0, 0.0, 0.0, -1.0]);
    // Excesses 1 and 3 with delta 2; at 2, where the cost becomes linear, both forms have
    // derivative 2.
    let huber = new(1.0)?.with_shape(PenaltyShape::Huber { delta: 2.0 })?;
    assert_eq!(gradient_of(&huber, &[[5.0, 3.0, 1.0, 5.0]], &[0])?, [3.0, -1.0, -2.0, 0.0]);
    assert_eq!(gradient_of(&huber, &[[5.0, 2.0, 5.0, 5.0]], &[0])?, [2.0, -2.0, 0.0, 0.0]);
    Ok(())
}

#[test]
fn ties_for_a_maximum_go_to_the_first_in_every_loss() -> mbls_core::Result<()> {
    let labels = Tensor::new(&[3u32], &Device::Cpu)?;
    let tied = Tensor::new(&[[5.0f64, 1.0, 5.0, 1.0]], &Device::Cpu)?;
    // The gradient of the first of the tied logits, and of the second.
    let pair = |spec: LossSpec, labels: &Tensor| -> mbls_core::Result<[f64; 2]> {
        let with = Evaluated::new(&spec, &tied, labels, None)?.gradient();
        let without = Evaluated::new(&LossSpec::CrossEntropy, &tied, labels, None)?.gradient();
        Ok([0, 2].map(|k| ((with[k] - without[k]) * 1e9).round() / 1e9))
    };
    let acls = LossSpec::Acls { margin: 3.0, alpha: 1.0, pos_lambda: 1.0, neg_lambda: 1.0 };
    assert_eq!(pair(acls, &labels)?, [4.0, 0.0]);
    let [first, second] =
        pair(LossSpec::ClassAdaptive { margin: 1.0, penalty: AugmentedPenalty::Phr }, &labels)?;
    assert!(first > 1.0 && second == 0.0, "{first}, {second}");
    // The confidence of a wrong prediction decreases; the second of the tied logits is affected
    // only through the softmax.
    let [first, second] = pair(LossSpec::Mmce { lambda: 1.0 }, &labels)?;
    assert!(first > 0.0 && second < 0.0, "{first}, {second}");
    Ok(())
}
