//! Compares the features of stages, with stride or dilation, with those of torchvision's networks
//! (fixtures/resnet-features).

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ModuleT;
use mbls_nn::ParamStore;
use mbls_testkit::golden;
use mbls_testkit::procedural::{Procedural, input};
use mbls_vision::model::{Block, ResNetConfig, ResNetEncoder, StageDilation};
use serde_json::Value;

fn sizes(value: &Value) -> Vec<usize> {
    value
        .as_array()
        .expect("sizes")
        .iter()
        .map(|size| size.as_u64().expect("a size") as usize)
        .collect()
}

fn config(case: &Value) -> Result<ResNetConfig> {
    let block = if case["block"] == "basic" { Block::Basic } else { Block::Bottleneck };
    let dilation = |name: &Value| match name.as_str() {
        Some("stride") => StageDilation::Stride,
        Some("after-first") => StageDilation::AfterFirst,
        Some("throughout") => StageDilation::Throughout,
        _ => panic!("{name}"),
    };
    let or =
        |name: &str, default: usize| case[name].as_u64().map_or(default, |value| value as usize);
    Ok(ResNetConfig {
        block,
        stages: sizes(&case["stages"]),
        dilation: case["dilation"].as_array().expect("stages").iter().map(dilation).collect(),
        groups: or("groups", 1),
        width_per_group: or("width_per_group", 64),
        ..ResNetConfig::torchvision(50, 1)?
    })
}

/// Returns the sum, the Euclidean norm, and the sum of value k times cos(0.37 k).
fn summary(tensor: &Tensor) -> Result<[f64; 3]> {
    let values = tensor.flatten_all()?.to_vec1::<f64>()?;
    let dot = values.iter().enumerate().map(|(k, v)| v * (0.37 * k as f64).cos()).sum();
    Ok([values.iter().sum(), values.iter().map(|v| v * v).sum::<f64>().sqrt(), dot])
}

#[test]
fn features_are_torchvisions() -> Result<()> {
    let file = golden::fixture("resnet-features/features.json");
    let cases = file["cases"].as_array().expect("cases");
    assert!(!cases.is_empty());
    for case in cases {
        let config = config(case)?;
        let weights = Procedural::new(case["salt"].as_str().expect("a salt"));
        let encoder = ResNetEncoder::new(&config, weights.var_builder(DType::F64))?;
        let images = input(case["salt"].as_str().expect("a salt"), &sizes(&case["input_shape"]))?
            .to_dtype(DType::F64)?;
        for mode in ["eval", "train"] {
            let features = encoder.features(&images, mode == "train")?;
            let expected = case[mode].as_array().expect("features");
            assert_eq!(features.len(), expected.len());
            for (i, (feature, expected)) in features.iter().zip(expected).enumerate() {
                let place = format!("{config:?}: {mode}, feature {i}");
                assert_eq!(feature.dims(), sizes(&expected["shape"]), "{place}");
                assert_eq!(feature.dims()[1], encoder.channels()[i], "{place}");
                assert_eq!(
                    feature.dims()[2],
                    images.dims()[2].div_ceil(encoder.reductions()[i]),
                    "{place}"
                );
                let number = |name: &str| expected[name].as_f64().expect("a number");
                let (found, scale) = (summary(feature)?, number("norm"));
                for (name, found) in ["sum", "norm", "dot"].into_iter().zip(found) {
                    let gap = (found - number(name)).abs() / scale;
                    assert!(gap < 1e-10, "{place}: {name} {found}, expected {}", number(name));
                }
            }
            if mode == "eval" {
                let last = encoder.forward_t(&images, false)?;
                assert_eq!(summary(&last)?, summary(features.last().expect("a feature"))?);
            }
        }
    }
    Ok(())
}

#[test]
fn features_of_other_channels_are_refused() -> Result<()> {
    let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    let encoder = ResNetEncoder::new(&ResNetConfig::torchvision(18, 0)?, store.var_builder())?;
    let error = encoder
        .features(&Tensor::zeros((1, 4, 32, 32), DType::F32, &Device::Cpu)?, false)
        .unwrap_err();
    let expected = "images of shape [1, 4, 32, 32], expected [N, 3, H, W] with H and W at least 1";
    assert!(error.to_string().contains(expected), "{error}");
    assert!(store.names().iter().all(|name| !name.starts_with("fc")));
    Ok(())
}
