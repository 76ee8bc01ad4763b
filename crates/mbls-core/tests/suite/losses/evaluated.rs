//! The value, terms and gradient of a loss on given logits.

use candle_core::{DType, Tensor, Var};
use mbls_core::loss::{LogitBatch, Loss, LossOutput, LossSpec};

/// A loss's value and its gradient with respect to the logits.
pub(crate) struct Evaluated {
    pub(crate) output: LossOutput,
    pub(crate) gradient: Tensor,
}

impl Evaluated {
    pub(crate) fn new(
        spec: &LossSpec,
        logits: &Tensor,
        labels: &Tensor,
        ignore: Option<i64>,
    ) -> mbls_core::Result<Self> {
        Self::of(spec.build()?.as_ref(), logits, |logits| LogitBatch::new(logits, labels, ignore))
    }

    /// Evaluates a batch with the logits as a variable.
    pub(crate) fn of(
        loss: &dyn Loss,
        logits: &Tensor,
        batch: impl Fn(&Tensor) -> mbls_core::Result<LogitBatch>,
    ) -> mbls_core::Result<Self> {
        let logits = Var::from_tensor(logits)?;
        let output = loss.forward(&batch(&logits)?)?;
        let gradient =
            output.total.backward()?.get(&logits).expect("the loss depends on the logits").clone();
        assert_eq!(gradient.dtype(), logits.dtype());
        Ok(Self { output, gradient })
    }

    pub(crate) fn total(&self) -> f64 {
        scalar(&self.output.total)
    }

    pub(crate) fn terms(&self) -> Vec<f64> {
        self.output.terms.iter().map(|t| scalar(&t.value)).collect()
    }

    pub(crate) fn gradient(&self) -> Vec<f64> {
        flat(&self.gradient)
    }
}

fn scalar(tensor: &Tensor) -> f64 {
    assert!(tensor.dims().is_empty(), "a scalar, found {:?}", tensor.dims());
    flat(tensor)[0]
}

pub(crate) fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor
        .flatten_all()
        .and_then(|t| t.to_dtype(DType::F64)?.to_vec1())
        .expect("a tensor of numbers")
}
