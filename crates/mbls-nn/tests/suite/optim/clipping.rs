//! Clipping of gradients by norm and by value.

use super::two;
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use mbls_nn::{Optimizer, Result, Sgd, SgdConfig, clip_grad_norm, clip_grad_value};

#[test]
fn a_norm_that_is_not_finite_is_returned_and_scales_nothing() -> Result<()> {
    for value in [f64::NAN, f64::INFINITY] {
        let parameters = two()?;
        let mut grads = GradStore::default();
        grads.insert(&parameters[0].1, Tensor::new(&[value, 3.0], &Device::Cpu)?);
        let norm = clip_grad_norm(&parameters, &mut grads, 1.0)?;
        assert!(!norm.is_finite());
        assert_eq!(grads.get(&parameters[0].1).unwrap().to_vec1::<f64>()?[1], 3.0);
    }
    Ok(())
}

#[test]
fn a_small_gradient_is_not_scaled_and_one_seen_transposed_is() -> Result<()> {
    let p = Var::new(&[[1f64, 2.0], [3.0, 4.0]], &Device::Cpu)?;
    let parameters = vec![("p".to_string(), p.clone())];
    let grad = Tensor::new(&[[0.1f64, 0.2], [0.3, 0.4]], &Device::Cpu)?.t()?;
    let mut grads = GradStore::default();
    grads.insert(&p, grad.clone());
    assert!((clip_grad_norm(&parameters, &mut grads, 1.0)? - 0.3f64.sqrt()).abs() < 1e-12);
    assert_eq!(grads.get(&p).unwrap().to_vec2::<f64>()?, grad.to_vec2::<f64>()?);
    Sgd::new(parameters, SgdConfig::default())?.step(&grads, 1.0)?;
    assert_eq!(p.to_vec2::<f64>()?, [[0.9, 1.7], [2.8, 3.6]]);
    Ok(())
}

#[test]
fn clipping_by_value_keeps_nan() -> Result<()> {
    let parameters = two()?;
    let mut grads = GradStore::default();
    grads.insert(&parameters[0].1, Tensor::new(&[f64::NAN, 3.0], &Device::Cpu)?);
    grads.insert(&parameters[1].1, Tensor::new(&[-7f64, 0.5], &Device::Cpu)?);
    clip_grad_value(&parameters, &mut grads, 1.0)?;
    let first = grads.get(&parameters[0].1).unwrap().to_vec1::<f64>()?;
    assert!(first[0].is_nan() && first[1] == 1.0);
    assert_eq!(grads.get(&parameters[1].1).unwrap().to_vec1::<f64>()?, [-1.0, 0.5]);
    assert!(clip_grad_value(&parameters, &mut grads, f64::NAN).is_err());
    Ok(())
}
