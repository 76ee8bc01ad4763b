//! Values, gradients and indices computed by PyTorch.

use crate::support::{cpu, difference, portable};
use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{BatchNorm, BatchNormConfig, Checkpoint, Fit, ParamStore, PoolSize};
use mbls_testkit::golden;
use serde_json::Value;

fn cases(kinds: &[&str]) -> Vec<Value> {
    let all = golden::fixture("nn-layers/layers.json");
    let all = all["cases"].as_array().expect("cases");
    let chosen: Vec<Value> =
        all.iter().filter(|c| kinds.contains(&c["kind"].as_str().unwrap())).cloned().collect();
    assert!(!chosen.is_empty(), "{kinds:?}");
    chosen
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().expect("numbers").iter().map(|v| v.as_f64().expect("number")).collect()
}

fn sizes<const D: usize>(v: &Value) -> [usize; D] {
    let sizes: Vec<usize> = numbers(v).into_iter().map(|v| v as usize).collect();
    sizes.try_into().expect("sizes")
}

fn tensor(case: &Value, values: &str, shape: &str) -> Result<Tensor> {
    let shape: Vec<usize> = numbers(&case[shape]).into_iter().map(|v| v as usize).collect();
    Tensor::from_vec(numbers(&case[values]), shape, &Device::Cpu)
}

/// Compares one implementation with the values of a case.
fn check(case: &Value, f: impl Fn(&Tensor) -> Result<(Tensor, Option<Tensor>)>) -> Result<()> {
    let x = Var::from_tensor(&tensor(case, "x", "shape")?)?;
    let (y, indices) = f(&x)?;
    let expected = tensor(case, "y", "out_shape")?;
    let weights = Tensor::from_vec(
        (0..y.elem_count()).map(|i| (i as f64).cos()).collect(),
        y.shape(),
        &Device::Cpu,
    )?;
    let gradients = (&y * weights)?.sum_all()?.backward()?;
    let gap = difference(&y, &expected)?;
    assert!(gap < 1e-12, "value {gap}: {case}");
    let gap =
        difference(gradients.get(&x).expect("gradient"), &tensor(case, "gradient", "shape")?)?;
    assert!(gap < 1e-11, "gradient {gap}: {case}");
    if let Some(indices) = indices {
        let found = indices.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        assert_eq!(found, numbers(&case["indices"]), "indices: {case}");
    }
    Ok(())
}

fn check_axes<const D: usize>(case: &Value) -> Result<()> {
    let size = || PoolSize::<D> {
        kernel: sizes(&case["kernel"]),
        stride: sizes(&case["stride"]),
        padding: sizes(&case["padding"]),
        ceil_mode: case["ceil_mode"].as_bool().expect("flag"),
    };
    let output = || sizes::<D>(&case["output"]);
    let flag = |name: &str| case[name].as_bool().expect("flag");
    let both = |(y, indices)| (y, Some(indices));
    let alone = |y| (y, None);
    match case["kind"].as_str().expect("kind") {
        "max" => {
            check(case, |x| cpu::max_pool_with_indices(x, &size()).map(both))?;
            check(case, |x| cpu::max_pool(x, &size()).map(alone))?;
            check(case, |x| portable::max_pool_with_indices(x, &size()).map(both))
        }
        "avg" => {
            let count = flag("count_include_pad");
            check(case, |x| cpu::avg_pool(x, &size(), count).map(alone))?;
            check(case, |x| portable::avg_pool(x, &size(), count).map(alone))
        }
        "adaptive_max" => {
            check(case, |x| cpu::adaptive_max_pool_with_indices(x, output()).map(both))?;
            check(case, |x| portable::adaptive_max_pool_with_indices(x, output()).map(both))
        }
        "adaptive_avg" => {
            check(case, |x| cpu::adaptive_avg_pool(x, output()).map(alone))?;
            check(case, |x| portable::adaptive_avg_pool(x, output()).map(alone))
        }
        "bilinear" => {
            let (output, align) = (sizes(&case["output"]), flag("align_corners"));
            check(case, |x| cpu::bilinear2d(x, output, align).map(alone))?;
            check(case, |x| portable::bilinear2d(x, output, align).map(alone))
        }
        "nearest" => {
            let output = sizes(&case["output"]);
            check(case, |x| cpu::nearest2d(x, output).map(alone))?;
            check(case, |x| portable::nearest2d(x, output).map(alone))
        }
        other => panic!("{other}"),
    }
}

#[test]
fn pools_and_resampling_agree_with_pytorch() -> Result<()> {
    for case in cases(&["max", "avg", "adaptive_max", "adaptive_avg", "bilinear", "nearest"]) {
        match case["shape"].as_array().expect("shape").len() {
            3 => check_axes::<1>(&case)?,
            _ => check_axes::<2>(&case)?,
        }
    }
    Ok(())
}

fn check_batch_norm<const D: usize>(case: &Value) -> Result<()> {
    let vector = |name: &str| Tensor::new(numbers(&case[name]), &Device::Cpu);
    let (weight, bias) = (vector("weight")?, vector("bias")?);
    let number = |name: &str| case[name].as_f64().expect("number");
    for form in [cpu::batch_norm_train, portable::batch_norm_train] {
        check(case, |x| Ok((form(x, &weight, &bias, number("eps"))?.output, None)))?;
    }
    let tensors = [
        ("weight".to_string(), weight.clone()),
        ("bias".to_string(), bias),
        ("running_mean".to_string(), weight.zeros_like()?),
        ("running_var".to_string(), weight.ones_like()?),
    ];
    let vb = VarBuilder::from_tensors(tensors.into(), DType::F64, &Device::Cpu);
    let config = BatchNormConfig {
        eps: number("eps"),
        momentum: case["momentum"].as_f64(),
        ..Default::default()
    };
    let layer = BatchNorm::<D>::with_config(weight.elem_count(), config, vb)?;
    check(case, |x| {
        let y = layer.forward_t(x, true)?;
        assert!(difference(layer.running_mean(), &vector("running_mean")?)? < 1e-12, "{case}");
        assert!(difference(layer.running_var(), &vector("running_var")?)? < 1e-12, "{case}");
        Ok((y, None))
    })
}

