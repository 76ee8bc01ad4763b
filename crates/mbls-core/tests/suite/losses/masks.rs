//! Masked classes: a logit of minus infinity is a probability of 0. A loss is either defined for
//! them, with gradient 0 there, or returns an error that says it is not.

use super::degenerate::check_differences;
use super::{Evaluated, flat, margin_variants, one_of_each, spatial};
use candle_core::{DType, Device, Tensor};
use mbls_core::loss::{LogitBatch, LossSpec};
use mbls_core::{Error, Result};

const CPU: Device = Device::Cpu;
const TYPES: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];
const MASK: f64 = f64::NEG_INFINITY;

/// One finite value, two, and all; labels are never masked.
const ROWS: [[f64; 4]; 4] = [
    [MASK, 2.0, MASK, MASK],
    [0.5, MASK, MASK, -1.5],
    [0.0, 1.0, 2.0, 3.0],
    [1.0, MASK, 1.0, MASK],
];
const LABELS: [u32; 4] = [1, 3, 2, 0];

fn all() -> impl Iterator<Item = LossSpec> {
    let more = [
        LossSpec::Focal { gamma: 0.5 },
        LossSpec::DualFocal { gamma: 0.5 },
        LossSpec::LabelSmoothing { alpha: 0.0 },
    ];
    one_of_each().into_iter().chain(margin_variants()).chain(spatial()).chain(more)
}

/// Losses that depend on probabilities, or on that of the label.
fn takes_masks(spec: &LossSpec) -> bool {
    match spec {
        LossSpec::CrossEntropy
        | LossSpec::Focal { .. }
        | LossSpec::SampleDependentFocal { .. }
        | LossSpec::DualFocal { .. }
        | LossSpec::EntropyPenalty { .. }
        | LossSpec::L1Penalty { .. }
        | LossSpec::Brier
        | LossSpec::Mmce { .. }
        | LossSpec::WeightedMmce { .. }
        | LossSpec::Mdca { .. }
        | LossSpec::SpatialLabelSmoothing { .. } => true,
        // Losses of logits or their distances, or of the logarithm of every probability.
        LossSpec::LabelSmoothing { .. }
        | LossSpec::LogitNorm { .. }
        | LossSpec::Margin { .. }
        | LossSpec::Acls { .. }
        | LossSpec::ClassAdaptive { .. }
        | LossSpec::NeighbourPenalty { .. } => false,
        other => panic!("{other:?}: are masked classes defined?"),
    }
}

fn evaluate(
    spec: &LossSpec,
    rows: &[[f64; 4]],
    labels: &[u32],
    dtype: DType,
    composed: bool,
) -> Result<Evaluated> {
    let logits =
        Tensor::from_slice(rows.as_flattened(), (rows.len(), 4, 1), &CPU)?.to_dtype(dtype)?;
    let labels = Tensor::new(labels, &CPU)?.unsqueeze(1)?;
    Evaluated::of(spec.build()?.as_ref(), &logits, |logits| {
        let batch = LogitBatch::new(logits, &labels, Some(-100))?;
        Ok(if composed { batch.composed() } else { batch })
    })
}

