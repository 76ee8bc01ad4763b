//! The fused kernels compared with the composed tensor operations, for batches of every kind.

use super::{evaluated::flat, logits};
use candle_core::{DType, Device, Tensor, Var};
use mbls_core::Result;
use mbls_core::loss::{
    Acls, Anchor, AugmentedPenalty, ClassAdaptive, ClassReduction, CrossEntropy, Focal,
    LabelSmoothing, LogitBatch, LogitPenalty, Loss, LossOutput, MarginLoss, PenaltyShape,
    Reduction, SampleDependentFocal,
};

const CPU: Device = Device::Cpu;
pub(crate) const IGNORED: u32 = 255;

/// Every fused loss, with every setting of the penalty.
pub(crate) fn losses(classes: usize) -> Result<Vec<Box<dyn Loss>>> {
    let mut losses: Vec<Box<dyn Loss>> = vec![
        Box::new(CrossEntropy),
        Box::new(LabelSmoothing::new(0.1)?),
        Box::new(SampleDependentFocal::new(1.5)?),
        Box::new(MarginLoss::new(1e9, 0.1)?),
    ];
    for gamma in [0.0, 0.5, 1.0, 2.0, 3.0, 5.0] {
        losses.push(Box::new(Focal::new(gamma)?));
    }
    for penalty in [AugmentedPenalty::Phr, AugmentedPenalty::P2, AugmentedPenalty::P3] {
        losses.push(Box::new(ClassAdaptive::new(1.5, penalty)?));
        let mut learnt = ClassAdaptive::new(2.0, penalty)?;
        let (lambda, rho) = ([1e-6, 0.3, 4.0], [1.0, 7.0, 2.0]);
        let of = |values: [f64; 3]| (0..classes).map(move |k| values[k % 3]);
        learnt.restore(&of(lambda).chain(of(rho)).chain(of([0.0; 3])).collect::<Vec<_>>())?;
        losses.push(Box::new(learnt));
    }
    losses.push(Box::new(Acls::new(1.5, 0.3)?.with_lambdas(0.7, 0.4)?));
    let per_class = |values: [f64; 3]| (0..classes).map(|k| values[k % 3]).collect::<Vec<_>>();
    for shape in [PenaltyShape::Linear, PenaltyShape::Quadratic, PenaltyShape::Huber { delta: 0.7 }]
    {
        for anchor in [Anchor::Max, Anchor::Target] {
            let penalty = LogitPenalty::new(1.5)?.with_shape(shape)?.with_anchor(anchor);
            losses.push(Box::new(MarginLoss::with_penalty(penalty.clone(), 0.3)?));
            let penalty = penalty
                .with_detached_anchor()
                .with_class_margins(per_class([0.0, 2.0, 1.0]))?
                .with_class_weights(per_class([1.0, 0.5, 0.0]))?
                .with_class_reduction(ClassReduction::Sum);
            losses.push(Box::new(MarginLoss::with_penalty(penalty, 0.3)?));
        }
    }
    Ok(losses)
}

/// Labels with every seventh ignored.
pub(crate) fn labels(shape: &[usize]) -> candle_core::Result<Tensor> {
    let (n, classes) = (shape[0] * shape[2..].iter().product::<usize>(), shape[1] as u32);
    let labels =
        (0..n as u32).map(|i| if i % 7 == 3 { IGNORED } else { i * 31 % classes }).collect();
    Tensor::from_vec(labels, [&shape[..1], &shape[2..]].concat(), &CPU)
}

/// Shapes that end inside a vector, a tile or a task, and shapes with several of each.
pub(crate) const SHAPES: [&[usize]; 8] = [
    &[1, 2],
    &[7, 5],
    &[40, 16],
    &[3, 1000],
    &[300, 100],
    &[2, 3, 5],
    &[3, 21, 9, 11],
    &[2, 5, 70, 90],
];

pub(crate) fn close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0f64, |a, b| a.max(b.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let bound = tolerance * scale.max(1e-3);
        assert!(
            (found - expected).abs() <= bound,
            "{what}: [{i}] is {found}, expected {expected} within {bound}"
        );
    }
}

