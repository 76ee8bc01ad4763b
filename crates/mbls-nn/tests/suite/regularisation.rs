//! Dropout, embedding, and the options of batch normalisation.

use crate::support::{bits, cpu, difference, noise, portable, weighted_sum};
use candle_core::{DType, Device, Module, Result, Tensor, Var};
use candle_nn::ModuleT;
use mbls_nn::{BatchNorm1d, BatchNorm2d, BatchNormConfig, Dropout, Embedding, ParamStore};
use mbls_testkit::gradient;
use proptest::prelude::*;

#[test]
fn dropout_keeps_a_share_and_the_mean() -> Result<()> {
    let x = Tensor::ones((200, 500), DType::F64, &Device::Cpu)?;
    for p in [0.1, 0.5, 0.9] {
        let y = Dropout::new(p, 3)?.forward_t(&x, true)?.flatten_all()?.to_vec1::<f64>()?;
        let dropped = y.iter().filter(|&&v| v == 0.0).count() as f64 / y.len() as f64;
        // Five standard deviations of a binomial proportion.
        assert!((dropped - p).abs() < 5.0 * (p * (1.0 - p) / 1e5).sqrt(), "{p}: {dropped}");
        assert!(y.iter().all(|&v| v == 0.0 || (v - 1.0 / (1.0 - p)).abs() < 1e-6));
    }
    assert_eq!(bits(&Dropout::new(0.0, 3)?.forward_t(&x, true)?)?, bits(&x)?);
    assert_eq!(Dropout::new(1.0, 3)?.forward_t(&x, true)?.sum_all()?.to_scalar::<f64>()?, 0.0);
    assert_eq!(bits(&Dropout::new(0.7, 3)?.forward_t(&x, false)?)?, bits(&x)?);
    Ok(())
}

#[test]
fn masks_are_a_function_of_seed_and_position() -> Result<()> {
    let x = Tensor::ones(40_000, DType::F32, &Device::Cpu)?;
    let layer = Dropout::new(0.5, 11)?;
    let first = bits(&layer.forward_t(&x, true)?)?;
    let second = bits(&layer.forward_t(&x, true)?)?;
    assert_eq!(layer.position(), 2);
    assert!(first != second && first != bits(&Dropout::new(0.5, 12)?.forward_t(&x, true)?)?);
    // Blocks do not repeat.
    assert!(first[..1 << 14] != first[1 << 14..1 << 15]);
    let resumed = Dropout::new(0.5, 11)?;
    resumed.set_position(1);
    for threads in [1, 2, 4] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(candle_core::Error::wrap)?;
        resumed.set_position(1);
        assert!(pool.install(|| bits(&resumed.forward_t(&x, true)?))? == second);
    }
    // Evaluation does not advance the position.
    layer.forward_t(&x, false)?;
    assert_eq!(layer.position(), 2);
    let x = [noise(&[7, 5], 1)?];
    gradient::check(&x, 2e-7, |t| {
        layer.set_position(5);
        weighted_sum(&layer.forward_t(&t[0], true)?)
    })
}

