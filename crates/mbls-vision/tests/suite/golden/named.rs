//! Maps names in the golden files to networks.

use mbls_testkit::golden::Key;
use mbls_vision::model::{DenseNetConfig, Network, ResNetConfig};

/// Networks for other tasks, which are in other crates.
const OTHERS: [&str; 3] = ["ng_model", "smp", "gpcnn"];

/// Returns the shape of the network called `name`; `None`, with a message, for those of other
/// tasks.
pub(crate) fn network(name: &str, classes: usize) -> Option<Network> {
    if OTHERS.iter().any(|other| name.starts_with(other)) {
        eprintln!("SKIPPED {name}: no image classification");
        return None;
    }
    let numbers = numbers(name);
    let resnet = |config: mbls_nn::Result<ResNetConfig>| Network::ResNet(config.expect(name));
    let (family, member) = name.split_once('.').unwrap_or(("", name));
    Some(match (family, &numbers[..]) {
        ("resnet_cifar", &[depth]) => resnet(ResNetConfig::cifar(depth, classes)),
        ("resnet_tiny_imagenet", &[depth]) => resnet(ResNetConfig::tiny_imagenet(depth, classes)),
        ("resnet", &[depth]) => resnet(ResNetConfig::torchvision(depth, classes)),
        ("resnet", &[depth, factor]) if member.starts_with("wide") => {
            resnet(ResNetConfig::wide(depth, factor, classes))
        }
        ("resnet", &[depth, groups, width]) => {
            resnet(ResNetConfig::resnext(depth, groups, width, classes))
        }
        ("wide_resnet", &[depth, width]) => resnet(ResNetConfig::wide_cifar(depth, width, classes)),
        ("densenet", &[depth]) => {
            Network::DenseNet(DenseNetConfig::cifar(depth, classes).expect(name))
        }
        ("", &[depth, width]) if name.starts_with("wrn_") => {
            resnet(ResNetConfig::wide_cifar(depth, width, classes))
        }
        ("", [blocks @ .., growth]) if name.starts_with("densenet_") => {
            // One digit for each block, or separate numbers.
            let digits = |number: &usize| {
                number.to_string().bytes().map(|b| (b - b'0') as usize).collect::<Vec<_>>()
            };
            let blocks = if let [all] = blocks { digits(all) } else { blocks.to_vec() };
            Network::DenseNet(DenseNetConfig { growth: *growth, blocks, in_channels: 3, classes })
        }
        _ => panic!("{name}: a network that is not known here"),
    })
}

/// Returns all numbers in a text.
fn numbers(text: &str) -> Vec<usize> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Returns the number of classes: the rows of the last tensor.
pub(crate) fn classes(keys: &[Key]) -> usize {
    keys.last().expect("a key").shape[0]
}
