//! Tests of networks: names and counts of parameters, shapes, gradients, learning.

mod architectures;
mod features;
mod gradients;
mod networks;
mod pretrained;

use candle_core::{DType, Device, Tensor, Var};
use mbls_data::Seed;
use mbls_nn::ParamStore;

fn store() -> ParamStore {
    ParamStore::new(1, DType::F32, &Device::Cpu)
}

fn count(parameters: &[(String, Var)]) -> usize {
    parameters.iter().map(|(_, var)| var.elem_count()).sum()
}

/// Returns pseudo-random values in (-1, 1).
fn noise(shape: &[usize], seed: u64) -> Tensor {
    use rand::RngExt;
    let mut rng = Seed(seed).rng();
    let values: Vec<f64> =
        (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}