#[test]
fn channels_are_kept_or_dropped_whole() -> Result<()> {
    let (images, channels) = (150, 200);
    for (p, spatial) in [(0.1, &[3, 5][..]), (0.5, &[7]), (0.9, &[2, 1, 2])] {
        let shape = [&[images, channels], spatial].concat();
        let plane = spatial.iter().product::<usize>();
        let x = noise(&shape, 1)?;
        let y = Dropout::channels(p, 3)?.forward_t(&x, true)?;
        assert_eq!(y.dims(), shape);
        let planes = |t: &Tensor| t.reshape((images * channels, plane))?.to_vec2::<f64>();
        let mut dropped = Vec::new();
        for (x, y) in planes(&x)?.iter().zip(planes(&y)?) {
            dropped.push(y[0] == 0.0);
            let factor = if y[0] == 0.0 { 0.0 } else { 1.0 / (1.0 - p) };
            assert!(
                x.iter().zip(&y).all(|(x, y)| (x * factor - y).abs() < 1e-5),
                "{p}: {x:?} {y:?}"
            );
        }
        let count = dropped.len() as f64;
        let share = dropped.iter().filter(|&&d| d).count() as f64 / count;
        assert!((share - p).abs() < 5.0 * (p * (1.0 - p) / count).sqrt(), "{p}: {share}");
        // Each sample drops its own channels: neither all samples nor all channels are alike.
        assert!(dropped[..channels] != dropped[channels..2 * channels]);
        assert!((0..images).any(|i| dropped[i * channels] != dropped[i * channels + 1]));
        // The mask is that of single entries: a function of seed, position and number.
        let single = Dropout::new(p, 3)?
            .forward_t(&Tensor::ones((images, channels), DType::F64, &Device::Cpu)?, true)?;
        let single = single.flatten_all()?.to_vec1::<f64>()?;
        assert!(single.iter().map(|&v| v == 0.0).eq(dropped.iter().copied()));
    }
    let layer = Dropout::channels(0.5, 11)?;
    let x = [noise(&[3, 4, 2, 3], 1)?];
    gradient::check(&x, 2e-7, |t| {
        layer.set_position(5);
        weighted_sum(&layer.forward_t(&t[0], true)?)
    })?;
    // Evaluation does not advance the position, and an input with another memory order is
    // supported.
    assert_eq!(layer.position(), 6);
    assert_eq!(bits(&layer.forward_t(&x[0], false)?)?, bits(&x[0])?);
    layer.set_position(5);
    let turned = layer.forward_t(&x[0].transpose(2, 3)?, true)?;
    layer.set_position(5);
    assert_eq!(bits(&turned.transpose(2, 3)?)?, bits(&layer.forward_t(&x[0], true)?)?);
    assert_eq!(
        layer.forward_t(&Tensor::zeros((0, 4, 2), DType::F32, &Device::Cpu)?, true)?.dims(),
        [0, 4, 2]
    );
    Ok(())
}

proptest! {
    #[test]
    fn embeddings_agree(rows in 1usize..9, size in 1usize..6, shape in prop::collection::vec(0usize..4, 1..4), pad: bool) {
        let weight = Var::from_tensor(&noise(&[rows, size], 1).unwrap()).unwrap();
        let count = shape.iter().product::<usize>();
        let ids: Vec<u32> = (0..count).map(|i| (i * 7 % rows) as u32).collect();
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu).unwrap();
        let padding = pad.then_some((rows - 1) as u32);
        let results = [cpu::embedding, portable::embedding].map(|form| form(&weight, &ids, padding).unwrap());
        prop_assert_eq!(bits(&results[0]).unwrap(), bits(&results[1]).unwrap());
        prop_assert_eq!(results[0].dims(), results[1].dims());
        if count > 0 {
            let [a, b] = results.map(|y| weighted_sum(&y).unwrap().backward().unwrap().get(&weight).unwrap().clone());
            prop_assert!(difference(&a, &b).unwrap() < 1e-12);
            if pad {
                prop_assert_eq!(a.get(rows - 1).unwrap().to_vec1::<f64>().unwrap(), vec![0.0; size]);
            }
        }
    }
}

#[test]
fn embedding_gradients_are_those_of_finite_differences() -> Result<()> {
    let ids = Tensor::new(&[[3u32, 0, 3], [2, 2, 3]], &Device::Cpu)?;
    for form in [cpu::embedding, portable::embedding] {
        gradient::check(&[noise(&[5, 3], 1)?], 2e-7, |t| weighted_sum(&form(&t[0], &ids, None)?))?;
        gradient::check(&[noise(&[3, 5], 1)?], 2e-7, |t| {
            weighted_sum(&form(&t[0].t()?, &ids.t()?, None)?)
        })?;
        // Gradients that are a broadcast number, or have another memory order.
        gradient::check(&[noise(&[5, 3], 1)?], 2e-7, |t| form(&t[0], &ids, None)?.sum_all())?;
        gradient::check(&[noise(&[5, 3], 1)?], 2e-7, |t| {
            weighted_sum(&form(&t[0], &ids, None)?.transpose(0, 2)?)
        })?;
    }
    Ok(())
}

#[test]
fn a_table_is_standard_normal_but_for_its_padding_row() -> Result<()> {
    let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    let layer = Embedding::new(2000, 20, Some(3), store.var_builder())?;
    let values = layer.weight().to_vec2::<f32>()?;
    assert_eq!(values[3], [0.0; 20]);
    let n = (values.len() * 20) as f64;
    let all = || values.iter().flatten().map(|&v| f64::from(v));
    assert!(
        (all().sum::<f64>() / n).abs() < 0.03
            && (all().map(|v| v * v).sum::<f64>() / n - 1.0).abs() < 0.04
    );
    assert_eq!(store.state()["weight"].get(3)?.to_vec1::<f32>()?, [0.0; 20]);
    Ok(())
}

