//! Convolutions of one and two dimensions: compared with PyTorch, finite differences and each
//! other, and with invalid input.

mod agreement;
mod gradients;
mod layer;

use crate::support::{cpu, noise, portable, weighted_sum};
use candle_core::{DType, Result, Tensor, Var};
use mbls_nn::{ConvConfig, ConvInit};

type Form<const D: usize> = fn(&Tensor, &Tensor, Option<&Tensor>, &ConvConfig<D>) -> Result<Tensor>;

fn forms<const D: usize>() -> [(&'static str, Form<D>); 2] {
    [("cpu", cpu::conv::<D>), ("portable", portable::conv::<D>)]
}

fn config<const D: usize>(
    stride: [usize; D],
    padding: [usize; D],
    dilation: [usize; D],
    groups: usize,
) -> ConvConfig<D> {
    ConvConfig { stride, padding, dilation, groups, bias: false, init: ConvInit::TorchUniform }
}

fn fits<const D: usize>(sizes: [usize; D], kernel: [usize; D], config: &ConvConfig<D>) -> bool {
    (0..D).all(|i| (kernel[i] - 1) * config.dilation[i] < sizes[i] + 2 * config.padding[i])
}

/// Input, weight and, with `bias`, a bias.
fn operands(
    x: &[usize],
    outputs: usize,
    kernel: &[usize],
    groups: usize,
    bias: bool,
) -> Result<Vec<Tensor>> {
    let weight = [&[outputs, x[1] / groups], kernel].concat();
    let mut operands = vec![noise(x, 1)?, noise(&weight, 2)?];
    if bias {
        operands.push(noise(&[outputs], 3)?);
    }
    Ok(operands)
}

/// Result and gradients.
fn evaluate<const D: usize>(
    form: Form<D>,
    operands: &[Tensor],
    config: &ConvConfig<D>,
    dtype: DType,
) -> Result<Vec<Tensor>> {
    let vars = operands
        .iter()
        .map(|t| Var::from_tensor(&t.to_dtype(dtype)?))
        .collect::<Result<Vec<_>>>()?;
    let y = form(&vars[0], &vars[1], vars.get(2).map(|b| &**b), config)?;
    let grads = weighted_sum(&y)?.backward()?;
    let gradients = vars.iter().map(|v| Ok(grads.get(v).expect("a gradient").clone()));
    std::iter::once(Ok(y)).chain(gradients).collect()
}
