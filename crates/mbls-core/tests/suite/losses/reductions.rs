//! Class weights, reductions and shapes: the same rule for every loss.

use super::{Evaluated, flat, has_rows, logits, margin_variants, one_of_each, slow};
use candle_core::{Device, Tensor};
use mbls_core::Error;
use mbls_core::loss::{LogitBatch, LossSpec, Reduction};

const CPU: Device = Device::Cpu;
const WEIGHTS: [f64; 4] = [0.5, 2.0, 0.0, 1.25];
const IGNORED: u32 = 7;
const LABELS: [u32; 6] = [2, 0, IGNORED, 3, 1, 0];

/// Six rows of four classes as `[N, C]`, `[N, C, d]` and `[N, C, h, w]`, with the labels' shape.
fn layouts() -> mbls_core::Result<Vec<(Tensor, Tensor)>> {
    let rows = logits(&[6, 4]);
    let labels = Tensor::new(&LABELS, &CPU)?;
    Ok(vec![
        (rows.clone(), labels.clone()),
        (rows.reshape((2, 3, 4))?.transpose(1, 2)?.contiguous()?, labels.reshape((2, 3))?),
        // A view that is not contiguous.
        (rows.reshape((1, 2, 3, 4))?.permute((0, 3, 1, 2))?, labels.reshape((1, 2, 3))?),
    ])
}

/// The rows that are not ignored, for the slow formulas.
fn rows() -> Vec<slow::Row> {
    let logits = flat(&logits(&[6, 4]));
    let rows = logits.chunks(4).zip(LABELS).filter(|(_, label)| *label != IGNORED);
    rows.map(|(row, label)| (row.to_vec(), label as usize)).collect()
}

fn evaluate(
    spec: &LossSpec,
    (logits, labels): &(Tensor, Tensor),
    reduction: Reduction,
) -> mbls_core::Result<Evaluated> {
    Evaluated::of(spec.build()?.as_ref(), logits, |logits| {
        let batch =
            LogitBatch::new(logits, labels, Some(IGNORED.into()))?.with_reduction(reduction);
        if has_rows(spec) { batch.with_class_weights(&WEIGHTS) } else { Ok(batch) }
    })
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * b.abs().max(1.0)
}

#[test]
fn weighted_losses_equal_the_slow_formulas() -> mbls_core::Result<()> {
    let rows = rows();
    let total_weight: f64 = rows.iter().map(|(_, label)| WEIGHTS[*label]).sum();
    for spec in one_of_each().into_iter().chain(margin_variants()).filter(has_rows) {
        let terms = slow::weighted_terms(&spec, &rows, &|label| WEIGHTS[label]);
        let expected: f64 = terms.iter().map(|(weight, value)| weight * value).sum();
        for layout in layouts()? {
            let mean = evaluate(&spec, &layout, Reduction::Mean)?;
            assert!(
                close(mean.total(), expected),
                "{spec:?}: {}, expected {expected}",
                mean.total()
            );
            for (found, (_, expected)) in mean.terms().iter().zip(&terms) {
                assert!(close(*found, *expected), "{spec:?}: {found}, expected {expected}");
            }
            let sum = evaluate(&spec, &layout, Reduction::Sum)?;
            assert!(close(sum.total(), expected * total_weight), "{spec:?}: {}", sum.total());
            for (mean, sum) in mean.gradient().iter().zip(sum.gradient()) {
                assert!(close(mean * total_weight, sum), "{spec:?}: {mean}, {sum}");
            }
        }
    }
    Ok(())
}

