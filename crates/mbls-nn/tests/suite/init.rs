//! Initial values: the spreads of PyTorch's initialisers, and values replaced after a layer is
//! built.

use crate::support::{bits, difference};
use candle_core::{DType, Device, Tensor};
use candle_nn::Init;
use candle_nn::init::{FanInOut, NonLinearity};
use mbls_nn::init::{self, TruncatedNormal};
use mbls_nn::{Conv, Conv2d, ConvConfig, ConvInit, Embedding, Linear, ParamStore, Result};
use mbls_testkit::golden;
use serde_json::Value;

fn fixture(part: &str) -> Vec<Value> {
    let all = golden::fixture("init/init.json");
    all[part].as_array().filter(|cases| !cases.is_empty()).expect(part).clone()
}

fn number(case: &Value, field: &str) -> f64 {
    case[field].as_f64().unwrap_or_else(|| panic!("{field}: {case}"))
}

fn count(case: &Value, field: &str) -> usize {
    number(case, field) as usize
}

fn sizes(case: &Value, field: &str) -> Vec<usize> {
    case[field]
        .as_array()
        .expect(field)
        .iter()
        .map(|v| v.as_u64().expect("size") as usize)
        .collect()
}

fn store() -> ParamStore {
    ParamStore::new(3, DType::F64, &Device::Cpu)
}

/// Returns the values that a layer gets for this hint.
fn hinted(name: &str, shape: &[usize], init: Init) -> Result<Tensor> {
    Ok(store().var_builder().get_with_hints(shape, name, init)?)
}

/// Returns the distribution that PyTorch passed to its generator.
fn recorded(draw: &Value) -> Init {
    let (first, second) = (number(draw, "first"), number(draw, "second"));
    match draw["draw"].as_str() {
        Some("normal") => Init::Randn { mean: first, stdev: second },
        Some("uniform") => Init::Uniform { lo: first, up: second },
        other => panic!("{other:?}"),
    }
}

/// Samples with the same seed and name differ only in scale, so equal values imply equal spreads.
fn assert_same(found: &Tensor, name: &str, expected: &Value) -> Result<()> {
    let gap = difference(found, &hinted(name, found.dims(), recorded(expected))?)?;
    // Sampled as f32.
    assert!(gap < 1e-6, "{name}: {gap}, {expected}");
    assert!(found.abs()?.sum_all()?.to_scalar::<f64>()? > 0.0);
    Ok(())
}

#[test]
fn initialisers_have_the_spread_of_pytorchs() -> Result<()> {
    for case in fixture("initialisers") {
        let shape = sizes(&case, "shape");
        let hint = match case["name"].as_str().expect("name") {
            "xavier_normal" => init::xavier_normal(&shape[..], number(&case, "gain"))?,
            "xavier_uniform" => init::xavier_uniform(&shape[..], number(&case, "gain"))?,
            kaiming => {
                let fan = if case["mode"] == "fan_in" { FanInOut::FanIn } else { FanInOut::FanOut };
                let non_linearity = match case["nonlinearity"].as_str().expect("nonlinearity") {
                    "relu" => NonLinearity::ReLU,
                    "linear" => NonLinearity::Linear,
                    "sigmoid" => NonLinearity::Sigmoid,
                    "tanh" => NonLinearity::Tanh,
                    "selu" => NonLinearity::SELU,
                    "leaky_relu" => init::leaky_relu(number(&case, "slope")),
                    other => panic!("{other}"),
                };
                let form = if kaiming == "kaiming_normal" {
                    init::kaiming_normal
                } else {
                    init::kaiming_uniform
                };
                form(fan, non_linearity)
            }
        };
        assert_same(&hinted("w", &shape, hint)?, "w", &case)?;
    }
    Ok(())
}

fn conv<const D: usize>(case: &Value, store: &ParamStore) -> Result<()> {
    let config = ConvConfig::<D> {
        stride: [1; D],
        padding: [0; D],
        dilation: [1; D],
        groups: count(case, "groups"),
        bias: true,
        init: ConvInit::TorchUniform,
    };
    let kernel = sizes(case, "kernel").try_into().expect("kernel");
    Conv::<D>::new(
        count(case, "inputs"),
        count(case, "outputs"),
        kernel,
        config,
        store.var_builder(),
    )?;
    Ok(())
}

#[test]
fn layers_start_as_pytorchs() -> Result<()> {
    for case in fixture("layers") {
        let store = store();
        let vb = store.var_builder();
        match case["layer"].as_str().expect("layer") {
            "linear" => drop(Linear::new(count(&case, "inputs"), count(&case, "outputs"), vb)?),
            "embedding" => {
                drop(Embedding::new(count(&case, "rows"), count(&case, "size"), None, vb)?);
            }
            _ if sizes(&case, "kernel").len() == 1 => conv::<1>(&case, &store)?,
            _ => conv::<2>(&case, &store)?,
        }
        let state = store.state();
        let draws = case["draws"].as_array().expect("draws");
        assert_eq!(state.len(), draws.len(), "{case}");
        for (name, draw) in ["weight", "bias"].into_iter().zip(draws) {
            assert_same(&state[name], name, draw)?;
        }
    }
    Ok(())
}

