//! Every operation, in both implementations, compared with central differences in f64.

use crate::support::{cpu, noise, portable, weighted_sum};
use candle_core::{Result, Tensor};
use mbls_nn::{ConvConfig, PoolSize};
use mbls_testkit::gradient;

const TOLERANCE: f64 = 2e-7;

/// Checks both implementations of an operation.
fn check(
    inputs: &[Tensor],
    fast: impl Fn(&[Tensor]) -> Result<Tensor>,
    slow: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<()> {
    gradient::check(inputs, TOLERANCE, |t| weighted_sum(&fast(t)?))?;
    gradient::check(inputs, TOLERANCE, |t| weighted_sum(&slow(t)?))
}

#[test]
fn convolution() -> Result<()> {
    // x [N, C, H, W]; O, kh, kw; stride, padding, dilation, groups; bias.
    #[rustfmt::skip]
    let cases = [
        ([2, 2, 5, 5], (3, 3, 3), (1, 1, 1, 1), false),
        ([1, 2, 5, 4], (2, 3, 3), (1, 0, 1, 1), true),
        ([2, 1, 8, 7], (2, 3, 3), (2, 1, 1, 1), false),
        ([1, 2, 7, 8], (2, 3, 3), (3, 1, 1, 1), true),
        ([2, 3, 4, 3], (2, 1, 1), (1, 0, 1, 1), true),
        ([1, 3, 5, 4], (2, 1, 1), (2, 0, 1, 1), false),
        ([1, 2, 7, 6], (2, 3, 3), (1, 2, 2, 1), false),
        ([1, 2, 8, 9], (2, 3, 3), (2, 2, 2, 1), false),
        ([2, 4, 4, 5], (6, 3, 3), (1, 1, 1, 2), true),
        ([1, 4, 5, 4], (4, 3, 3), (2, 1, 1, 4), false),
        ([1, 2, 3, 3], (2, 2, 2), (1, 2, 1, 1), false),
        ([1, 2, 3, 4], (2, 1, 2), (2, 1, 1, 1), false),
        ([1, 1, 4, 4], (5, 3, 3), (1, 1, 1, 1), false),
        ([1, 1, 3, 2], (2, 3, 2), (1, 0, 1, 1), false),
    ];
    for (i, (x, (o, kh, kw), (stride, padding, dilation, groups), bias)) in
        cases.into_iter().enumerate()
    {
        let config = ConvConfig {
            stride: [stride; 2],
            padding: [padding; 2],
            dilation: [dilation; 2],
            groups,
            bias,
            ..ConvConfig::before_norm()
        };
        let mut inputs = vec![noise(&x, 1)?, noise(&[o, x[1] / groups, kh, kw], 2)?];
        if bias {
            inputs.push(noise(&[o], 3)?);
        }
        println!("case {i}: {x:?} {config:?}");
        check(
            &inputs,
            |t| cpu::conv(&t[0], &t[1], t.get(2), &config),
            |t| portable::conv(&t[0], &t[1], t.get(2), &config),
        )?;
    }
    Ok(())
}

#[test]
fn convolution_of_a_transposed_input() -> Result<()> {
    let config = ConvConfig { padding: [1, 1], ..ConvConfig::before_norm() };
    let inputs = [noise(&[5, 4, 2, 2], 1)?, noise(&[3, 3, 2, 3], 2)?];
    let turn = |t: &[Tensor]| {
        Ok::<_, candle_core::Error>((t[0].permute((2, 3, 0, 1))?, t[1].transpose(1, 2)?))
    };
    check(
        &inputs,
        |t| turn(t).and_then(|(x, w)| cpu::conv(&x, &w, None, &config)?.transpose(2, 3)),
        |t| turn(t).and_then(|(x, w)| portable::conv(&x, &w, None, &config)?.transpose(2, 3)),
    )
}

#[test]
fn affine_map() -> Result<()> {
    for (x, o, bias) in [
        (vec![3, 4], 2, true),
        (vec![2, 3, 4], 5, false),
        (vec![70, 2], 3, true),
        (vec![1, 1], 1, true),
    ] {
        let mut inputs = vec![noise(&x, 1)?, noise(&[o, x[x.len() - 1]], 2)?];
        if bias {
            inputs.push(noise(&[o], 3)?);
        }
        check(
            &inputs,
            |t| cpu::linear(&t[0], &t[1], t.get(2)),
            |t| portable::linear(&t[0], &t[1], t.get(2)),
        )?;
    }
    let inputs = [noise(&[3, 4], 1)?, noise(&[3, 2], 2)?];
    check(
        &inputs,
        |t| cpu::linear(&t[0].t()?, &t[1].t()?, None)?.t(),
        |t| portable::linear(&t[0].t()?, &t[1].t()?, None)?.t(),
    )
}

#[test]
fn batch_normalisation() -> Result<()> {
    let images = [[3, 2, 2, 3], [2, 1, 1, 1], [1, 3, 4, 5], [2, 2, 1, 1]].map(Vec::from);
    for shape in images.into_iter().chain([vec![4, 3], vec![2, 2, 5], vec![1, 3, 2], vec![3, 1, 1]])
    {
        let channels = shape[1];
        let inputs = [noise(&shape, 1)?, noise(&[channels], 2)?, noise(&[channels], 3)?];
        // An eps large enough not to vanish next to two close values.
        check(
            &inputs,
            |t| Ok(cpu::batch_norm_train(&t[0], &t[1], &t[2], 1e-2)?.output),
            |t| Ok(portable::batch_norm_train(&t[0], &t[1], &t[2], 1e-2)?.output),
        )?;
        let (mean, variance) = (noise(&[channels], 4)?, noise(&[channels], 5)?.abs()?);
        check(
            &inputs,
            |t| cpu::batch_norm(&t[0], &t[1], &t[2], &mean, &variance, 1e-5),
            |t| portable::batch_norm(&t[0], &t[1], &t[2], &mean, &variance, 1e-5),
        )?;
    }
    let inputs =
        [noise(&[3, 2, 3, 2], 1)?, noise(&[2], 2)?, noise(&[2], 3)?, noise(&[3, 2, 3, 2], 6)?];
    let (mean, variance) = (noise(&[2], 4)?, noise(&[2], 5)?.abs()?);
    for inputs in [&inputs[..3], &inputs] {
        check(
            inputs,
            |t| Ok(cpu::batch_norm_relu_train(&t[0], t.get(3), &t[1], &t[2], 1e-2)?.output),
            |t| Ok(portable::batch_norm_relu_train(&t[0], t.get(3), &t[1], &t[2], 1e-2)?.output),
        )?;
        check(
            inputs,
            |t| cpu::batch_norm_relu(&t[0], t.get(3), &t[1], &t[2], &mean, &variance, 1e-5),
            |t| portable::batch_norm_relu(&t[0], t.get(3), &t[1], &t[2], &mean, &variance, 1e-5),
        )?;
    }
    let inputs = [noise(&[3, 2, 2, 3], 1)?, noise(&[3], 2)?, noise(&[3], 3)?];
    check(
        &inputs,
        |t| {
            cpu::batch_norm_train(
                &t[0].transpose(0, 3)?.transpose(1, 3)?.transpose(1, 0)?,
                &t[1],
                &t[2],
                1e-2,
            )?
            .output
            .transpose(2, 3)
        },
        |t| {
            portable::batch_norm_train(
                &t[0].transpose(0, 3)?.transpose(1, 3)?.transpose(1, 0)?,
                &t[1],
                &t[2],
                1e-2,
            )?
            .output
            .transpose(2, 3)
        },
    )
}

#[test]
fn pools() -> Result<()> {
    for (shape, kernel, stride, padding) in [
        ([2, 2, 4, 4], 2, 2, 0),
        ([1, 2, 7, 6], 3, 2, 1),
        ([1, 1, 5, 5], 3, 1, 1),
        ([1, 2, 8, 7], 2, 3, 0),
        ([2, 1, 4, 5], 4, 1, 2),
        ([1, 1, 3, 3], 1, 1, 0),
        ([1, 1, 2, 3], 2, 1, 1),
    ] {
        let size = PoolSize::<2>::new(kernel, stride, padding);
        let x = [noise(&shape, 1)?];
        check(&x, |t| cpu::max_pool(&t[0], &size), |t| portable::max_pool(&t[0], &size))?;
        check(
            &x,
            |t| cpu::avg_pool(&t[0], &size, true),
            |t| portable::avg_pool(&t[0], &size, true),
        )?;
        check(&x, |t| cpu::global_avg_pool2d(&t[0]), |t| portable::global_avg_pool2d(&t[0]))?;
        let turned = [noise(&[shape[2], shape[1], shape[0], shape[3]], 1)?];
        check(
            &turned,
            |t| cpu::max_pool(&t[0].transpose(0, 2)?, &size)?.transpose(1, 3),
            |t| portable::max_pool(&t[0].transpose(0, 2)?, &size)?.transpose(1, 3),
        )?;
    }
    Ok(())
}

#[test]
fn rectifier() -> Result<()> {
    check(&[noise(&[3, 7], 1)?], |t| cpu::relu(&t[0]), |t| portable::relu(&t[0]))?;
    check(
        &[noise(&[3, 7], 1)?],
        |t| cpu::relu(&t[0].t()?)?.t(),
        |t| portable::relu(&t[0].t()?)?.t(),
    )
}
