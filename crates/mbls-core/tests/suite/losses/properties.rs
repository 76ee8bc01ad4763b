//! Properties that hold for all logits.

use super::{Evaluated, margin_variants, one_of_each, slow};
use candle_core::{Device, Tensor};
use mbls_core::loss::LossSpec;
use proptest::prelude::*;

const CLASSES: usize = 4;

fn spec() -> impl Strategy<Value = LossSpec> {
    prop_oneof![
        Just(LossSpec::CrossEntropy),
        (0.0..=1.0).prop_map(|alpha| LossSpec::LabelSmoothing { alpha }),
        (0.0..5.0).prop_map(|gamma| LossSpec::Focal { gamma }),
        (0.0..2.0).prop_map(|alpha| LossSpec::EntropyPenalty { alpha }),
        (0.0..12.0, 0.0..2.0).prop_map(|(margin, alpha)| LossSpec::margin(margin, alpha)),
        proptest::sample::select(
            one_of_each().into_iter().chain(margin_variants()).collect::<Vec<_>>()
        ),
    ]
}

/// Losses that depend only on the differences between a row's logits.
fn shift_invariant() -> impl Strategy<Value = LossSpec> {
    spec().prop_filter("on the logits themselves", |spec| {
        !matches!(spec, LossSpec::LogitNorm { .. } | LossSpec::Acls { .. })
    })
}

fn rows() -> impl Strategy<Value = Vec<(Vec<f64>, usize)>> {
    // Small integers too, to produce ties.
    let logit = prop_oneof![-30.0..30.0, (-3..4).prop_map(f64::from)];
    proptest::collection::vec((proptest::collection::vec(logit, CLASSES), 0..CLASSES), 1..9)
}

fn evaluate(spec: &LossSpec, rows: &[(Vec<f64>, usize)]) -> Evaluated {
    let logits: Vec<f64> = rows.iter().flat_map(|(row, _)| row.clone()).collect();
    let labels: Vec<u32> = rows.iter().map(|(_, label)| *label as u32).collect();
    let n = rows.len();
    let logits =
        Tensor::from_vec(logits, (n, CLASSES), &Device::Cpu).expect("length and shape agree");
    let labels = Tensor::from_vec(labels, n, &Device::Cpu).expect("length and shape agree");
    Evaluated::new(spec, &logits, &labels, None).expect("a valid batch")
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-10 * b.abs().max(1.0)
}

proptest! {
    #[test]
    fn losses_equal_the_slow_formulas(spec in spec(), rows in rows()) {
        let found = evaluate(&spec, &rows);
        let expected = slow::terms(&spec, &rows);
        for (found, (_, expected)) in found.terms().iter().zip(&expected) {
            prop_assert!(close(*found, *expected), "{found}, expected {expected}");
        }
        let total: f64 = expected.iter().map(|(weight, value)| weight * value).sum();
        prop_assert!(close(found.total(), total), "{}, expected {total}", found.total());
    }

    #[test]
    fn a_shift_of_a_rows_logits_changes_nothing(spec in shift_invariant(), rows in rows(), shift in -500..500) {
        // Integer shifts in units that f64 adds exactly preserve ties and distances.
        let quantum = |x: f64| (x * 1024.0).round() / 1024.0;
        let base: Vec<_> = rows.iter().map(|(row, l)| (row.iter().map(|x| quantum(*x)).collect(), *l)).collect();
        let shifted: Vec<(Vec<f64>, usize)> = base
            .iter()
            .enumerate()
            .map(|(i, (row, l)): (usize, &(Vec<f64>, usize))| {
                (row.iter().map(|x| x + f64::from(shift) * (i + 1) as f64).collect(), *l)
            })
            .collect();
        let (before, after) = (evaluate(&spec, &base), evaluate(&spec, &shifted));
        prop_assert!(close(after.total(), before.total()));
        for (after, before) in after.gradient().iter().zip(before.gradient()) {
            prop_assert!(close(*after, before));
        }
    }

    #[test]
    fn the_order_of_rows_changes_nothing(spec in spec(), rows in rows(), by in 0usize..9) {
        let mut rotated = rows.clone();
        rotated.rotate_left(by % rows.len());
        rotated.swap(0, rows.len() / 2);
        prop_assert!(close(evaluate(&spec, &rotated).total(), evaluate(&spec, &rows).total()));
    }

    #[test]
    fn the_gradient_of_a_row_sums_to_zero(spec in shift_invariant(), rows in rows()) {
        for row in evaluate(&spec, &rows).gradient().chunks(CLASSES) {
            prop_assert!(row.iter().sum::<f64>().abs() < 1e-12, "{row:?}");
        }
    }
}
