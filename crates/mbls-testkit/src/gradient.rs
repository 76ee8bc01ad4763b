//! Checks gradients against central differences in f64.

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{ModuleT, VarBuilder};
use std::collections::HashMap;

/// Compares the gradient of `f` with respect to every element of every input with central
/// differences.
///
/// `f` maps the inputs, converted to `Var`s in f64, to a scalar. The step is `1e-5`; an element
/// passes if `|analytic - numeric| <= tolerance * max(1, |numeric|)`.
///
/// # Errors
///
/// Returns the errors of `f`. A wrong or missing gradient panics and names its place: this is a
/// test helper.
pub fn check(
    inputs: &[Tensor],
    tolerance: f64,
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<()> {
    const STEP: f64 = 1e-5;
    let vars = inputs
        .iter()
        .map(|t| Var::from_tensor(&t.to_dtype(DType::F64)?))
        .collect::<Result<Vec<_>>>()?;
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let grads = f(&tensors)?.backward()?;
    let value = |tensors: &[Tensor]| f(tensors)?.to_dtype(DType::F64)?.to_scalar::<f64>();
    for (i, tensor) in tensors.iter().enumerate() {
        let grad = grads.get(tensor).unwrap_or_else(|| panic!("input {i} has no gradient"));
        assert_eq!(grad.dims(), tensor.dims(), "shape of the gradient of input {i}");
        let grad = grad.flatten_all()?.to_vec1::<f64>()?;
        let start = tensor.flatten_all()?.to_vec1::<f64>()?;
        for k in 0..start.len() {
            let at = |delta: f64| {
                let mut moved = start.clone();
                moved[k] += delta;
                let mut all: Vec<Tensor> = tensors.iter().map(Tensor::detach).collect();
                all[i] = Tensor::from_vec(moved, tensor.shape(), tensor.device())?;
                value(&all)
            };
            let numeric = (at(STEP)? - at(-STEP)?) / (2.0 * STEP);
            let difference = (grad[k] - numeric).abs();
            // A NaN difference must fail, so the assertion states the accepted case.
            assert!(
                difference <= tolerance * numeric.abs().max(1.0),
                "input {i}, element {k}: gradient {}, finite difference {numeric}",
                grad[k]
            );
        }
    }
    Ok(())
}

/// [`check`] for the network that `build` returns, in training mode: the gradients of every
/// parameter and of the images. Each logit has a different weight in the sum.
///
/// `parameters` and `buffers` are the network's variables, in f64.
///
/// # Errors
///
/// Same as [`check`].
pub fn check_network<M: ModuleT + ?Sized>(
    parameters: &[(String, Var)],
    buffers: &[(String, Var)],
    images: &Tensor,
    build: impl Fn(VarBuilder) -> Result<Box<M>>,
) -> Result<()> {
    let mut inputs: Vec<Tensor> =
        parameters.iter().map(|(_, var)| var.as_detached_tensor()).collect();
    inputs.push(images.clone());
    check(&inputs, 1e-6, |tensors| {
        let (images, tensors) = tensors.split_last().expect("the images are last");
        let mut all: HashMap<String, Tensor> =
            buffers.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect();
        all.extend(
            parameters
                .iter()
                .zip(tensors)
                .map(|((name, _), tensor)| (name.clone(), tensor.clone())),
        );
        let model = build(VarBuilder::from_tensors(all, DType::F64, &Device::Cpu))?;
        let logits = model.forward_t(images, true)?;
        let weights: Vec<f64> = (0..logits.elem_count()).map(|k| (0.37 * k as f64).cos()).collect();
        (&logits * Tensor::from_vec(weights, logits.shape(), &Device::Cpu)?)?.sum_all()
    })
}
