//! Results of the operations: fast compared with portable back end, points without a derivative,
//! ties, NaN, invalid input, running statistics.

use crate::support::{cpu, difference, noise, portable, weighted_sum};
use candle_core::{DType, Device, Module, Result, Tensor, Var};
use candle_nn::ModuleT;
use mbls_nn::{
    AvgPool2d, BatchNorm2d, Conv2d, ConvConfig, GlobalAvgPool2d, Linear, MaxPool2d, ParamStore,
    PoolSize, Relu,
};
use proptest::prelude::*;

/// Returns the result and the gradients of `f` at `inputs` of type `dtype`.
fn evaluate(
    inputs: &[Tensor],
    dtype: DType,
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<Vec<Tensor>> {
    let vars =
        inputs.iter().map(|t| Var::from_tensor(&t.to_dtype(dtype)?)).collect::<Result<Vec<_>>>()?;
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&tensors)?;
    let grads = weighted_sum(&y)?.backward()?;
    let gradient = |t: &Tensor| {
        grads.get(t).cloned().ok_or_else(|| candle_core::Error::Msg("no gradient".into()))
    };
    std::iter::once(Ok(y)).chain(tensors.iter().map(gradient)).collect()
}

/// Types of the fast back end, and its tolerance relative to the portable one.
const TYPES: [(DType, f64); 2] = [(DType::F64, 1e-12), (DType::F32, 2e-5)];