#[test]
fn without_reduction_each_position_has_its_value() -> mbls_core::Result<()> {
    let logits = flat(&logits(&[6, 4]));
    for spec in one_of_each().into_iter().chain(margin_variants()).filter(has_rows) {
        for layout in layouts()? {
            let evaluated = evaluate(&spec, &layout, Reduction::None)?;
            assert_eq!(evaluated.output.total.dims(), layout.1.dims());
            let terms = &evaluated.output.terms;
            assert!(terms.iter().all(|term| term.value.dims() == layout.1.dims()));
            for (n, (found, label)) in
                flat(&evaluated.output.total).into_iter().zip(LABELS).enumerate()
            {
                let expected = match WEIGHTS.get(label as usize) {
                    None => 0.0,
                    Some(weight) => {
                        let terms =
                            slow::row_terms(&spec, &logits[4 * n..4 * n + 4], label as usize);
                        weight * terms.iter().map(|(weight, value)| weight * value).sum::<f64>()
                    }
                };
                assert!(close(found, expected), "{spec:?} {n}: {found}, expected {expected}");
            }
            // The gradient of all values is that of their sum.
            let sum = evaluate(&spec, &layout, Reduction::Sum)?.gradient();
            for (found, expected) in evaluated.gradient().into_iter().zip(sum) {
                assert!(close(found, expected), "{spec:?}: {found}, expected {expected}");
            }
        }
    }
    Ok(())
}

#[test]
fn all_layouts_have_one_value_and_one_gradient() -> mbls_core::Result<()> {
    for spec in one_of_each().into_iter().chain(margin_variants()) {
        let layouts = layouts()?;
        let first = evaluate(&spec, &layouts[0], Reduction::Mean)?;
        for layout in &layouts[1..] {
            let other = evaluate(&spec, layout, Reduction::Mean)?;
            assert!(close(other.total(), first.total()), "{spec:?}");
            let by_rows = other.gradient.flatten_from(2)?.transpose(1, 2)?;
            for (found, expected) in flat(&by_rows).into_iter().zip(first.gradient()) {
                assert!(close(found, expected), "{spec:?}: {found}, expected {expected}");
            }
        }
    }
    Ok(())
}

#[test]
fn statistics_of_a_batch_have_neither_rows_nor_class_weights() -> mbls_core::Result<()> {
    let layout = &layouts()?[0];
    for spec in one_of_each().into_iter().filter(|spec| !has_rows(spec)) {
        let mean = evaluate(&spec, layout, Reduction::Mean)?;
        let sum = evaluate(&spec, layout, Reduction::Sum)?;
        assert!(close(sum.total(), 5.0 * mean.total()), "{spec:?}");
        let none = evaluate(&spec, layout, Reduction::None).err().map(|error| error.to_string());
        let expected =
            "reduction = none: expected mean or sum: the loss is a statistic of the whole batch";
        assert_eq!(none.as_deref(), Some(expected), "{spec:?}");
        let batch = LogitBatch::new(&layout.0, &layout.1, Some(IGNORED.into()))?
            .with_class_weights(&WEIGHTS)?;
        assert!(
            matches!(
                spec.build()?.forward(&batch),
                Err(Error::Setting { name: "class weights", .. })
            ),
            "{spec:?}"
        );
    }
    Ok(())
}

#[test]
fn values_to_reduce_are_one_per_row() -> mbls_core::Result<()> {
    let (logits, labels) = &layouts()?[0];
    let batch = LogitBatch::new(logits, labels, Some(IGNORED.into()))?;
    let error = batch
        .reduce(&Tensor::zeros(6, candle_core::DType::F64, &CPU)?)
        .expect_err("one row is ignored");
    assert_eq!(
        error.to_string(),
        "values of rows: expected [5], one per row that is not ignored, found [6]"
    );
    Ok(())
}

#[test]
fn mmce_refuses_batches_whose_pairs_fill_the_memory() -> mbls_core::Result<()> {
    let n = 16_385;
    let logits = Tensor::zeros((1, 2, n), candle_core::DType::F32, &CPU)?;
    let batch =
        LogitBatch::new(&logits, &Tensor::zeros((1, n), candle_core::DType::U32, &CPU)?, None)?;
    for spec in [LossSpec::Mmce { lambda: 1.0 }, LossSpec::WeightedMmce { lambda: 1.0 }] {
        assert!(matches!(spec.build()?.forward(&batch), Err(Error::Shape { .. })));
    }
    Ok(())
}
