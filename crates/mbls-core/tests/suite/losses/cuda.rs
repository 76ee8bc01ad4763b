//! The fused kernels on a CUDA device compared with those on the CPU. Without a driver the tests
//! report that they were skipped.

use super::fused::{
    IGNORED, SHAPES, check_that_only_ignored_rows_may_hold_nan, close, labels, losses,
};
use super::{evaluated::flat, logits};
use candle_core::{DType, Device, Tensor, Var};
use mbls_core::Result;
use mbls_core::loss::{LogitBatch, Loss, Reduction};
use std::panic::catch_unwind;

/// Returns the first CUDA device; `None` without a driver, where cudarc panics as it looks for the
/// library.
fn device() -> Result<Option<Device>> {
    let Ok(device) = catch_unwind(|| Device::new_cuda(0)) else {
        eprintln!("skipped: there is no CUDA driver");
        return Ok(None);
    };
    Ok(Some(device?))
}

/// Returns the total and the terms in f64, and the gradient of three times the total.
fn evaluate(loss: &dyn Loss, batch: &LogitBatch, var: &Var) -> Result<(Vec<f64>, Tensor)> {
    let output = loss.forward(batch)?;
    assert_eq!(output.total.device().location(), var.device().location());
    let terms = output.terms.iter().flat_map(|term| flat(&term.value));
    let values = flat(&output.total).into_iter().chain(terms).collect();
    let grads = output.total.affine(3.0, 1.0)?.backward()?;
    Ok((values, grads.get(var).expect("the loss depends on the logits").clone()))
}

fn check(
    device: &Device,
    logits: &Tensor,
    batch: impl Fn(&Tensor) -> Result<LogitBatch>,
    tolerance: f64,
) -> Result<()> {
    let [host, there] = [Var::from_tensor(logits)?, Var::from_tensor(&logits.to_device(device)?)?];
    let [on_host, on_device] = [batch(&host)?, batch(&there)?];
    for (i, loss) in losses(on_host.classes())?.into_iter().enumerate() {
        let what = format!("{} ({i}) of {:?} {:?}", loss.name(), logits.dims(), logits.dtype());
        let (expected, expected_gradient) = evaluate(loss.as_ref(), &on_host, &host)?;
        let (found, gradient) = evaluate(loss.as_ref(), &on_device, &there)?;
        close(&format!("{what}: values"), &found, &expected, tolerance);
        assert_eq!((gradient.dtype(), gradient.dims()), (logits.dtype(), logits.dims()), "{what}");
        close(&format!("{what}: gradient"), &flat(&gradient), &flat(&expected_gradient), tolerance);
    }
    Ok(())
}

fn with_ignored(labels: &Tensor) -> impl Fn(&Tensor) -> Result<LogitBatch> {
    |logits| LogitBatch::new(logits, labels, Some(IGNORED.into()))
}

#[test]
fn equal_the_cpu_in_every_shape_and_type() -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    // Also with rows that take a whole block.
    for shape in SHAPES.into_iter().chain([&[5, 1025][..], &[3, 5000]]) {
        let labels = labels(shape)?;
        for (dtype, tolerance) in
            [(DType::F64, 1e-11), (DType::F32, 1e-5), (DType::F16, 2e-3), (DType::BF16, 1e-2)]
        {
            check(&device, &logits(shape).to_dtype(dtype)?, with_ignored(&labels), tolerance)?;
        }
    }
    Ok(())
}

/// More rows than one pass of the largest grid processes.
#[test]
fn equal_the_cpu_with_more_rows_than_one_grid() -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    for shape in [&[40_000, 33][..], &[3, 2, 600, 600]] {
        let labels = labels(shape)?;
        check(&device, &logits(shape), with_ignored(&labels), 1e-11)?;
    }
    Ok(())
}

#[test]
fn equal_the_cpu_with_weights_and_sums() -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    for shape in [&[7, 5][..], &[3, 21, 9, 11]] {
        let labels = labels(shape)?;
        let weights: Vec<f64> = (0..shape[1]).map(|k| [0.5, 2.0, 0.0][k % 3]).collect();
        for reduction in [Reduction::Mean, Reduction::Sum] {
            let batch = |logits: &Tensor| {
                let batch = LogitBatch::new(logits, &labels, Some(IGNORED.into()))?;
                Ok(batch.with_class_weights(&weights)?.with_reduction(reduction))
            };
            check(&device, &logits(shape), batch, 1e-11)?;
        }
    }
    Ok(())
}

/// The first of several tied logits is the anchor that gets the gradient.
#[test]
fn equal_the_cpu_where_logits_tie() -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    for shape in [&[40, 16][..], &[20, 3000], &[2, 5, 70, 90]] {
        let labels = labels(shape)?;
        check(&device, &logits(shape).affine(0.5, 0.0)?.round()?, with_ignored(&labels), 1e-11)?;
    }
    Ok(())
}

/// A view is read by its strides and its offset, and the gradient flows back through it.
#[test]
fn equal_the_cpu_for_a_view() -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    let labels = labels(&[6, 4])?;
    let transposed = |logits: &Tensor| {
        LogitBatch::new(&logits.narrow(1, 2, 6)?.t()?, &labels, Some(IGNORED.into()))
    };
    check(&device, &logits(&[4, 9]), transposed, 1e-11)?;
    let shifted =
        |logits: &Tensor| LogitBatch::new(&logits.narrow(0, 3, 6)?, &labels, Some(IGNORED.into()));
    check(&device, &logits(&[9, 4]), shifted, 1e-11)
}

#[test]
fn only_ignored_rows_may_hold_nan() -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    check_that_only_ignored_rows_may_hold_nan(&device)
}

#[test]
fn bits_are_the_same_in_every_run() -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    for shape in [&[3000, 100][..], &[2, 5, 70, 90]] {
        let labels = labels(shape)?;
        let var = Var::from_tensor(&logits(shape).to_dtype(DType::F32)?.to_device(&device)?)?;
        for loss in losses(shape[1])? {
            let run = || -> Result<_> {
                let batch = LogitBatch::new(&var, &labels, Some(IGNORED.into()))?;
                let (values, gradient) = evaluate(loss.as_ref(), &batch, &var)?;
                Ok((values, flat(&gradient)))
            };
            assert_eq!(run()?, run()?, "{}", loss.name());
        }
    }
    Ok(())
}

#[test]
fn a_graph_can_be_differentiated_twice() -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    let (labels, var) = (labels(&[7, 5])?, Var::from_tensor(&logits(&[7, 5]).to_device(&device)?)?);
    for loss in losses(5)? {
        let total = loss.forward(&LogitBatch::new(&var, &labels, Some(IGNORED.into()))?)?.total;
        let gradient =
            || -> Result<_> { Ok(flat(total.backward()?.get(&var).expect("a gradient"))) };
        assert_eq!(gradient()?, gradient()?, "{}", loss.name());
    }
    Ok(())
}
