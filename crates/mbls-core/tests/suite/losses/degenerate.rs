//! Rows of zeros and of one repeated value, small and large, in every loss and type: values and
//! gradients are finite and agree with the formulas.

use super::{Evaluated, flat, has_rows, margin_variants, one_of_each, slow, spatial};
use candle_core::{DType, Device, Tensor};
use half::f16;
use mbls_core::Result;
use mbls_core::loss::{AugmentedPenalty, LogitBatch, LossSpec, NeighbourNorm, Reduction};
use mbls_testkit::golden;

const CPU: Device = Device::Cpu;
const TYPES: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];
const CLASSES: usize = 4;

fn all() -> impl Iterator<Item = LossSpec> {
    let more = [
        LossSpec::Focal { gamma: 0.5 },
        LossSpec::Focal { gamma: 0.0 },
        LossSpec::DualFocal { gamma: 0.5 },
        LossSpec::LogitNorm { tau: 0.04 },
        LossSpec::LabelSmoothing { alpha: 1.0 },
    ];
    one_of_each().into_iter().chain(margin_variants()).chain(spatial()).chain(more)
}

/// Rows as positions, also for losses that use neighbours: `[rows, classes, 1]` and `[rows, 1]`.
fn batch(rows: &[[f64; CLASSES]], labels: &[u32]) -> Result<(Tensor, Tensor)> {
    Ok((
        Tensor::from_slice(rows.as_flattened(), (rows.len(), CLASSES, 1), &CPU)?,
        Tensor::new(labels, &CPU)?.unsqueeze(1)?,
    ))
}

/// Every loss in every type, form and reduction.
fn for_each(
    losses: impl Iterator<Item = LossSpec>,
    types: &[DType],
    (logits, labels): &(Tensor, Tensor),
    mut check: impl FnMut(&LossSpec, DType, Reduction, Evaluated) -> Result<()>,
) -> Result<()> {
    for spec in losses {
        for &dtype in types {
            for composed in [false, true] {
                for reduction in [Reduction::Mean, Reduction::Sum, Reduction::None] {
                    if reduction == Reduction::None && !has_rows(&spec) {
                        continue;
                    }
                    let evaluated = Evaluated::of(
                        spec.build()?.as_ref(),
                        &logits.to_dtype(dtype)?,
                        |logits| {
                            let batch =
                                LogitBatch::new(logits, labels, None)?.with_reduction(reduction);
                            Ok(if composed { batch.composed() } else { batch })
                        },
                    )?;
                    check(&spec, dtype, reduction, evaluated)?;
                }
            }
        }
    }
    Ok(())
}

fn is_finite(spec: &LossSpec, dtype: DType, evaluated: Evaluated, what: &str) {
    let (total, gradient) = (flat(&evaluated.output.total), evaluated.gradient());
    assert!(total.iter().all(|value| value.is_finite()), "{spec:?} {dtype:?} {what}: {total:?}");
    assert!(
        gradient.iter().all(|value| value.is_finite()),
        "{spec:?} {dtype:?} {what}: {gradient:?}"
    );
}

/// The originally reported case: f16 logits that are all 0.
#[test]
fn logit_norm_of_zeros_in_f16_has_a_finite_gradient() -> Result<()> {
    for tau in [0.04, 0.5, 1.0] {
        let logits = Tensor::zeros((1, 3), DType::F16, &CPU)?;
        let evaluated = Evaluated::new(
            &LossSpec::LogitNorm { tau },
            &logits,
            &Tensor::new(&[1u32], &CPU)?,
            None,
        )?;
        assert!((evaluated.total() - 3f64.ln()).abs() < 1e-6);
        // p - onehot(y), times the largest number of f16.
        let expected =
            [1.0 / 3.0, -2.0 / 3.0, 1.0 / 3.0].map(|slope| f16::from_f64(slope * 65504.0).to_f64());
        assert_eq!(evaluated.gradient(), expected, "{tau}");
    }
    Ok(())
}

#[test]
fn zeros_and_repeated_values_have_finite_values_and_gradients() -> Result<()> {
    let least = f16::MIN_POSITIVE_SUBNORMAL.to_f64();
    for value in [0.0, least, -least, 1e-6, 1e-5, 3e-4, 0.1, -1.0, 30.0, 1e4, -1e4] {
        let rows = [[value; CLASSES], [value; CLASSES], [0.0; CLASSES]];
        for_each(all(), &TYPES, &batch(&rows, &[0, 3, 1])?, |spec, dtype, _, evaluated| {
            is_finite(spec, dtype, evaluated, &value.to_string());
            Ok(())
        })?;
    }
    Ok(())
}

