//! The operations on a CUDA device compared with the portable ones in f64 on the CPU. Without a
//! driver the tests report that they were skipped.

use crate::support::{bits, cuda, difference, noise, portable};
use candle_core::{DType, Device, Module, Result, Tensor, Var};
use candle_nn::ModuleT;
use mbls_nn::op::BatchNormOutput;
use mbls_nn::{
    AdamConfig, AdamWConfig, AdaptiveAvgPool2d, BatchNorm2d, Bilinear2d, Conv2d, ConvConfig,
    ConvInit, Embedding, GlobalAvgPool2d, Linear, MaxPool2d, OptimizerConfig, ParamStore, PoolSize,
    Relu, SgdConfig, clip_grad_norm,
};
use std::panic::catch_unwind;

/// Tolerances of the results, relative to the largest value.
const TYPES: [(DType, f64); 4] =
    [(DType::F64, 1e-10), (DType::F32, 1e-4), (DType::F16, 5e-3), (DType::BF16, 2e-2)];

/// Returns the first CUDA device; `None` without a driver, where cudarc panics when it looks for
/// the library.
fn device() -> Result<Option<Device>> {
    let Ok(device) = catch_unwind(|| Device::new_cuda(0)) else {
        eprintln!("skipped: there is no CUDA driver");
        return Ok(None);
    };
    Ok(Some(device?))
}

/// Returns the result and the gradients of `f` at `inputs`, rounded to `rounded` and computed in
/// `dtype` on `device`.
fn evaluate(
    inputs: &[Tensor],
    (rounded, dtype, device): (DType, DType, &Device),
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<Vec<Tensor>> {
    let var =
        |t: &Tensor| Var::from_tensor(&t.to_dtype(rounded)?.to_dtype(dtype)?.to_device(device)?);
    let vars = inputs.iter().map(var).collect::<Result<Vec<_>>>()?;
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&tensors)?;
    assert_eq!((y.dtype(), y.device().location()), (dtype, device.location()));
    let weights = noise(y.dims(), 99)?.to_dtype(rounded)?.to_dtype(dtype)?.to_device(device)?;
    let grads = (&y * weights)?.sum_all()?.backward()?;
    let gradient = |t: &Tensor| {
        grads.get(t).cloned().ok_or_else(|| candle_core::Error::Msg("no gradient".into()))
    };
    let all = std::iter::once(Ok(y)).chain(tensors.iter().map(gradient));
    all.map(|t| t?.to_device(&Device::Cpu)).collect()
}

/// Compares results and gradients in every type, and checks that two runs are bit-identical.
fn check(
    what: &str,
    inputs: &[Tensor],
    fast: impl Fn(&[Tensor]) -> Result<Tensor>,
    slow: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    for (dtype, bound) in TYPES {
        let found = evaluate(inputs, (dtype, dtype, &device), &fast)?;
        let again = evaluate(inputs, (dtype, dtype, &device), &fast)?;
        let expected = evaluate(inputs, (dtype, DType::F64, &Device::Cpu), &slow)?;
        for (i, ((found, again), expected)) in found.iter().zip(&again).zip(&expected).enumerate() {
            let gap = difference(found, expected)?;
            assert!(gap <= bound, "{what} in {dtype:?}, output {i}: {gap}");
            let wide = |t: &Tensor| bits(&t.to_dtype(DType::F64)?);
            assert_eq!(
                wide(found)?,
                wide(again)?,
                "{what} in {dtype:?}, output {i}: bits of two runs"
            );
        }
    }
    Ok(())
}