#[test]
fn truncated_normals_have_the_quantiles_of_pytorchs() -> Result<()> {
    const COUNT: usize = 100_000;
    for case in fixture("truncated") {
        let [mean, std, low, high] =
            ["mean", "std", "low", "high"].map(|field| number(&case, field));
        for dtype in [DType::F32, DType::F64] {
            let store = ParamStore::new(1, dtype, &Device::Cpu);
            let weight = store.var_builder().get(COUNT, "w")?;
            store.initialise_truncated("w", TruncatedNormal { mean, std, low, high })?;
            let values = weight.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            // Bounds that are not representable in f32 are rounded like the values.
            let (least, largest) = (f64::from(low as f32), f64::from(high as f32));
            assert!(values.iter().all(|v| (least..=largest).contains(v)), "{case}");
            let quantiles = case["quantiles"]
                .as_array()
                .expect("quantiles")
                .iter()
                .zip(case["shares"].as_array().expect("shares"));
            for (quantile, share) in quantiles {
                let (quantile, share) =
                    (quantile.as_f64().expect("number"), share.as_f64().expect("number"));
                let found = values.iter().filter(|&&v| v <= quantile).count() as f64 / COUNT as f64;
                // Five standard deviations of a binomial proportion.
                let gap = 5.0 * (share * (1.0 - share) / COUNT as f64).sqrt();
                assert!((found - share).abs() < gap, "{share}: {found} {case}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_replaced_value_is_the_requested_value() -> Result<()> {
    let store = store();
    let layer = Embedding::new(6, 4, Some(2), store.var_builder().pp("words"))?;
    let hint = init::xavier_uniform((6, 4), 2.0)?;
    store.initialise("words.weight", hint)?;
    assert_eq!(bits(layer.weight())?, bits(&hinted("words.weight", &[6, 4], hint)?)?);
    // Initialising twice has the same result as once, and other variables are unchanged.
    Linear::new(4, 3, store.var_builder().pp("fc"))?;
    let before = store.state()["fc.weight"].copy()?;
    let normal = TruncatedNormal::default();
    store.initialise_truncated("words.weight", normal)?;
    let first = bits(layer.weight())?;
    store.initialise("words.weight", Init::Const(0.5))?;
    assert_eq!(layer.weight().to_vec2::<f64>()?, vec![vec![0.5; 4]; 6]);
    store.initialise_truncated("words.weight", normal)?;
    assert_eq!(bits(layer.weight())?, first);
    assert_eq!(bits(&store.state()["fc.weight"])?, bits(&before)?);
    Ok(())
}

#[test]
fn bad_input_is_named() -> Result<()> {
    let store = store();
    store.var_builder().get((2, 3), "w")?;
    store.var_builder().get(3, "b")?;
    let relu = init::kaiming_normal(FanInOut::FanIn, NonLinearity::ReLU);
    let normal = TruncatedNormal::default();
    let gain = |gain| init::kaiming_uniform(FanInOut::FanOut, NonLinearity::ExplicitGain(gain));
    let truncated = |normal| store.initialise_truncated("w", normal);
    let cases: Vec<(Result<()>, &str)> = vec![
        (store.initialise("v", relu), "variable to initialise = v"),
        (store.initialise_truncated("v", normal), "variable to initialise = v"),
        (store.initialise("b", relu), "initial values of b: Kaiming"),
        (store.initialise("w", gain(f64::NAN)), "initial values of w: Kaiming"),
        (
            store.initialise("w", Init::Randn { mean: 0.0, stdev: -1.0 }),
            "initial values of w: Randn",
        ),
        (store.initialise("w", Init::Uniform { lo: 1.0, up: 0.0 }), "initial values of w: Uniform"),
        (
            store.initialise("w", Init::Uniform { lo: f64::NEG_INFINITY, up: 0.0 }),
            "initial values of w: Uniform",
        ),
        (store.initialise("w", Init::Const(f64::INFINITY)), "initial values of w: Const"),
        (
            init::xavier_normal(3, 1.0).map(drop).map_err(Into::into),
            "xavier: shape [3], expected at least two axes",
        ),
        (init::xavier_uniform((), 1.0).map(drop).map_err(Into::into), "xavier: shape []"),
        (truncated(TruncatedNormal { std: 0.0, ..normal }), "std: 0.0"),
        (truncated(TruncatedNormal { mean: 2.5, ..normal }), "mean: 2.5"),
        (truncated(TruncatedNormal { low: f64::NAN, ..normal }), "low: NaN"),
        (truncated(TruncatedNormal { low: 1.0, high: -1.0, ..normal }), "low: 1.0"),
    ];
    for (i, (result, part)) in cases.into_iter().enumerate() {
        let message = result.expect_err(part).to_string();
        assert!(message.contains(part), "case {i}: {message}");
    }
    // Nothing has changed.
    assert_eq!(store.state()["w"].to_vec2::<f64>()?, [[0.0; 3]; 2]);
    Ok(())
}

#[test]
fn convolutions_start_as_the_decoders_and_heads_of_others() -> Result<()> {
    let shape = [6, 2, 3, 3];
    for (init, hint) in [
        (ConvInit::KaimingUniformFanIn, init::kaiming_uniform(FanInOut::FanIn, NonLinearity::ReLU)),
        (ConvInit::XavierUniform, init::xavier_uniform(shape.as_slice(), 1.0)?),
    ] {
        let store = store();
        let config = ConvConfig { bias: true, groups: 2, init, ..ConvConfig::before_norm() };
        Conv2d::new(4, 6, [3; 2], config, store.var_builder())?;
        let values = |tensor: &Tensor| tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>();
        assert_eq!(
            values(&store.state()["weight"])?,
            values(&hinted("weight", &shape, hint)?)?,
            "{init:?}"
        );
        assert_eq!(values(&store.state()["bias"])?, [0.0; 6], "{init:?}");
    }
    Ok(())
}
