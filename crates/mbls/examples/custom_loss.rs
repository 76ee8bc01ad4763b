//! Adds a loss: cross-entropy with a penalty on the squared norm of the logits.
//!
//! Run it with `cargo run -p mbls --example custom_loss`. It prints:
//!
//! ```text
//! weight 0: mean squared norm of the logits 22.2
//! weight 0.01: mean squared norm of the logits 12.8
//! weight 0.1: mean squared norm of the logits 1.9
//! ```

use mbls::candle::{D, DType, Device, Tensor, Var};
use mbls::loss::{LossOutput, Term};
use mbls::prelude::*;
use std::error::Error;

/// `CE + weight * mean_n |l_n|^2`.
struct SmallLogits {
    weight: f64,
}

impl Loss for SmallLogits {
    fn name(&self) -> &'static str {
        "small-logits"
    }

    fn forward(&self, batch: &LogitBatch) -> mbls::Result<LossOutput> {
        let cross_entropy = CrossEntropy.forward(batch)?;
        // `logits` lacks the rows whose label is ignored; `reduce` follows the batch's settings.
        let penalty = batch.reduce(&batch.logits()?.sqr()?.sum(D::Minus1)?)?;
        let total = (cross_entropy.total + (&penalty * self.weight)?)?;
        let mut terms = cross_entropy.terms;
        terms.push(Term { name: "norm", weight: self.weight, value: penalty.detach() });
        Ok(LossOutput { total, terms })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::Cpu;
    let inputs = Tensor::new(&[[1f32, 0.], [0., 1.], [1., 1.]], &device)?;
    let labels = Tensor::new(&[0u32, 1, 2], &device)?;
    for weight in [0.0, 0.01, 0.1] {
        let matrix = Var::zeros((2, 3), DType::F32, &device)?;
        let loss = SmallLogits { weight };
        let mut last = f32::NAN;
        for _ in 0..200 {
            let batch = LogitBatch::new(&inputs.matmul(&matrix)?, &labels, None)?;
            let output = loss.forward(&batch)?;
            let gradients = output.total.backward()?;
            let gradient = gradients.get(&matrix).ok_or("the loss depends on the matrix")?;
            matrix.set(&(matrix.as_tensor() - (gradient * 0.5)?)?)?;
            last = output.terms[1].value.to_scalar()?;
        }
        println!("weight {weight}: mean squared norm of the logits {last:.1}");
    }
    Ok(())
}