#[test]
fn convolutions_equal_the_portable_form() -> Result<()> {
    // x; O, kernel; stride, padding, dilation, groups; bias.
    #[rustfmt::skip]
    let cases = [
        ([2, 3, 8, 9], (8, [3, 3]), ([1, 1], [1, 1], [1, 1], 1), false),
        ([3, 16, 9, 7], (8, [3, 3]), ([2, 1], [1, 0], [1, 1], 1), true),
        ([2, 8, 6, 6], (16, [1, 1]), ([2, 2], [0, 0], [1, 1], 1), false),
        ([1, 4, 12, 10], (6, [3, 2]), ([1, 2], [2, 1], [2, 3], 2), true),
        ([2, 8, 8, 8], (8, [3, 3]), ([1, 1], [1, 1], [1, 1], 8), false),
        ([2, 3, 20, 20], (16, [7, 7]), ([2, 2], [3, 3], [1, 1], 1), true),
    ];
    for (x, (outputs, kernel), (stride, padding, dilation, groups), bias) in cases {
        let config =
            ConvConfig { stride, padding, dilation, groups, bias, ..ConvConfig::before_norm() };
        let mut inputs =
            vec![noise(&x, 1)?, noise(&[outputs, x[1] / groups, kernel[0], kernel[1]], 2)?];
        inputs.extend(bias.then(|| noise(&[outputs], 3)).transpose()?);
        check(
            &format!("conv2d of {x:?} with {config:?}"),
            &inputs,
            |t| cuda::conv(&t[0], &t[1], t.get(2), &config),
            |t| portable::conv(&t[0], &t[1], t.get(2), &config),
        )?;
    }
    let config = ConvConfig::<1> {
        stride: [2],
        padding: [3],
        dilation: [2],
        groups: 2,
        bias: true,
        init: ConvInit::TorchUniform,
    };
    let inputs = [noise(&[3, 4, 40], 1)?, noise(&[6, 2, 5], 2)?, noise(&[6], 3)?];
    check(
        "conv1d",
        &inputs,
        |t| cuda::conv(&t[0], &t[1], t.get(2), &config),
        |t| portable::conv(&t[0], &t[1], t.get(2), &config),
    )
}

#[test]
fn transposed_views_equal_the_portable_form() -> Result<()> {
    let config = ConvConfig { padding: [1, 1], ..ConvConfig::before_norm() };
    let inputs = [noise(&[5, 4, 2, 2], 1)?, noise(&[3, 3, 2, 3], 2)?];
    let turn = |t: &[Tensor]| {
        Ok::<_, candle_core::Error>((t[0].permute((2, 3, 0, 1))?, t[1].transpose(1, 2)?))
    };
    check(
        "conv2d of views",
        &inputs,
        |t| turn(t).and_then(|(x, w)| cuda::conv(&x, &w, None, &config)?.transpose(2, 3)),
        |t| turn(t).and_then(|(x, w)| portable::conv(&x, &w, None, &config)?.transpose(2, 3)),
    )
}

#[test]
fn affine_maps_equal_the_portable_form() -> Result<()> {
    for (x, outputs, bias) in
        [(vec![30, 4], 2, true), (vec![2, 3, 4], 5, false), (vec![2000, 16], 10, true)]
    {
        let mut inputs = vec![noise(&x, 1)?, noise(&[outputs, x[x.len() - 1]], 2)?];
        inputs.extend(bias.then(|| noise(&[outputs], 3)).transpose()?);
        check(
            &format!("linear of {x:?}"),
            &inputs,
            |t| cuda::linear(&t[0], &t[1], t.get(2)),
            |t| portable::linear(&t[0], &t[1], t.get(2)),
        )?;
    }
    Ok(())
}

#[test]
fn batch_normalisation_equals_the_portable_form() -> Result<()> {
    for shape in [&[4, 3, 5, 6][..], &[70, 5], &[2, 4, 9000], &[3, 1, 70, 80]] {
        let channels = shape[1];
        let inputs = [noise(shape, 1)?, noise(&[channels], 2)?, noise(&[channels], 3)?];
        let train = |y: Result<BatchNormOutput>| Ok(y?.output);
        check(
            &format!("batch norm of {shape:?}"),
            &inputs,
            |t| train(cuda::batch_norm_train(&t[0], &t[1], &t[2], 1e-3)),
            |t| train(portable::batch_norm_train(&t[0], &t[1], &t[2], 1e-3)),
        )?;
        let (mean, variance) = (noise(&[channels], 4)?, noise(&[channels], 5)?.abs()?);
        let there = |t: &Tensor, like: &Tensor| t.to_dtype(like.dtype())?.to_device(like.device());
        check(
            &format!("batch norm of {shape:?} by given statistics"),
            &inputs,
            |t| {
                cuda::batch_norm(
                    &t[0],
                    &t[1],
                    &t[2],
                    &there(&mean, &t[0])?,
                    &there(&variance, &t[0])?,
                    0.1,
                )
            },
            |t| portable::batch_norm(&t[0], &t[1], &t[2], &mean, &variance, 0.1),
        )?;
    }
    let Some(device) = device()? else { return Ok(()) };
    let x = (noise(&[64, 2, 16, 16], 1)? + 1000.0)?.to_dtype(DType::F32)?;
    let ones = Tensor::ones(2, DType::F32, &Device::Cpu)?;
    let expected = portable::batch_norm_train(
        &x.to_dtype(DType::F64)?,
        &noise(&[2], 2)?,
        &noise(&[2], 3)?,
        1e-5,
    )?;
    let ones = ones.to_device(&device)?;
    let found = cuda::batch_norm_train(&x.to_device(&device)?, &ones, &ones, 1e-5)?;
    for (found, expected) in [(&found.mean, &expected.mean), (&found.variance, &expected.variance)]
    {
        let ratio =
            (found.to_device(&Device::Cpu)?.to_dtype(DType::F64)? / expected)?.to_vec1::<f64>()?;
        assert!(ratio.iter().all(|r| (r - 1.0).abs() < 1e-5), "{ratio:?}");
    }
    Ok(())
}

