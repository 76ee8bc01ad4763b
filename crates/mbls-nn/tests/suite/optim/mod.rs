//! Optimizers: their steps, groups of parameters, clipping.

mod clipping;
mod groups;
mod steps;

use candle_core::{Device, Var};
use mbls_nn::Result;

fn two() -> Result<Vec<(String, Var)>> {
    let var = |v: f64| Var::new(&[v, -v], &Device::Cpu);
    Ok(vec![("a".into(), var(1.0)?), ("b".into(), var(2.0)?)])
}