/// Rows whose norm is near the constant of logit normalisation, with one class and several.
#[test]
fn rows_near_zero_have_finite_values_and_gradients() -> Result<()> {
    for value in [6e-8, 1e-7, 1e-6, 1e-4] {
        let rows =
            [[value, 0.0, 0.0, 0.0], [0.0, -value, value, 0.0], [value, 2.0 * value, 0.0, -value]];
        for_each(all(), &TYPES, &batch(&rows, &[0, 3, 1])?, |spec, dtype, _, evaluated| {
            is_finite(spec, dtype, evaluated, &value.to_string());
            Ok(())
        })?;
    }
    Ok(())
}

/// The largest numbers of the type: no square, sum or quotient on the way may overflow unless the
/// loss itself does.
#[test]
fn the_greatest_numbers_repeated_have_finite_values_and_gradients() -> Result<()> {
    let bounded = |spec: &LossSpec| {
        // These penalise the logits themselves and are unbounded.
        !matches!(spec, LossSpec::Acls { .. } | LossSpec::NeighbourPenalty { .. })
    };
    for (dtype, value) in
        [(DType::F16, 65504.0), (DType::BF16, 3.3e38), (DType::F32, 3.4e38), (DType::F64, 1.7e308)]
    {
        for value in [value, -value] {
            let rows = [[value; CLASSES]; 2];
            for_each(
                all().filter(bounded),
                &[dtype],
                &batch(&rows, &[0, 3])?,
                |spec, dtype, reduction, evaluated| {
                    // The same loss as for ones.
                    let (ones, labels) = batch(&[[1.0; CLASSES]; 2], &[0, 3])?;
                    let ones = Evaluated::of(spec.build()?.as_ref(), &ones, |logits| {
                        Ok(LogitBatch::new(logits, &labels, None)?.with_reduction(reduction))
                    })?;
                    let (found, expected) =
                        (flat(&evaluated.output.total), flat(&ones.output.total));
                    for (found, expected) in found.iter().zip(&expected) {
                        let close = (found - expected).abs() <= 1e-5 * (1.0 + expected.abs());
                        assert!(close, "{spec:?} {dtype:?} {value}: {found}, expected {expected}");
                    }
                    is_finite(spec, dtype, evaluated, &value.to_string());
                    Ok(())
                },
            )?;
        }
    }
    Ok(())
}

/// A loss by its formula, averaged over rows.
fn by_formula(spec: &LossSpec, rows: &[[f64; CLASSES]], labels: &[u32]) -> f64 {
    let rows: Vec<slow::Row> =
        rows.iter().zip(labels).map(|(row, label)| (row.to_vec(), *label as usize)).collect();
    slow::terms(spec, &rows).into_iter().map(|(weight, value)| weight * value).sum()
}

/// Compares a gradient in f64 with central differences of the formula, with respect to finite
/// logits.
pub(crate) fn check_differences(
    spec: &LossSpec,
    rows: &[[f64; CLASSES]],
    labels: &[u32],
    step: f64,
    tolerance: f64,
) -> Result<()> {
    for composed in [false, true] {
        let (logits, targets) = batch(rows, labels)?;
        let found = Evaluated::of(spec.build()?.as_ref(), &logits, |logits| {
            let batch = LogitBatch::new(logits, &targets, None)?;
            Ok(if composed { batch.composed() } else { batch })
        })?;
        let expected = by_formula(spec, rows, labels);
        assert!(
            (found.total() - expected).abs() <= 1e-9 * (1.0 + expected.abs()),
            "{spec:?}: {}",
            found.total()
        );
        let gradient = found.gradient();
        let scale = gradient.iter().fold(1e-3, |scale: f64, g| scale.max(g.abs()));
        for (n, row) in rows.iter().enumerate() {
            for k in (0..CLASSES).filter(|&k| row[k].is_finite()) {
                let moved = |by: f64| {
                    let mut rows = rows.to_vec();
                    rows[n][k] += by;
                    by_formula(spec, &rows, labels)
                };
                let expected = (moved(step) - moved(-step)) / (2.0 * step);
                let found = gradient[n * CLASSES + k];
                assert!(
                    (found - expected).abs() <= tolerance * scale,
                    "{spec:?} {n}, {k}: {found}, expected {expected}"
                );
            }
        }
    }
    Ok(())
}

