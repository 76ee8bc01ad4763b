//! The layers: initial weights, invalid input.

use super::forms;
use crate::support::{difference, noise, portable};
use candle_core::{DType, Device, Module, Result, Tensor};
use mbls_nn::{Conv1d, Conv2d, ConvConfig, ConvInit, ParamStore};

#[test]
fn weights_start_as_the_settings_say() -> Result<()> {
    let store = ParamStore::new(3, DType::F64, &Device::Cpu);
    let vb = store.var_builder();
    let spread = |t: &Tensor| -> Result<(f64, f64)> {
        let v = t.flatten_all()?.to_vec1::<f64>()?;
        let square = v.iter().map(|v| v * v).sum::<f64>() / v.len() as f64;
        Ok((square.sqrt(), v.iter().fold(0.0, |m, v| v.abs().max(m))))
    };
    // in / groups * kernel = 8 * 5 and 8 * 15; out * kernel = 64 * 15.
    let line =
        Conv1d::new(16, 64, [5], ConvConfig { groups: 2, ..Default::default() }, vb.pp("line"))?;
    let bound = 1.0 / 40f64.sqrt();
    let (std, largest) = spread(line.weight())?;
    assert!(largest <= bound && (std * 3f64.sqrt() / bound - 1.0).abs() < 0.03, "{std} {largest}");
    let largest = spread(line.bias().expect("a bias, as in PyTorch"))?.1;
    assert!(largest <= bound && largest > 0.8 * bound);
    let plane = ConvConfig { groups: 2, bias: true, ..ConvConfig::before_norm() };
    let (std, largest) = spread(Conv2d::new(16, 64, [3, 5], plane, vb.pp("plane"))?.weight())?;
    let expected = (2.0 / (64.0 * 15.0f64)).sqrt();
    assert!((std / expected - 1.0).abs() < 0.03 && largest > 2.0 * expected, "{std} {largest}");
    let plane = ConvConfig { init: ConvInit::TorchUniform, ..plane };
    let (std, largest) = spread(Conv2d::new(16, 64, [3, 5], plane, vb.pp("uniform"))?.weight())?;
    let bound = 1.0 / 120f64.sqrt();
    assert!(largest <= bound && (std * 3f64.sqrt() / bound - 1.0).abs() < 0.03, "{std} {largest}");
    let mut names: Vec<String> = store.parameters().into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "line.bias",
            "line.weight",
            "plane.bias",
            "plane.weight",
            "uniform.bias",
            "uniform.weight"
        ]
    );
    Ok(())
}

#[test]
fn bad_input_is_named() -> Result<()> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros");
    let store = ParamStore::new(0, DType::F32, &Device::Cpu);
    let line = ConvConfig::<1>::default();
    let new = |inputs, outputs, kernel, config| {
        Conv1d::new(inputs, outputs, [kernel], config, store.var_builder().pp("x")).map(|_| ())
    };
    let mut cases: Vec<(Result<()>, &str)> = vec![
        (new(0, 2, 3, line), "conv1d: input channels = 0"),
        (new(2, 0, 3, line), "conv1d: output channels = 0"),
        (new(2, 2, 0, line), "conv1d: kernel = [0]"),
        (new(2, 2, 3, ConvConfig { dilation: [0], ..line }), "conv1d: dilation = [0]"),
        (
            new(4, 6, 3, ConvConfig { groups: 4, ..line }),
            "conv1d: groups = 4, expected a divisor of 4 input and 6 output",
        ),
        (new(4, 6, usize::MAX, line), "too many weights"),
    ];
    let weight = zeros(&[4, 3, 5]);
    let huge = 1 << 40;
    for (_, form) in forms::<1>() {
        let run = |x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, config| {
            form(x, weight, bias, &config).map(|_| ())
        };
        cases.extend([
            (
                run(&zeros(&[1, 3, 5, 5]), &weight, None, line),
                "conv1d: input of shape [1, 3, 5, 5], expected [N, C, L]",
            ),
            (run(&zeros(&[1, 3, 0]), &weight, None, line), "is empty"),
            (run(&zeros(&[1, 2, 9]), &weight, None, line), "expected 3 input channels"),
            (run(&zeros(&[1, 3, 4]), &weight, None, line), "conv1d, length: a window of 5"),
            (
                run(&zeros(&[1, 3, 9]), &zeros(&[4, 3]), None, line),
                "conv1d: weight of shape [4, 3], expected 3 dimensions",
            ),
            (run(&zeros(&[1, 3, 9]), &zeros(&[0, 3, 5]), None, line), "none of them 0"),
            (
                run(&zeros(&[1, 3, 9]), &weight, Some(&zeros(&[3])), line),
                "conv1d: bias of shape [3], expected [4]",
            ),
            (
                run(&zeros(&[1, 3, 9]), &weight, None, ConvConfig { stride: [0], ..line }),
                "stride = 0",
            ),
            (
                run(&zeros(&[1, 3, 9]), &weight, None, ConvConfig { padding: [huge], ..line }),
                "too many windows",
            ),
            (
                run(
                    &zeros(&[1, 3, 9]),
                    &weight,
                    None,
                    ConvConfig { padding: [usize::MAX / 2], ..line },
                ),
                "conv1d",
            ),
            (
                run(&zeros(&[1, 3, 9]), &weight.to_dtype(DType::F64)?, None, line),
                "conv1d: weight in F64 on Cpu, expected F32",
            ),
        ]);
    }
    let plane = ConvConfig::<2>::before_norm();
    for (_, form) in forms::<2>() {
        let run = |x: &Tensor, config| form(x, &zeros(&[4, 3, 3, 2]), None, &config).map(|_| ());
        cases.extend([
            (
                run(&zeros(&[3, 5, 5]), plane),
                "conv2d: input of shape [3, 5, 5], expected [N, C, H, W]",
            ),
            (run(&zeros(&[1, 3, 2, 5]), plane), "conv2d, height: a window of 3"),
            (
                run(&zeros(&[1, 3, 3, 5]), ConvConfig { dilation: [1, 5], ..plane }),
                "conv2d, width: a window of 2 with dilation 5",
            ),
            (run(&zeros(&[1, 3, 3, 5]), ConvConfig { padding: [huge, huge], ..plane }), "conv2d"),
        ]);
    }
    for (i, (result, part)) in cases.into_iter().enumerate() {
        let message = result.expect_err(part).to_string();
        assert!(message.contains(part), "case {i}: {message}, expected {part}");
    }
    Ok(())
}

#[test]
fn a_layer_is_its_function() -> Result<()> {
    let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    let config = ConvConfig { stride: [2], padding: [1], ..Default::default() };
    let layer = Conv1d::new(6, 8, [3], config, store.var_builder().pp("conv"))?;
    let x = noise(&[2, 6, 9], 1)?.to_dtype(DType::F32)?;
    let y = layer.forward(&x)?;
    assert_eq!(y.dims(), [2, 8, 5]);
    assert_eq!(layer.config(), &config);
    let expected = portable::conv(&x, layer.weight(), layer.bias(), &config)?;
    assert!(difference(&y, &expected)? < 1e-6);
    let half = portable::conv(
        &x.to_dtype(DType::BF16)?,
        &layer.weight().to_dtype(DType::BF16)?,
        None,
        &config,
    )?;
    assert_eq!((half.dims(), half.dtype()), (y.dims(), DType::BF16));
    Ok(())
}