#[test]
fn a_masked_class_has_probability_0_and_no_gradient() -> Result<()> {
    // So small that its probability is 0 in f64, and only the mask differs.
    let finite = ROWS.map(|row| row.map(|logit| if logit == MASK { -4e4 } else { logit }));
    for spec in all().filter(takes_masks) {
        for dtype in TYPES {
            for composed in [false, true] {
                let found = evaluate(&spec, &ROWS, &LABELS, dtype, composed)?;
                let expected = evaluate(&spec, &finite, &LABELS, dtype, composed)?;
                let what = format!("{spec:?} {dtype:?} {composed}");
                assert!(
                    (found.total() - expected.total()).abs() <= 1e-12,
                    "{what}: {}",
                    found.total()
                );
                let (gradient, expected) = (found.gradient(), expected.gradient());
                for ((g, expected), logit) in
                    gradient.iter().zip(&expected).zip(ROWS.as_flattened())
                {
                    let expected = if *logit == MASK { 0.0 } else { *expected };
                    assert!((g - expected).abs() <= 1e-12, "{what}: {gradient:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_beside_masked_classes_are_those_of_the_formulas() -> Result<()> {
    // Without the last row, in which two logits tie.
    let with_rows = |spec: &LossSpec| {
        takes_masks(spec) && !matches!(spec, LossSpec::SpatialLabelSmoothing { .. })
    };
    for spec in one_of_each().iter().filter(|spec| with_rows(spec)) {
        check_differences(spec, &ROWS[1..3], &LABELS[1..3], 1e-6, 1e-6)?;
    }
    Ok(())
}

#[test]
fn cross_entropy_is_that_of_the_classes_that_are_left() -> Result<()> {
    for composed in [false, true] {
        let masked = evaluate(&LossSpec::CrossEntropy, &ROWS[1..2], &[3], DType::F64, composed)?;
        let left = Tensor::new(&[[0.5f64, -1.5]], &CPU)?;
        let left =
            Evaluated::new(&LossSpec::CrossEntropy, &left, &Tensor::new(&[1u32], &CPU)?, None)?;
        assert!((masked.total() - left.total()).abs() < 1e-15);
        let (all, left) = (masked.gradient(), left.gradient());
        assert!(
            (all[0] - left[0]).abs() < 1e-15 && (all[3] - left[1]).abs() < 1e-15,
            "{all:?} {left:?}"
        );
        assert_eq!(all[1..3], [0.0; 2]);
    }
    Ok(())
}

#[test]
fn losses_of_all_logits_refuse_masked_classes() -> Result<()> {
    for spec in all().filter(|spec| !takes_masks(spec)) {
        for dtype in TYPES {
            for composed in [false, true] {
                let error = evaluate(&spec, &ROWS[1..], &LABELS[1..], dtype, composed)
                    .err()
                    .expect("a mask");
                let expected = "logit -inf at row 0, class 1: expected a finite number, \
                                since this loss is not defined for a masked class";
                assert_eq!(error.to_string(), expected, "{spec:?} {dtype:?} {composed}");
                // Without the masked rows it is unchanged.
                assert!(
                    evaluate(&spec, &ROWS[2..3], &LABELS[2..3], dtype, composed)?
                        .total()
                        .is_finite()
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_masked_label_is_refused_by_its_row_and_class() -> Result<()> {
    for spec in all() {
        for composed in [false, true] {
            let found = evaluate(&spec, &ROWS, &[1, 3, 2, 1], DType::F32, composed);
            if spec == LossSpec::Brier {
                // (0 - 1)^2 and twice (1/2)^2: bounded, and therefore defined for a masked label.
                assert!(found?.total().is_finite());
                continue;
            }
            let error = found.err().expect("a masked label").to_string();
            let expected = "logit -inf at row 3, class 1: expected a finite number, since the class is the row's label";
            assert_eq!(error, expected, "{spec:?} {composed}");
        }
    }
    let all_masked = evaluate(&LossSpec::CrossEntropy, &[[MASK; 4]], &[2], DType::F32, false);
    assert!(matches!(all_masked, Err(Error::Value { row: 0, class: 2, .. })));
    Ok(())
}

/// NaN and plus infinity are not masks: the loss is not finite, and no error names a mask.
#[test]
fn other_numbers_that_are_not_finite_are_no_masks() -> Result<()> {
    for bad in [f64::NAN, f64::INFINITY] {
        let mut rows = ROWS;
        rows[2][0] = bad;
        for spec in all() {
            for composed in [false, true] {
                assert!(
                    !evaluate(&spec, &rows, &LABELS, DType::F32, composed)?.total().is_finite(),
                    "{spec:?}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn masks_of_ignored_rows_are_not_read() -> Result<()> {
    for spec in all() {
        for composed in [false, true] {
            let logits = Tensor::new(&[[MASK; 4], ROWS[2]], &CPU)?.unsqueeze(2)?;
            let labels = Tensor::new(&[-100i64, 2], &CPU)?.unsqueeze(1)?;
            let found = Evaluated::of(spec.build()?.as_ref(), &logits, |logits| {
                let batch = LogitBatch::new(logits, &labels, Some(-100))?;
                Ok(if composed { batch.composed() } else { batch })
            })?;
            let alone = evaluate(&spec, &ROWS[2..3], &LABELS[2..3], DType::F64, composed)?;
            assert_eq!(found.total(), alone.total(), "{spec:?}");
            assert_eq!(flat(&found.gradient)[..4], [0.0; 4], "{spec:?}");
        }
    }
    Ok(())
}