#[test]
fn pools_and_resampling_equal_the_portable_form() -> Result<()> {
    for (shape, kernel, stride, padding, ceil_mode) in [
        ([2, 2, 4, 4], 2, 2, 0, false),
        ([1, 2, 7, 6], 3, 2, 1, false),
        ([3, 1, 5, 5], 3, 1, 1, false),
        ([1, 2, 10, 7], 3, 2, 0, true),
        ([2, 3, 40, 50], 3, 2, 1, false),
    ] {
        let size = PoolSize::<2> { ceil_mode, ..PoolSize::new(kernel, stride, padding) };
        let x = [noise(&shape, 1)?];
        let what = format!("{shape:?} by {size:?}");
        check(&what, &x, |t| cuda::max_pool(&t[0], &size), |t| portable::max_pool(&t[0], &size))?;
        check(
            &what,
            &x,
            |t| cuda::avg_pool(&t[0], &size, false),
            |t| portable::avg_pool(&t[0], &size, false),
        )?;
        check(
            &what,
            &x,
            |t| cuda::global_avg_pool2d(&t[0]),
            |t| portable::global_avg_pool2d(&t[0]),
        )?;
        for out in [[1, 1], [3, 2], [9, 11]] {
            check(
                &what,
                &x,
                |t| cuda::adaptive_avg_pool(&t[0], out),
                |t| portable::adaptive_avg_pool(&t[0], out),
            )?;
            let maximum = |r: Result<(Tensor, Tensor)>| Ok(r?.0);
            check(
                &what,
                &x,
                |t| maximum(cuda::adaptive_max_pool_with_indices(&t[0], out)),
                |t| maximum(portable::adaptive_max_pool_with_indices(&t[0], out)),
            )?;
            check(&what, &x, |t| cuda::nearest2d(&t[0], out), |t| portable::nearest2d(&t[0], out))?;
            for align in [false, true] {
                check(
                    &what,
                    &x,
                    |t| cuda::bilinear2d(&t[0], out, align),
                    |t| portable::bilinear2d(&t[0], out, align),
                )?;
            }
        }
        let Some(device) = device()? else { return Ok(()) };
        let (_, expected) = portable::max_pool_with_indices(&x[0], &size)?;
        let (_, found) = cuda::max_pool_with_indices(&x[0].to_device(&device)?, &size)?;
        assert_eq!(difference(&found.to_device(&Device::Cpu)?, &expected)?, 0.0);
    }
    let (x, size) = ([noise(&[2, 3, 30], 1)?], PoolSize::<1>::new(3, 2, 1));
    check("a sequence", &x, |t| cuda::max_pool(&t[0], &size), |t| portable::max_pool(&t[0], &size))
}

#[test]
fn the_first_of_equal_maxima_gets_the_gradient() -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    let size = PoolSize::<2>::new(2, 2, 0);
    let x = Var::new(&[1f32, 3.0, 3.0, 3.0], &device)?;
    let y = cuda::max_pool(&x.reshape((1, 1, 2, 2))?, &size)?;
    assert_eq!(y.sum_all()?.backward()?.get(&x).unwrap().to_vec1::<f32>()?, [0.0, 1.0, 0.0, 0.0]);
    let spoiled = Tensor::new(&[1f32, f32::NAN, 3.0, 2.0], &device)?.reshape((1, 1, 2, 2))?;
    assert!(cuda::max_pool(&spoiled, &size)?.flatten_all()?.to_vec1::<f32>()?[0].is_nan());
    Ok(())
}

