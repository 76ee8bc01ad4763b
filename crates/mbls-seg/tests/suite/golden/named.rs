//! Builds the networks that golden files refer to by name.

use candle_core::{Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_seg::model::{
    DeepLabV3, DeepLabV3Config, DeepLabV3PlusConfig, Network, Options, Origin, UNetConfig,
};
use mbls_testkit::golden;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Returns the golden directory, and the directory of networks that it lacks.
pub(crate) fn directories() -> [PathBuf; 2] {
    [golden::directory(), Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/segmentation")]
}

/// Returns the configuration of the network called `name`, such as `smp0.6.0.DeepLabV3_resnet50`,
/// with `options`. For networks of other tasks it prints a message and returns `None`.
pub(crate) fn network(name: &str, classes: usize, options: &Value) -> Option<Network> {
    let Some((origin, member)) =
        name.rsplit_once('.').filter(|(origin, _)| origin.contains(['0', '1', '2']))
    else {
        eprintln!("SKIPPED {name}: not a segmentation network");
        return None;
    };
    let origin = match origin {
        _ if origin.starts_with("torchvision") => Origin::Torchvision,
        "smp0.2.1" => Origin::SmpSequential,
        _ if origin.starts_with("smp") => Origin::Smp,
        _ => panic!("{name}: an origin that is not known here"),
    };
    let mut parts = member.split('_');
    let family = parts.next().expect("a family");
    let depth = parts
        .next()
        .and_then(|encoder| encoder.strip_prefix("resnet"))
        .and_then(|depth| depth.parse().ok());
    let depth: usize = depth.unwrap_or_else(|| panic!("{name}: an encoder that is not known here"));
    let stride = options["output_stride"].as_u64().map(|stride| stride as usize);
    let rates = options.get("rates").map(golden::sizes);
    Some(match family {
        "DeepLabV3" => {
            let mut config = DeepLabV3Config::new(origin, depth, classes).expect(name);
            config = config.with_output_stride(stride.unwrap_or(8)).expect(name);
            config.aspp.rates = rates.unwrap_or(config.aspp.rates);
            config.auxiliary = has_auxiliary(options);
            Network::DeepLabV3(config)
        }
        "DeepLabV3Plus" => {
            let mut config = DeepLabV3PlusConfig::new(depth, classes).expect(name);
            config = config.with_output_stride(stride.unwrap_or(16)).expect(name);
            config.aspp.rates = rates.unwrap_or(config.aspp.rates);
            Network::DeepLabV3Plus(config)
        }
        "Unet" => Network::UNet(UNetConfig::new(depth, classes).expect(name)),
        _ => panic!("{name}: a network that is not known here"),
    })
}

/// Returns whether there is an auxiliary classifier. Its logits follow those of the first one.
pub(crate) fn has_auxiliary(options: &Value) -> bool {
    options["auxiliary"] == true
}

/// Builds the network. With two classifiers it returns the logits of both.
pub(crate) fn build(network: Network, vb: VarBuilder) -> Result<Box<dyn ModuleT + Send + Sync>> {
    match network {
        Network::DeepLabV3(config) if config.auxiliary => {
            Ok(Box::new(Both(DeepLabV3::new(config, vb)?)))
        }
        other => Ok(other.build(Options::default(), vb)?),
    }
}

struct Both(DeepLabV3);

impl ModuleT for Both {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        Tensor::cat(&self.0.forward_with_auxiliary(images, train)?, 1)
    }
}