#[test]
fn batch_norm_agrees_with_pytorch() -> Result<()> {
    for case in cases(&["batch_norm"]) {
        match case["shape"].as_array().expect("shape").len() {
            4 => check_batch_norm::<2>(&case)?,
            _ => check_batch_norm::<1>(&case)?,
        }
    }
    Ok(())
}

fn check_cumulative<const D: usize>(case: &Value) -> Result<()> {
    for (dtype, bound) in [(DType::F64, 1e-12), (DType::F32, 1e-5), (DType::BF16, 3e-2)] {
        let config = BatchNormConfig { momentum: None, ..Default::default() };
        let stores = [0, 1].map(|seed| ParamStore::new(seed, dtype, &Device::Cpu));
        let [plain, rectified] = stores
            .each_ref()
            .map(|store| BatchNorm::<D>::with_config(3, config, store.var_builder()));
        let (plain, rectified) = (plain?, rectified?);
        let shape: Vec<usize> = numbers(&case["shape"]).into_iter().map(|v| v as usize).collect();
        let tensor = |values: &Value| {
            Tensor::from_vec(numbers(values), &shape[..], &Device::Cpu)?.to_dtype(dtype)
        };
        for step in case["steps"].as_array().expect("steps") {
            let (x, y) = (tensor(&step["x"])?, tensor(&step["y"])?);
            assert!(difference(&plain.forward_t(&x, true)?, &y)? < bound, "{dtype:?} {case}");
            assert!(
                difference(&rectified.forward_relu(&x, None, true)?, &y.relu()?)? < bound,
                "{dtype:?} {case}"
            );
            for store in &stores {
                let buffers = store.buffers();
                assert_eq!(buffers.len(), 3);
                for (name, found) in buffers {
                    let expected =
                        Tensor::from_vec(numbers(&step[&name]), found.shape(), &Device::Cpu)?;
                    let bound = if name == "num_batches_tracked" { 0.0 } else { bound };
                    assert!(
                        difference(&found, &expected)? <= bound,
                        "{dtype:?} {name} {found} {case}"
                    );
                }
            }
        }
        let last = tensor(&case["steps"][3]["x"])?;
        assert!(difference(&plain.forward_t(&last, false)?, &tensor(&case["evaluated"])?)? < bound);
        let seen = plain.num_batches_tracked().expect("counted").to_scalar::<i64>()?;
        assert_eq!(seen, 4, "evaluation counts nothing");
        // The count is part of the saved state: a network restored from a file continues like the
        // saved one.
        let resumed = ParamStore::new(2, dtype, &Device::Cpu);
        let layer = BatchNorm::<D>::with_config(3, config, resumed.var_builder())?;
        let bytes = stores[0].to_safetensors().map_err(candle_core::Error::wrap)?;
        let saved = Checkpoint::from_bytes(bytes).map_err(candle_core::Error::wrap)?;
        resumed.load(&saved, Fit::Strict).map_err(candle_core::Error::wrap)?;
        layer.forward_t(&last, true)?;
        plain.forward_t(&last, true)?;
        assert_eq!(difference(layer.running_mean(), plain.running_mean())?, 0.0);
        assert_eq!(layer.num_batches_tracked().expect("counted").to_scalar::<i64>()?, 5);
    }
    Ok(())
}

#[test]
fn running_statistics_without_a_momentum_agree_with_pytorch() -> Result<()> {
    for case in cases(&["batch_norm_cumulative"]) {
        match case["shape"].as_array().expect("shape").len() {
            4 => check_cumulative::<2>(&case)?,
            _ => check_cumulative::<1>(&case)?,
        }
    }
    Ok(())
}

#[test]
fn a_count_that_cannot_be_is_named_and_frozen_layers_count_nothing() -> Result<()> {
    let frozen = BatchNormConfig { momentum: None, frozen: true, ..Default::default() };
    let counted = BatchNormConfig { frozen: false, ..frozen };
    let vb = |count: i64| -> Result<VarBuilder> {
        let ones = Tensor::ones(2, DType::F64, &Device::Cpu)?;
        let names = ["weight", "bias", "running_mean", "running_var"]
            .map(|name| (name.to_owned(), ones.clone()));
        let count = ("num_batches_tracked".to_owned(), Tensor::new(count, &Device::Cpu)?);
        Ok(VarBuilder::from_tensors(
            names.into_iter().chain([count]).collect(),
            DType::F64,
            &Device::Cpu,
        ))
    };
    let x = Tensor::arange(0f64, 4.0, &Device::Cpu)?.reshape((2, 2))?;
    let layer = BatchNorm::<1>::with_config(2, counted, vb(-1)?)?;
    let message = layer.forward_t(&x, true).unwrap_err().to_string();
    assert!(message.contains("num_batches_tracked = -1, expected at least 0"), "{message}");
    let layer = BatchNorm::<1>::with_config(2, frozen, vb(7)?)?;
    layer.forward_t(&x, true)?;
    assert_eq!(layer.num_batches_tracked().expect("counted").to_scalar::<i64>()?, 7);
    Ok(())
}