#[test]
fn rectifier_and_embedding_equal_the_portable_form() -> Result<()> {
    check(
        "relu",
        &[noise(&[3, 700], 1)?],
        |t| cuda::relu(&t[0].t()?),
        |t| portable::relu(&t[0].t()?),
    )?;
    let indices: Vec<u32> = (0..600u32).map(|i| i * i % 37).collect();
    let indices = Tensor::from_vec(indices, (20, 30), &Device::Cpu)?;
    for padding in [None, Some(0)] {
        check(
            "embedding",
            &[noise(&[40, 7], 1)?],
            |t| cuda::embedding(&t[0], &indices.to_device(t[0].device())?, padding),
            |t| portable::embedding(&t[0], &indices, padding),
        )?;
    }
    Ok(())
}

/// Returns the parameters after optimizer steps on a device, and the norms of the clipped
/// gradients.
fn trained(
    optimizer: &OptimizerConfig,
    dtype: DType,
    device: &Device,
) -> Result<(Vec<Tensor>, Vec<f64>)> {
    // Types as in a network of half precision, whose batch norm stays in f32.
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    // More numbers than a launch has threads, in one type.
    let large = if dtype == DType::F32 { vec![2100, 2000] } else { vec![70, 90] };
    let shapes = [(vec![7], wide), (vec![3, 5, 2], dtype), (large, dtype)];
    let place = |t: Tensor, dtype| t.to_dtype(dtype)?.to_device(device);
    let named = shapes.iter().enumerate().map(|(i, (shape, dtype))| {
        Ok((format!("p{i}"), Var::from_tensor(&place(noise(shape, i as u64)?, *dtype)?)?))
    });
    let parameters = named.collect::<Result<Vec<_>>>()?;
    let failed = |error: mbls_nn::Error| candle_core::Error::Msg(error.to_string());
    let mut optimizer = optimizer.build(parameters.clone()).map_err(failed)?;
    let mut norms = Vec::new();
    // Chosen so that the gradients are clipped.
    let scale = if dtype == DType::F32 { 0.1 } else { 10.0 };
    for step in 0..3 {
        let products = parameters.iter().zip(&shapes).map(|((_, p), (shape, dtype))| {
            let slope = place((noise(shape, 10 + step)? * scale)?, *dtype)?;
            p.mul(&slope)?.to_dtype(wide)?.sum_all()
        });
        let total = products.reduce(|a, b| &a? + &b?).expect("parameters")?;
        let mut grads = total.backward()?;
        norms.push(clip_grad_norm(&parameters, &mut grads, 100.0).map_err(failed)?);
        optimizer.step(&grads, 0.01).map_err(failed)?;
        if step == 1 {
            // From here on the master weights restart.
            parameters[1].1.set(&parameters[1].1.affine(2.0, 0.0)?)?;
        }
    }
    let values = parameters.iter().map(|(_, p)| p.to_device(&Device::Cpu));
    Ok((values.collect::<Result<_>>()?, norms))
}

#[test]
fn optimizers_equal_those_of_the_cpu() -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    let sgd = SgdConfig { weight_decay: 0.1, ..SgdConfig::default() };
    let optimizers = [
        OptimizerConfig::Sgd(sgd),
        OptimizerConfig::Sgd(SgdConfig { momentum: 0.9, ..sgd }),
        OptimizerConfig::Sgd(SgdConfig { momentum: 0.9, dampening: 0.3, ..sgd }),
        OptimizerConfig::Sgd(SgdConfig { momentum: 0.9, nesterov: true, ..sgd }),
        OptimizerConfig::Adam(AdamConfig { weight_decay: 0.1, ..AdamConfig::default() }),
        OptimizerConfig::AdamW(AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() }),
    ];
    for optimizer in &optimizers {
        // Each number is rounded once, so the two differ by at most one rounding, apart from the
        // effect of clipping on the gradients.
        for (dtype, bound) in
            [(DType::F64, 1e-12), (DType::F32, 1e-6), (DType::F16, 2e-3), (DType::BF16, 2e-2)]
        {
            let (found, norms) = trained(optimizer, dtype, &device)?;
            let (expected, expected_norms) = trained(optimizer, dtype, &Device::Cpu)?;
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let gap = difference(found, expected)?;
                assert!(gap <= bound, "{optimizer:?}, {dtype:?}, parameter {i}: {gap}");
            }
            for (found, expected) in norms.iter().zip(&expected_norms) {
                assert!(
                    (found / expected - 1.0).abs() < 1e-9,
                    "{dtype:?}: norm {found}, expected {expected}"
                );
            }
            let again = trained(optimizer, dtype, &device)?.0;
            for (found, again) in found.iter().zip(&again) {
                let wide = |t: &Tensor| bits(&t.to_dtype(DType::F64)?);
                assert_eq!(
                    wide(found)?,
                    wide(again)?,
                    "{optimizer:?}, {dtype:?}: bits of two runs"
                );
            }
        }
    }
    Ok(())
}

