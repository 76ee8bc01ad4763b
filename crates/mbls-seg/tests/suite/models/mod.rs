//! Networks: gradients, training, shapes, names, and pretrained weights.

mod architectures;
mod gradients;
mod networks;
mod pretrained;

use candle_core::{Device, Tensor};
use mbls_data::Seed;
use mbls_nn::ConvInit;
use mbls_seg::model::{
    AsppConfig, DeepLabV3Config, DeepLabV3PlusConfig, Network, Origin, UNetConfig,
};
use mbls_vision::model::{Block, ResNetConfig, StageDilation, Stem};

/// Returns pseudo-random values in (-1, 1).
fn noise(shape: &[usize], seed: u64) -> Tensor {
    use rand::RngExt;
    let mut rng = Seed(seed).rng();
    let values: Vec<f64> =
        (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Returns an encoder of two stages with one block each and few channels; the second is dilated.
fn tiny_encoder(block: Block, dilation: StageDilation) -> ResNetConfig {
    let config = ResNetConfig::torchvision(18, 0).expect("a known depth");
    ResNetConfig {
        stem: Stem::Large,
        stem_width: 2,
        block,
        stages: vec![1, 1],
        width: 1,
        dilation: vec![StageDilation::Stride, dilation],
        init: ConvInit::TorchUniform,
        in_channels: 1,
        ..config
    }
}

/// Returns a network of every kind that is small enough to check all gradients.
fn tiny_networks() -> Vec<Network> {
    let aspp = |separable| AsppConfig { channels: 2, rates: vec![1, 2], separable };
    let deeplab = |origin, block, dilation, auxiliary| {
        let encoder = tiny_encoder(block, dilation);
        Network::DeepLabV3(DeepLabV3Config {
            encoder,
            aspp: aspp(false),
            origin,
            auxiliary,
            classes: 2,
        })
    };
    let (basic, bottleneck) = (Block::Basic, Block::Bottleneck);
    let stride = tiny_encoder(basic, StageDilation::Stride);
    vec![
        deeplab(Origin::Smp, basic, StageDilation::Throughout, false),
        deeplab(Origin::Torchvision, bottleneck, StageDilation::AfterFirst, true),
        Network::DeepLabV3Plus(DeepLabV3PlusConfig {
            encoder: stride.clone(),
            aspp: aspp(true),
            low_level: 1,
            classes: 2,
        }),
        Network::UNet(UNetConfig { encoder: stride, decoder: vec![3, 2, 2], classes: 2 }),
    ]
}