#[test]
fn frozen_statistics_are_used_and_left_while_training() -> Result<()> {
    let store = ParamStore::new(0, DType::F64, &Device::Cpu);
    let config = BatchNormConfig { frozen: true, ..Default::default() };
    let layer = BatchNorm2d::with_config(2, config, store.var_builder())?;
    layer.running_mean().set(&noise(&[2], 2)?)?;
    layer.running_var().set(&noise(&[2], 3)?.abs()?)?;
    let before = (layer.running_mean().copy()?, layer.running_var().copy()?);
    let x = noise(&[1, 2, 1, 1], 1)?;
    let y = layer.forward_t(&x, true)?;
    assert_eq!(bits(&y)?, bits(&layer.forward_t(&x, false)?)?);
    assert_eq!(bits(layer.running_mean())?, bits(&before.0)?);
    assert_eq!(bits(layer.running_var())?, bits(&before.1)?);
    gradient::check(&[noise(&[3, 2, 2, 2], 1)?], 2e-7, |t| {
        weighted_sum(&layer.forward_t(&t[0], true)?)
    })
}

#[test]
fn without_affine_there_is_nothing_to_train() -> Result<()> {
    let store = ParamStore::new(0, DType::F64, &Device::Cpu);
    let config = BatchNormConfig { affine: false, ..Default::default() };
    let layer = BatchNorm1d::with_config(3, config, store.var_builder().pp("bn"))?;
    assert!(store.parameters().is_empty());
    assert_eq!(store.buffers().len(), 2);
    let plain = BatchNorm1d::new(3, ParamStore::new(0, DType::F64, &Device::Cpu).var_builder())?;
    let x = noise(&[4, 3, 5], 1)?;
    assert_eq!(bits(&layer.forward_t(&x, true)?)?, bits(&plain.forward_t(&x, true)?)?);
    gradient::check(&[x], 2e-7, |t| weighted_sum(&layer.forward_t(&t[0], true)?))
}

#[test]
fn bad_input_is_named() -> Result<()> {
    let vb = || ParamStore::new(0, DType::F32, &Device::Cpu).var_builder();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu);
    let bn = |config| BatchNorm1d::with_config(3, config, vb()).map(|_| ());
    let standard = BatchNormConfig::default();
    let table = Embedding::new(5, 2, None, vb())?;
    let cases: Vec<(Result<()>, &str)> = vec![
        (Dropout::new(1.5, 0).map(|_| ()), "p = 1.5"),
        (Dropout::new(f64::NAN, 0).map(|_| ()), "p = NaN"),
        (Dropout::channels(-0.1, 0).map(|_| ()), "p = -0.1"),
        (
            Dropout::channels(0.5, 0)?.forward_t(&zeros(&[2, 3])?, true).map(|_| ()),
            "input of shape [2, 3], expected [N, C, L]",
        ),
        (bn(BatchNormConfig { eps: 0.0, ..standard }), "eps = 0"),
        (bn(BatchNormConfig { momentum: Some(1.1), ..standard }), "momentum = 1.1"),
        (
            BatchNorm1d::new(3, vb())?.forward_t(&zeros(&[2, 3, 1, 1])?, true).map(|_| ()),
            "[N, C] or [N, C, L]",
        ),
        (BatchNorm2d::new(3, vb())?.forward_t(&zeros(&[2, 3])?, true).map(|_| ()), "[N, C, H, W]"),
        (
            BatchNorm1d::new(3, vb())?.forward_t(&zeros(&[1, 3])?, true).map(|_| ()),
            "more than one value",
        ),
        (Embedding::new(5, 0, None, vb()).map(|_| ()), "5 rows of 0"),
        (Embedding::new(5, 2, Some(5), vb()).map(|_| ()), "padding_idx = 5"),
        (
            table.forward(&Tensor::new(&[1u32, 4, 5, 9], &Device::Cpu)?).map(|_| ()),
            "index 5 at position 2 of [4]",
        ),
        (table.forward(&zeros(&[2])?).map(|_| ()), "type F32"),
    ];
    for (i, (result, part)) in cases.into_iter().enumerate() {
        let message = result.expect_err(part).to_string();
        assert!(message.contains(part), "case {i}: {message}");
    }
    Ok(())
}
