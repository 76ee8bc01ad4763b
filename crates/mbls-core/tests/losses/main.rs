//! Losses against golden values, finite differences and a slow obvious implementation.
#![cfg(feature = "candle")]

mod contract;
mod golden;
mod gradients;
mod properties;
mod slow;

use candle_core::{DType, Device, Tensor, Var};
use mbls_core::loss::{LogitBatch, LossOutput, LossSpec};

/// One loss of each kind, with settings at which no term vanishes.
fn one_of_each() -> Vec<LossSpec> {
    vec![
        LossSpec::CrossEntropy,
        LossSpec::LabelSmoothing { alpha: 0.1 },
        LossSpec::Focal { gamma: 2.5 },
        LossSpec::EntropyPenalty { alpha: 0.3 },
        LossSpec::Margin { margin: 1.5, alpha: 0.2 },
        LossSpec::Margin { margin: 0.0, alpha: 0.2 },
    ]
}

/// A loss's value and its gradient with respect to the logits.
struct Evaluated {
    output: LossOutput,
    gradient: Tensor,
}

impl Evaluated {
    fn new(spec: &LossSpec, logits: &Tensor, labels: &Tensor, ignore: Option<u32>) -> mbls_core::Result<Self> {
        let logits = Var::from_tensor(logits)?;
        let output = spec.build()?.forward(&LogitBatch::new(&logits, labels, ignore)?)?;
        let gradient = output.total.backward()?.get(&logits).expect("the loss depends on the logits").clone();
        assert_eq!(gradient.dtype(), logits.dtype());
        Ok(Self { output, gradient })
    }

    fn total(&self) -> f64 {
        scalar(&self.output.total)
    }

    fn terms(&self) -> Vec<f64> {
        self.output.terms.iter().map(|t| scalar(&t.value)).collect()
    }

    fn gradient(&self) -> Vec<f64> {
        flat(&self.gradient)
    }
}

fn scalar(tensor: &Tensor) -> f64 {
    assert!(tensor.dims().is_empty(), "a scalar, found {:?}", tensor.dims());
    flat(tensor)[0]
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().and_then(|t| t.to_dtype(DType::F64)?.to_vec1()).expect("a tensor of numbers")
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