fn check(
    logits: &Tensor,
    batch: impl Fn(&Tensor) -> Result<LogitBatch>,
    tolerance: f64,
) -> Result<()> {
    let var = Var::from_tensor(logits)?;
    let (fused, composed) = (batch(&var)?, batch(&var)?.composed());
    for (i, loss) in losses(fused.classes())?.into_iter().enumerate() {
        let what = format!("{} ({i}) of {:?} {:?}", loss.name(), logits.dims(), logits.dtype());
        let [found, expected] = [loss.forward(&fused)?, loss.forward(&composed)?];
        let values = |output: &LossOutput| {
            assert!(output.total.dims().is_empty());
            let terms = output.terms.iter().flat_map(|term| flat(&term.value));
            flat(&output.total).into_iter().chain(terms).collect::<Vec<_>>()
        };
        let named = |output: &LossOutput| {
            output.terms.iter().map(|t| (t.name, t.weight)).collect::<Vec<_>>()
        };
        assert_eq!(named(&found), named(&expected), "{what}");
        assert_eq!(found.total.dtype(), expected.total.dtype(), "{what}");
        close(&format!("{what}: values"), &values(&found), &values(&expected), tolerance);

        // Multiplied by 3, so that the upstream gradient is not 1.
        let gradient = |output: &LossOutput| -> Result<Tensor> {
            let grads = output.total.affine(3.0, 1.0)?.backward()?;
            Ok(grads.get(&var).expect("the loss depends on the logits").clone())
        };
        let [found, expected] = [gradient(&found)?, gradient(&expected)?];
        assert_eq!((found.dtype(), found.dims()), (logits.dtype(), logits.dims()), "{what}");
        close(&format!("{what}: gradient"), &flat(&found), &flat(&expected), tolerance);
    }
    Ok(())
}

#[test]
fn equal_the_composed_losses_in_every_shape() -> Result<()> {
    for shape in SHAPES {
        let labels = labels(shape)?;
        check(
            &logits(shape),
            |logits| LogitBatch::new(logits, &labels, Some(IGNORED.into())),
            1e-11,
        )?;
        let single = logits(shape).to_dtype(DType::F32)?;
        check(&single, |logits| LogitBatch::new(logits, &labels, Some(IGNORED.into())), 1e-5)?;
    }
    Ok(())
}

/// Integers tie for the maximum, whose gradient goes to the first, and are equal to margins, where
/// the gradient is 0.
#[test]
fn equal_the_composed_losses_where_logits_tie() -> Result<()> {
    for shape in [&[40, 16][..], &[30, 100], &[2, 40, 7]] {
        let labels = labels(shape)?;
        let tied = logits(shape).round()?;
        check(&tied, |logits| LogitBatch::new(logits, &labels, Some(IGNORED.into())), 1e-11)?;
    }
    Ok(())
}

#[test]
fn equal_the_composed_losses_in_half_precision() -> Result<()> {
    for shape in [&[7, 5][..], &[2, 3, 5], &[300, 100]] {
        let labels = labels(shape)?;
        for (dtype, tolerance) in [(DType::F16, 2e-3), (DType::BF16, 1e-2)] {
            let half = logits(shape).to_dtype(dtype)?;
            check(
                &half,
                |logits| LogitBatch::new(logits, &labels, Some(IGNORED.into())),
                tolerance,
            )?;
        }
    }
    Ok(())
}

#[test]
fn equal_the_composed_losses_with_weights_and_sums() -> Result<()> {
    for shape in [&[7, 5][..], &[3, 21, 9, 11]] {
        let labels = labels(shape)?;
        let weights: Vec<f64> = (0..shape[1]).map(|k| [0.5, 2.0, 0.0][k % 3]).collect();
        for reduction in [Reduction::Mean, Reduction::Sum] {
            let batch = |logits: &Tensor| {
                let batch = LogitBatch::new(logits, &labels, Some(IGNORED.into()))?;
                Ok(batch.with_class_weights(&weights)?.with_reduction(reduction))
            };
            check(&logits(shape), batch, 1e-11)?;
        }
    }
    Ok(())
}