/// Returns the errors of layers for invalid inputs.
fn errors(device: &Device) -> Result<Vec<String>> {
    let store = ParamStore::new(0, DType::F32, device);
    let (vb, zeros) =
        (store.var_builder(), |shape: &[usize]| Tensor::zeros(shape, DType::F32, device));
    let conv = Conv2d::new(4, 2, [3, 3], ConvConfig::<2>::before_norm(), vb.pp("conv"))?;
    let linear = Linear::new(4, 2, vb.pp("linear"))?;
    let bn = BatchNorm2d::new(4, vb.pp("bn"))?;
    let embedding = Embedding::new(5, 3, None, vb.pp("embedding"))?;
    let results = [
        conv.forward(&zeros(&[1, 3, 5, 5])?),
        conv.forward(&zeros(&[4, 5, 5])?),
        conv.forward(&zeros(&[1, 4, 2, 5])?),
        linear.forward(&zeros(&[2, 3])?),
        bn.forward_t(&zeros(&[2, 3, 4, 4])?, true),
        bn.forward_t(&zeros(&[1, 4, 1, 1])?, true),
        MaxPool2d::new(3, 1, 0).forward(&zeros(&[1, 1, 2, 5])?),
        MaxPool2d::new(3, 1, 2).forward(&zeros(&[1, 1, 5, 5])?),
        GlobalAvgPool2d.forward(&zeros(&[1, 5, 5])?),
        AdaptiveAvgPool2d { output: [0, 1] }.forward(&zeros(&[1, 1, 5, 5])?),
        Bilinear2d { output: [3, 0], align_corners: true }.forward(&zeros(&[1, 1, 5, 5])?),
        embedding.forward(&Tensor::new(&[1u32, 7], device)?),
        embedding.forward(&zeros(&[2])?),
    ];
    Ok(results.into_iter().map(|r| r.expect_err("an error").to_string()).collect())
}

#[test]
fn errors_are_those_of_the_cpu() -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    for (found, expected) in errors(&device)?.iter().zip(&errors(&Device::Cpu)?) {
        // The location of the error follows after the first line.
        assert_eq!(found.lines().next(), expected.lines().next());
    }
    Ok(())
}

/// A step of a mixed-precision network, through the layers.
#[test]
fn a_network_in_bf16_equals_that_in_f32_on_the_cpu() -> Result<()> {
    let Some(device) = device()? else { return Ok(()) };
    let run = |dtype: DType, device: &Device| -> Result<Vec<Tensor>> {
        let store = ParamStore::new(5, dtype, device);
        let vb = store.var_builder();
        let config = ConvConfig { padding: [1, 1], ..ConvConfig::before_norm() };
        let conv = Conv2d::new(3, 8, [3, 3], config, vb.pp("conv"))?;
        let (bn, linear) = (BatchNorm2d::new(8, vb.pp("bn"))?, Linear::new(8, 4, vb.pp("linear"))?);
        let x = noise(&[16, 3, 8, 8], 1)?.to_dtype(dtype)?.to_device(device)?;
        let y = Relu.forward(&bn.forward_t(&conv.forward(&x)?, true)?)?;
        let y = linear.forward(&GlobalAvgPool2d.forward(&MaxPool2d::new(3, 2, 1).forward(&y)?)?)?;
        let grads = y.sqr()?.to_dtype(DType::F32)?.mean_all()?.backward()?;
        let gradients = store
            .parameters()
            .into_iter()
            .map(|(_, var)| grads.get(&var).expect("a gradient").clone());
        std::iter::once(y).chain(gradients).map(|t| t.to_device(&Device::Cpu)).collect()
    };
    for (found, expected) in run(DType::BF16, &device)?.iter().zip(run(DType::F32, &Device::Cpu)?) {
        let gap = difference(found, &expected)?;
        assert!(gap < 2e-2, "{gap}");
    }
    Ok(())
}
