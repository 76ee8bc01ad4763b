//! The network that a name in the golden files means.

use candle_core::{DType, Device, Result, Tensor};
use mbls_vision::model::{DenseNetConfig, Network, ResNetConfig};
use serde_json::Value;

/// Networks for other tasks, which other crates have.
const OTHERS: [&str; 3] = ["ng_model", "smp", "gpcnn"];

/// The name and shape of every tensor of a state, in order, with its type.
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: String,
}

/// Reads a list of `[name, shape, dtype]`.
pub(crate) fn keys(list: &Value) -> Vec<Key> {
    let size = |size: &Value| size.as_u64().expect("a size") as usize;
    let one = |key: &Value| Key {
        name: key[0].as_str().expect("a name").to_owned(),
        shape: key[1].as_array().expect("a shape").iter().map(size).collect(),
        dtype: key[2].as_str().expect("a type").to_owned(),
    };
    list.as_array().expect("a list of keys").iter().map(one).collect()
}

/// The shape of the network called `name`; `None`, said aloud, for those of other tasks.
pub(crate) fn network(name: &str, classes: usize) -> Option<Network> {
    if OTHERS.iter().any(|other| name.starts_with(other)) {
        eprintln!("SKIPPED {name}: no image classification");
        return None;
    }
    let numbers = numbers(name);
    let resnet = |config: candle_core::Result<ResNetConfig>| Network::ResNet(config.expect(name));
    let (family, member) = name.split_once('.').unwrap_or(("", name));
    Some(match (family, &numbers[..]) {
        ("resnet_cifar", &[depth]) => resnet(ResNetConfig::cifar(depth, classes)),
        ("resnet_tiny_imagenet", &[depth]) => resnet(ResNetConfig::tiny_imagenet(depth, classes)),
        ("resnet", &[depth]) => resnet(ResNetConfig::torchvision(depth, classes)),
        ("resnet", &[depth, factor]) if member.starts_with("wide") => {
            resnet(ResNetConfig::wide(depth, factor, classes))
        }
        ("resnet", &[depth, groups, width]) => resnet(ResNetConfig::resnext(depth, groups, width, classes)),
        ("wide_resnet", &[depth, width]) => resnet(ResNetConfig::wide_cifar(depth, width, classes)),
        ("densenet", &[depth]) => Network::DenseNet(DenseNetConfig::cifar(depth, classes).expect(name)),
        ("", &[depth, width]) if name.starts_with("wrn_") => resnet(ResNetConfig::wide_cifar(depth, width, classes)),
        ("", [blocks @ .., growth]) if name.starts_with("densenet_") => {
            // One digit for each block, or numbers apart.
            let digits = |number: &usize| number.to_string().bytes().map(|b| (b - b'0') as usize).collect::<Vec<_>>();
            let blocks = if let [all] = blocks { digits(all) } else { blocks.to_vec() };
            Network::DenseNet(DenseNetConfig { growth: *growth, blocks, in_channels: 3, classes })
        }
        _ => panic!("{name}: a network that is not known here"),
    })
}

/// All numbers in a text.
fn numbers(text: &str) -> Vec<usize> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// The number of classes: the rows of the last tensor.
pub(crate) fn classes(keys: &[Key]) -> usize {
    keys.last().expect("a key").shape[0]
}

/// The largest difference, of tensors on any device.
pub(crate) fn gap(a: &Tensor, b: &Tensor) -> Result<f64> {
    assert_eq!(a.dims(), b.dims());
    let wide = |t: &Tensor| t.to_device(&Device::Cpu)?.to_dtype(DType::F64);
    (wide(a)? - wide(b)?)?.abs()?.max_all()?.to_scalar()
}