/// A view is read by its strides, and the gradient flows back through it.
#[test]
fn equal_the_composed_losses_for_a_view() -> Result<()> {
    let labels = labels(&[6, 4])?;
    let whole = logits(&[4, 9]);
    check(
        &whole,
        |logits| LogitBatch::new(&logits.narrow(1, 2, 6)?.t()?, &labels, Some(IGNORED.into())),
        1e-11,
    )
}

/// The contents of an ignored row never affect a value, and a row that is not ignored always does.
pub(crate) fn check_that_only_ignored_rows_may_hold_nan(device: &Device) -> Result<()> {
    for shape in [&[14, 5][..], &[2, 5, 7]] {
        let labels = labels(shape)?;
        let positions: usize = shape[2..].iter().product();
        for (row, counts) in [(3, false), (4, true)] {
            for wrong in [f64::NAN, f64::INFINITY] {
                let mut values = flat(&logits(shape));
                values[row / positions * 5 * positions + 2 * positions + row % positions] = wrong;
                let spoilt = Var::from_vec(values, shape, device)?;
                for loss in losses(5)? {
                    let total = loss
                        .forward(&LogitBatch::new(&spoilt, &labels, Some(IGNORED.into()))?)?
                        .total;
                    assert_eq!(
                        total.to_scalar::<f64>()?.is_finite(),
                        !counts,
                        "{} {wrong}",
                        loss.name()
                    );
                    let gradient = flat(total.backward()?.get(&spoilt).expect("a gradient"));
                    assert_eq!(
                        gradient.iter().all(|g| g.is_finite()),
                        !counts,
                        "{} {wrong}",
                        loss.name()
                    );
                }
            }
        }
    }
    Ok(())
}

#[test]
fn only_ignored_rows_may_hold_nan() -> Result<()> {
    check_that_only_ignored_rows_may_hold_nan(&CPU)
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() -> Result<()> {
    for shape in [&[300, 100][..], &[2, 5, 70, 90]] {
        let (logits, labels) =
            (Var::from_tensor(&logits(shape).to_dtype(DType::F32)?)?, labels(shape)?);
        let run = |threads| -> Result<_> {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                let loss = MarginLoss::new(1.5, 0.1)?.forward(&LogitBatch::new(
                    &logits,
                    &labels,
                    Some(IGNORED.into()),
                )?)?;
                let gradient = flat(loss.total.backward()?.get(&logits).expect("a gradient"));
                Ok((loss.total.to_scalar::<f32>()?.to_bits(), gradient))
            })
        };
        assert_eq!(run(1)?, run(3)?);
    }
    Ok(())
}

#[test]
fn logits_without_a_gradient_have_the_same_value() -> Result<()> {
    for shape in SHAPES {
        let (logits, labels) = (logits(shape), labels(shape)?);
        for loss in losses(shape[1])? {
            let value = |logits: &Tensor| -> Result<f64> {
                let batch = LogitBatch::new(logits, &labels, Some(IGNORED.into()))?;
                Ok(loss.forward(&batch)?.total.to_scalar()?)
            };
            assert_eq!(value(&logits)?, value(Var::from_tensor(&logits)?.as_tensor())?);
        }
    }
    Ok(())
}

#[test]
fn margins_for_another_number_of_classes_are_an_error() -> Result<()> {
    let batch = LogitBatch::new(&logits(&[2, 3]), &Tensor::new(&[0u32, 1], &CPU)?, None)?;
    let penalty = LogitPenalty::new(1.0)?.with_class_margins(vec![1.0; 4])?;
    let error = MarginLoss::with_penalty(penalty, 0.1)?.forward(&batch).unwrap_err();
    assert_eq!(error.to_string(), "margins: expected [3], one per class, found [4]");
    Ok(())
}