/// Losses that are differentiable where logits tie, or whose derivative there agrees with central
/// differences.
fn smooth_at_ties() -> Vec<LossSpec> {
    let at_ties = |spec: &LossSpec| {
        !matches!(
            spec,
            LossSpec::DualFocal { .. } | LossSpec::Mmce { .. } | LossSpec::WeightedMmce { .. }
        ) && *spec != LossSpec::margin(0.0, 0.2)
    };
    one_of_each().into_iter().chain(margin_variants()).filter(at_ties).collect()
}

#[test]
fn gradients_of_zeros_and_repeated_values_are_those_of_the_formulas() -> Result<()> {
    for value in [0.0, 1e-3, 0.5, -1.0] {
        let rows = [[value; CLASSES], [value; CLASSES], [-value; CLASSES]];
        for spec in smooth_at_ties() {
            if matches!(spec, LossSpec::LogitNorm { .. }) && value == 0.0 {
                // If the norm is less than the constant added to it, the step must be smaller.
                check_differences(&spec, &rows, &[0, 3, 1], 1e-13, 1e-4)?;
            } else {
                check_differences(&spec, &rows, &[0, 3, 1], 1e-6, 1e-5)?;
            }
        }
    }
    Ok(())
}

/// Only the gradients of the cubic penalty and of squares of logits exceed the range of f16.
#[test]
fn what_is_beyond_f16_is_known() -> Result<()> {
    let rows = [[1e4, 0.0, 0.0, 0.0]];
    for spec in all() {
        let (logits, labels) = batch(&rows, &[0])?;
        let gradient =
            Evaluated::new(&spec, &logits.to_dtype(DType::F16)?, &labels, None)?.gradient();
        let beyond = matches!(spec, LossSpec::ClassAdaptive { penalty: AugmentedPenalty::P2, .. });
        assert_eq!(gradient.iter().any(|g| !g.is_finite()), beyond, "{spec:?}: {gradient:?}");
    }
    let large = LossSpec::NeighbourPenalty { alpha: 1.0, norm: NeighbourNorm::L2 };
    let (logits, labels) = batch(&[[1e4; CLASSES]], &[0])?;
    assert!(
        Evaluated::new(&large, &logits.to_dtype(DType::F16)?, &labels, None)?
            .gradient()
            .iter()
            .all(|g| g.is_finite())
    );
    Ok(())
}

/// Compares with PyTorch's values and gradients of such rows and of masked classes, with -100 among
/// the labels, in f64 and f32.
#[test]
fn pytorch_agrees() -> Result<()> {
    let file = golden::fixture("losses/degenerate.json");
    let number =
        |v: &serde_json::Value| v.as_f64().or_else(|| v.as_str()?.parse().ok()).expect("a number");
    let numbers = |v: &serde_json::Value| {
        v.as_array().expect("numbers").iter().map(number).collect::<Vec<f64>>()
    };
    let cases = file["cases"].as_array().expect("cases");
    assert!(cases.len() > 20);
    for case in cases {
        let spec: LossSpec = serde_json::from_value(case["spec"].clone()).expect("a loss");
        let labels: Vec<i64> =
            numbers(&case["labels"]).into_iter().map(|label| label as i64).collect();
        let labels = Tensor::new(labels, &CPU)?;
        let logits =
            Tensor::new(numbers(&case["logits"]), &CPU)?.reshape((labels.elem_count(), ()))?;
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
            for composed in [false, true] {
                let found =
                    Evaluated::of(spec.build()?.as_ref(), &logits.to_dtype(dtype)?, |logits| {
                        let batch = LogitBatch::new(logits, &labels, Some(-100))?;
                        Ok(if composed { batch.composed() } else { batch })
                    })?;
                let what = format!("{} {spec:?} {dtype:?} {composed}", case["name"]);
                let total = number(&case["total"]);
                assert!(
                    (found.total() - total).abs() <= tolerance * (1.0 + total.abs()),
                    "{what}: {}",
                    found.total()
                );
                let expected = numbers(&case["gradient"]);
                let scale = expected.iter().fold(tolerance, |scale, g| scale.max(g.abs()));
                for (found, expected) in found.gradient().iter().zip(&expected) {
                    assert!(
                        (found - expected).abs() <= tolerance * scale,
                        "{what}: {found}, expected {expected}"
                    );
                }
            }
        }
    }
    Ok(())
}
