//! Labels of every integer type with any ignored number, in particular -100.

use super::{Evaluated, flat, logits, margin_variants, one_of_each, spatial};
use candle_core::{DType, Device, Tensor};
use mbls_core::loss::{LogitBatch, LossSpec};
use mbls_core::metric::{ClassificationMetrics, Metric};
use mbls_core::{Error, Result};

const CPU: Device = Device::Cpu;
const SIGNED: [DType; 3] = [DType::I16, DType::I32, DType::I64];

fn all() -> impl Iterator<Item = LossSpec> {
    one_of_each().into_iter().chain(margin_variants()).chain(spatial())
}

fn evaluate(spec: &LossSpec, labels: &Tensor, ignore: i64, composed: bool) -> Result<Evaluated> {
    let logits = logits(&[2, 5, 3, 2]);
    Evaluated::of(spec.build()?.as_ref(), &logits, |logits| {
        let batch = LogitBatch::new(logits, labels, Some(ignore))?;
        Ok(if composed { batch.composed() } else { batch })
    })
}

/// Labels of two images of 3 x 2 pixels, with one number for pixels without a label.
fn labels(ignored: i64) -> Result<Tensor> {
    let labels = [0, ignored, 4, 2, 2, ignored, ignored, 1, 3, 0, ignored, 4];
    Ok(Tensor::new(&labels, &CPU)?.reshape((2, 3, 2))?)
}

#[test]
fn pytorchs_minus_100_is_ignored_by_every_loss() -> Result<()> {
    let unsigned = labels(255)?.to_dtype(DType::U32)?;
    for spec in all() {
        for composed in [false, true] {
            let expected = evaluate(&spec, &unsigned, 255, composed)?;
            for ignored in [-100, -1, 5, 99, i64::from(i16::MIN)] {
                for dtype in SIGNED {
                    let found =
                        evaluate(&spec, &labels(ignored)?.to_dtype(dtype)?, ignored, composed)?;
                    assert_eq!(found.total(), expected.total(), "{spec:?} {ignored} {dtype:?}");
                    assert_eq!(
                        found.gradient(),
                        expected.gradient(),
                        "{spec:?} {ignored} {dtype:?}"
                    );
                }
            }
            let (least, most) = (labels(i64::MIN)?, labels(i64::MAX)?);
            assert_eq!(
                evaluate(&spec, &least, i64::MIN, composed)?.total(),
                expected.total(),
                "{spec:?}"
            );
            assert_eq!(
                evaluate(&spec, &most, i64::MAX, composed)?.total(),
                expected.total(),
                "{spec:?}"
            );
        }
    }
    Ok(())
}

/// -100 as a `u32` is 4294967196, which is an invalid label, like every number that wraps to a
/// class.
#[test]
fn no_label_wraps() -> Result<()> {
    let logits = logits(&[3, 5]);
    let message = |labels: &Tensor, ignore| {
        LogitBatch::new(&logits, labels, ignore).expect_err("a wrong label").to_string()
    };
    let wrapped = Tensor::new(&[0u32, 1, -100i32 as u32], &CPU)?;
    let expected = "label 4294967196 at row 2 is out of range: the logits have 5 classes";
    assert_eq!(message(&wrapped, Some(-100)), expected);
    for (number, text) in
        [(-100, "-100"), (-1, "-1"), (1 << 32, "4294967296"), (i64::MIN, "-9223372036854775808")]
    {
        let labels = Tensor::new(&[0, number, 1], &CPU)?;
        assert_eq!(
            message(&labels, None),
            format!("label {text} at row 1 is out of range: the logits have 5 classes")
        );
        // Another ignored number does not make it valid.
        assert!(message(&labels, Some(-2)).contains(text));
        assert!(message(&labels, Some(255)).contains(text));
        assert_eq!(LogitBatch::new(&logits, &labels, Some(number))?.rows(), 2);
    }
    // A number that a type cannot represent ignores nothing.
    let bytes = Tensor::new(&[0u8, 156, 1], &CPU)?;
    assert!(message(&bytes, Some(-100)).starts_with("label 156 at row 1"));
    Ok(())
}

#[test]
fn rows_of_minus_100_alone_are_no_batch() -> Result<()> {
    let labels = Tensor::new(&[-100i64; 2], &CPU)?;
    assert!(matches!(
        LogitBatch::new(&logits(&[2, 3]), &labels, Some(-100)),
        Err(Error::AllIgnored { rows: 2 })
    ));
    Ok(())
}

/// The metrics of a batch ignore the same rows as the loss.
#[test]
fn metrics_of_a_batch_leave_minus_100_out() -> Result<()> {
    let (logits, labels) = (logits(&[4, 5]), Tensor::new(&[3i64, -100, 0, -100], &CPU)?);
    let batch = LogitBatch::new(&logits, &labels, Some(-100))?;
    let mut metrics = ClassificationMetrics::new(15)?;
    metrics.update(&batch.predictions()?)?;
    assert_eq!(batch.measure(&ClassificationMetrics::new(15)?)?, metrics);
    let report = metrics.value().expect("two rows");
    let rows = Tensor::cat(&[logits.narrow(0, 0, 1)?, logits.narrow(0, 2, 1)?], 0)?;
    let kept = LogitBatch::new(&rows, &Tensor::new(&[3u32, 0], &CPU)?, None)?;
    assert_eq!(kept.measure(&ClassificationMetrics::new(15)?)?.value(), Some(report));
    assert_eq!(flat(batch.logits()?), flat(&rows));
    Ok(())
}