/// Compares results and gradients of a fast back end in f64 and f32 with a portable one in f64, for
/// the same numbers. In f32 the portable back end's own rounding of long sums would exceed the
/// tolerance.
fn compare(
    inputs: &[Tensor],
    fast: impl Fn(&[Tensor]) -> Result<Tensor>,
    slow: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<()> {
    compare_in(&TYPES, inputs, fast, slow)
}

fn compare_in(
    types: &[(DType, f64)],
    inputs: &[Tensor],
    fast: impl Fn(&[Tensor]) -> Result<Tensor>,
    slow: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<()> {
    for &(dtype, bound) in types {
        let rounded = inputs.iter().map(|t| t.to_dtype(dtype)).collect::<Result<Vec<_>>>()?;
        let a = evaluate(&rounded, dtype, &fast)?;
        let b = evaluate(&rounded, DType::F64, &slow)?;
        for (i, (a, b)) in a.iter().zip(&b).enumerate() {
            let gap = difference(a, b)?;
            assert!(gap <= bound, "{dtype:?}, output {i}: {gap}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pools_agree(
        n in 1usize..4, c in 1usize..4, h in 1usize..10, w in 1usize..10, kernel in 1usize..5, stride in 1usize..4,
        padding in 0usize..3,
    ) {
        let size = PoolSize::<2>::new(kernel, stride, padding);
        let x = [noise(&[n, c, h, w], 1).unwrap()];
        if padding <= kernel / 2 && kernel <= h.min(w) + 2 * padding {
            compare(&x, |t| cpu::max_pool(&t[0], &size), |t| portable::max_pool(&t[0], &size)).unwrap();
            compare(&x, |t| cpu::avg_pool(&t[0], &size, true), |t| portable::avg_pool(&t[0], &size, true)).unwrap();
            compare(&x, |t| cpu::global_avg_pool2d(&t[0]), |t| portable::global_avg_pool2d(&t[0])).unwrap();
        } else {
            for result in [cpu::max_pool(&x[0], &size), portable::avg_pool(&x[0], &size, true)] {
                prop_assert!(result.is_err());
            }
        }
    }

    #[test]
    fn normalisations_and_affine_maps_agree(n in 1usize..40, c in 1usize..6, h in 1usize..9, w in 1usize..40) {
        // A width at which all values of a channel are close would compare noise.
        let inputs = [noise(&[n + 1, c, h, w], 1).unwrap(), noise(&[c], 2).unwrap(), noise(&[c], 3).unwrap()];
        compare(
            &inputs,
            |t| Ok(cpu::batch_norm_train(&t[0], &t[1], &t[2], 0.1)?.output),
            |t| Ok(portable::batch_norm_train(&t[0], &t[1], &t[2], 0.1)?.output),
        ).unwrap();
        let inputs = [noise(&[n + 1, c, h, w], 1).unwrap(), noise(&[c], 2).unwrap(), noise(&[c], 3).unwrap()];
        let residual = noise(&[n + 1, c, h, w], 4).unwrap();
        together_as_apart(&inputs, &residual, n % 2 == 0).unwrap();
        let inputs = [noise(&[n, w, c], 1).unwrap(), noise(&[h, c], 2).unwrap(), noise(&[h], 3).unwrap()];
        compare(
            &inputs,
            |t| cpu::linear(&t[0], &t[1], t.get(2)),
            |t| portable::linear(&t[0], &t[1], t.get(2)),
        ).unwrap();
    }
}

/// Batch norm with a fused epilogue is bit-identical to the separate operations, in results and
/// gradients.
fn together_as_apart(inputs: &[Tensor; 3], residual: &Tensor, own_statistics: bool) -> Result<()> {
    let [x, weight, bias] = inputs.clone();
    let (mean, variance) = (weight.affine(0.5, 0.1)?, bias.abs()?);
    for added in [false, true] {
        let inputs: Vec<Tensor> = [x.clone(), weight.clone(), bias.clone()]
            .into_iter()
            .chain(added.then(|| residual.clone()))
            .collect();
        let normalised = |t: &[Tensor]| -> Result<Tensor> {
            let (mean, variance) = (mean.to_dtype(t[0].dtype())?, variance.to_dtype(t[0].dtype())?);
            let y = if own_statistics {
                cpu::batch_norm_train(&t[0], &t[1], &t[2], 0.1)?.output
            } else {
                cpu::batch_norm(&t[0], &t[1], &t[2], &mean, &variance, 0.1)?
            };
            t.get(3).map_or(Ok(y.clone()), |residual| y + residual)
        };
        let form = |fast: bool, together: bool| {
            let (mean, variance) = (&mean, &variance);
            move |t: &[Tensor]| -> Result<Tensor> {
                let (mean, variance) =
                    (mean.to_dtype(t[0].dtype())?, variance.to_dtype(t[0].dtype())?);
                let (x, weight, bias, residual) = (&t[0], &t[1], &t[2], t.get(3));
                if together {
                    return match (own_statistics, fast) {
                        (true, true) => {
                            Ok(cpu::batch_norm_relu_train(x, residual, weight, bias, 0.1)?.output)
                        }
                        (true, false) => {
                            Ok(portable::batch_norm_relu_train(x, residual, weight, bias, 0.1)?
                                .output)
                        }
                        (false, true) => {
                            cpu::batch_norm_relu(x, residual, weight, bias, &mean, &variance, 0.1)
                        }
                        (false, false) => portable::batch_norm_relu(
                            x, residual, weight, bias, &mean, &variance, 0.1,
                        ),
                    };
                }
                cpu::relu(&normalised(t)?)
            }
        };
        // Two roundings of a number close to 0 may be on different sides of 0, where the gradients
        // differ completely.
        let wide = inputs.iter().map(|t| t.to_dtype(DType::F64)).collect::<Result<Vec<_>>>()?;
        let nearest = normalised(&wide)?.abs()?.flatten_all()?.min(0)?.to_scalar::<f64>()?;
        let types = if nearest > 1e-5 { &TYPES[..] } else { &TYPES[..1] };
        compare_in(types, &inputs, form(true, true), form(false, true))?;
        for dtype in [DType::F32, DType::F64] {
            let together = evaluate(&inputs, dtype, form(true, true))?;
            let apart = evaluate(&inputs, dtype, form(true, false))?;
            for (i, (together, apart)) in together.iter().zip(&apart).enumerate() {
                assert_eq!(
                    difference(together, apart)?,
                    0.0,
                    "{dtype:?}, output {i}, added {added}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn the_rectifier_has_derivative_zero_at_zero_and_keeps_nan() -> Result<()> {
    for form in [cpu::relu, portable::relu] {
        let x = Var::new(&[-1f32, -0.0, 0.0, 2.0, f32::NAN, f32::INFINITY], &Device::Cpu)?;
        let y = form(&x)?;
        let values = y.to_vec1::<f32>()?;
        assert_eq!(values[..4], [0.0, 0.0, 0.0, 2.0]);
        assert!(values[4].is_nan() && values[5] == f32::INFINITY);
        let grads = y.sum_all()?.backward()?;
        let grad = grads.get(&x).map(Tensor::to_vec1::<f32>).transpose()?.unwrap();
        assert_eq!(grad[..4], [0.0, 0.0, 0.0, 1.0]);
    }
    Ok(())
}

#[test]
fn the_rectifier_within_batch_norm_has_derivative_zero_at_zero_and_keeps_nan() -> Result<()> {
    let (zero, one) =
        (Tensor::zeros(1, DType::F32, &Device::Cpu)?, Tensor::ones(1, DType::F32, &Device::Cpu)?);
    for form in [cpu::batch_norm_relu, portable::batch_norm_relu] {
        let x = Var::new(&[[[-1f32, 0.0, 2.0, f32::NAN]]], &Device::Cpu)?;
        let residual = Var::new(&[[[1f32, 1.0, -3.0, 0.0]]], &Device::Cpu)?;
        let y = form(&x, Some(&residual), &one, &zero, &zero, &one, 1e-12)?;
        let values = y.flatten_all()?.to_vec1::<f32>()?;
        assert_eq!(values[..3], [0.0, 1.0, 0.0]);
        assert!(values[3].is_nan());
        let grads = y.sum_all()?.backward()?;
        for input in [&x, &residual] {
            let grad =
                grads.get(input).map(|g| g.flatten_all()?.to_vec1::<f32>()).transpose()?.unwrap();
            assert_eq!(grad[..3], [0.0, 1.0, 0.0]);
        }
    }
    Ok(())
}

#[test]
fn the_first_of_equal_maxima_gets_the_gradient() -> Result<()> {
    let size = PoolSize::<2>::new(2, 2, 0);
    for form in [cpu::max_pool::<2>, portable::max_pool::<2>] {
        let x = Var::new(&[1f32, 3.0, 3.0, 3.0], &Device::Cpu)?;
        let y = form(&x.reshape((1, 1, 2, 2))?, &size)?;
        let grads = y.sum_all()?.backward()?;
        assert_eq!(grads.get(&x).unwrap().to_vec1::<f32>()?, [0.0, 1.0, 0.0, 0.0]);
        let spoiled =
            Tensor::new(&[1f32, f32::NAN, 3.0, 2.0], &Device::Cpu)?.reshape((1, 1, 2, 2))?;
        assert!(form(&spoiled, &size)?.flatten_all()?.to_vec1::<f32>()?[0].is_nan());
    }
    Ok(())
}

#[test]
fn running_statistics_move_by_momentum_with_the_unbiased_variance() -> Result<()> {
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let store = ParamStore::new(0, dtype, &Device::Cpu);
        let layer = BatchNorm2d::new(2, store.var_builder())?;
        let x = noise(&[3, 2, 2, 2], 1)?.to_dtype(dtype)?;
        let values = x
            .to_dtype(DType::F64)?
            .transpose(0, 1)?
            .contiguous()?
            .reshape((2, 12))?
            .to_vec2::<f64>()?;
        let y = layer.forward_t(&x, true)?;
        let again = layer.forward_t(&x, true)?;
        let bound = if dtype == DType::BF16 { 2e-2 } else { 1e-6 };
        assert!(difference(&again, &y)? == 0.0, "a batch is normalised by its own statistics");
        for (c, values) in values.iter().enumerate() {
            let mean = values.iter().sum::<f64>() / 12.0;
            let unbiased = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 11.0;
            let moved = |start: f64, value: f64| 0.9 * (0.9 * start + 0.1 * value) + 0.1 * value;
            let found = |var: &Var| var.to_dtype(DType::F64)?.get(c)?.to_scalar::<f64>();
            assert!((found(layer.running_mean())? - moved(0.0, mean)).abs() < bound);
            assert!((found(layer.running_var())? - moved(1.0, unbiased)).abs() < bound);
        }
        // Evaluation uses the statistics and leaves them unchanged.
        let before = layer.running_var().copy()?;
        let y = layer.forward_t(&x, false)?.to_dtype(DType::F64)?;
        let (mean, var) =
            (layer.running_mean().to_dtype(DType::F64)?, before.to_dtype(DType::F64)?);
        let expected = x
            .to_dtype(DType::F64)?
            .broadcast_sub(&mean.reshape((1, 2, 1, 1))?)?
            .broadcast_div(&(var + 1e-5)?.sqrt()?.reshape((1, 2, 1, 1))?)?;
        assert!(difference(&y, &expected)? < bound);
        assert_eq!(difference(layer.running_var(), &before)?, 0.0);
    }
    Ok(())
}

#[test]
fn batch_statistics_survive_a_large_offset() -> Result<()> {
    // In f32 a mean of squares minus the square of the mean would have no correct digit left here.
    let x = (noise(&[64, 1, 16, 16], 1)? + 1000.0)?.to_dtype(DType::F32)?;
    let exact = portable::batch_norm_train(
        &x.to_dtype(DType::F64)?,
        &noise(&[1], 2)?,
        &noise(&[1], 3)?,
        1e-5,
    )?;
    let found = cpu::batch_norm_train(
        &x,
        &noise(&[1], 2)?.to_dtype(DType::F32)?,
        &noise(&[1], 3)?.to_dtype(DType::F32)?,
        1e-5,
    )?;
    let relative = |a: &Tensor, b: &Tensor| -> Result<f64> {
        Ok((a.to_dtype(DType::F64)?.to_vec1::<f64>()?[0] / b.to_vec1::<f64>()?[0] - 1.0).abs())
    };
    assert!(relative(&found.variance, &exact.variance)? < 1e-5);
    assert!(relative(&found.mean, &exact.mean)? < 1e-7);
    Ok(())
}

#[test]
fn half_precision_takes_the_portable_form() -> Result<()> {
    let store = ParamStore::new(3, DType::BF16, &Device::Cpu);
    let vb = store.var_builder();
    let conv = Conv2d::new(
        2,
        4,
        [3, 3],
        ConvConfig { padding: [1, 1], bias: true, ..ConvConfig::before_norm() },
        vb.pp("conv"),
    )?;
    let (bn, linear) = (BatchNorm2d::new(4, vb.pp("bn"))?, Linear::new(4, 3, vb.pp("linear"))?);
    let pool = MaxPool2d::new(3, 2, 1);
    let mean = AvgPool2d::new(2, 1, 0);
    let x = noise(&[2, 2, 6, 6], 1)?.to_dtype(DType::BF16)?;
    let y = Relu.forward(&bn.forward_t(&conv.forward(&x)?, true)?)?;
    let y = linear.forward(&GlobalAvgPool2d.forward(&mean.forward(&pool.forward(&y)?)?)?)?;
    assert_eq!((y.dims(), y.dtype()), (&[2, 3][..], DType::BF16));
    let grads = y.to_dtype(DType::F32)?.sum_all()?.backward()?;
    for (name, var) in store.parameters() {
        assert!(grads.get(&var).is_some(), "{name}");
    }
    Ok(())
}

#[test]
fn sizes_that_do_not_fit_are_named() -> Result<()> {
    let store = ParamStore::new(0, DType::F32, &Device::Cpu);
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu);
    let plain = ConvConfig::<2>::before_norm();
    let conv = Conv2d::new(4, 2, [3, 3], plain, store.var_builder().pp("conv"))?;
    let linear = Linear::new(4, 2, store.var_builder().pp("linear"))?;
    let bn = BatchNorm2d::new(4, store.var_builder().pp("bn"))?;
    let image = zeros(&[2, 4, 4, 4])?;
    let pool = MaxPool2d::new(3, 1, 0);
    let new = |inputs, outputs, kernel, config| {
        Conv2d::new(inputs, outputs, kernel, config, store.var_builder().pp("x")).map(|_| ())
    };
    let cases: Vec<(Result<()>, &str)> = vec![
        (conv.forward(&zeros(&[1, 3, 5, 5])?).map(|_| ()), "expected 4 input channels"),
        (conv.forward(&zeros(&[0, 4, 5, 5])?).map(|_| ()), "empty"),
        (conv.forward(&zeros(&[4, 5, 5])?).map(|_| ()), "expected [N, C, H, W]"),
        (conv.forward(&zeros(&[1, 4, 2, 5])?).map(|_| ()), "height"),
        (conv.forward(&zeros(&[1, 4, 5, 2])?).map(|_| ()), "width"),
        (new(4, 6, [3, 3], ConvConfig { groups: 3, ..plain }), "groups = 3"),
        (new(4, 6, [3, 3], ConvConfig { groups: 0, ..plain }), "groups = 0"),
        (new(4, 6, [3, 0], plain), "kernel = [3, 0]"),
        (new(4, 6, [3, 3], ConvConfig { stride: [0, 1], ..plain }), "stride = [0, 1]"),
        (linear.forward(&zeros(&[2, 3])?).map(|_| ()), "last dimension to be 4"),
        (linear.forward(&zeros(&[0, 4])?).map(|_| ()), "empty"),
        (bn.forward_t(&zeros(&[2, 3, 4, 4])?, true).map(|_| ()), "channels"),
        (bn.forward_t(&zeros(&[1, 4, 1, 1])?, true).map(|_| ()), "more than one value per channel"),
        (bn.forward_t(&zeros(&[0, 4, 2, 2])?, true).map(|_| ()), "empty"),
        (bn.forward_relu(&zeros(&[0, 4, 2, 2])?, None, true).map(|_| ()), "empty"),
        (
            bn.forward_relu(&image, Some(&zeros(&[2, 4, 1, 4])?), true).map(|_| ()),
            "residual of shape [2, 4, 1, 4]",
        ),
        (
            bn.forward_relu(&image, Some(&zeros(&[2, 4, 1, 4])?), false).map(|_| ()),
            "expected [2, 4, 4, 4]",
        ),
        (
            bn.forward_relu(&image, Some(&image.to_dtype(DType::F64)?), true).map(|_| ()),
            "residual of type F64",
        ),
        (pool.forward(&zeros(&[1, 1, 2, 5])?).map(|_| ()), "does not fit"),
        (MaxPool2d::new(3, 1, 2).forward(&zeros(&[1, 1, 5, 5])?).map(|_| ()), "padding = 2"),
        (GlobalAvgPool2d.forward(&zeros(&[1, 1, 0, 5])?).map(|_| ()), "empty"),
    ];
    for (i, (result, part)) in cases.into_iter().enumerate() {
        let message = result.expect_err(part).to_string();
        assert!(message.contains(part), "case {i}: {message}");
    }
    assert!(bn.forward_t(&zeros(&[1, 4, 1, 1])?, false).is_ok());
    Ok(())
}
