//! Compares the gradients of tiny networks, one for each type of block, with finite differences in
//! f64.

use super::noise;
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::ParamStore;
use mbls_testkit::gradient;
use mbls_vision::model::{
    Block, CifarResNet, CifarResNetConfig, DenseNet, DenseNetConfig, ResNet, ResNetConfig,
    Shortcut, SmallCnn, SmallCnnConfig, StageDilation, Stem,
};

/// Compares every parameter's gradient with finite differences, in train mode.
fn check_gradients(
    store: &ParamStore,
    images: &Tensor,
    network: impl Fn(VarBuilder) -> Result<Box<dyn ModuleT>>,
) -> Result<()> {
    network(store.var_builder())?;
    gradient::check_network(&store.parameters(), &store.buffers(), images, network)
}

#[test]
fn gradients_of_a_tiny_small_cnn_are_right() -> Result<()> {
    let config = |pool_first, size| SmallCnnConfig {
        input: [2, size, size],
        classes: 3,
        channels: [2, 3, 2],
        pool_first,
    };
    for (pool_first, size) in [(false, 4), (true, 6)] {
        let store = ParamStore::new(3, DType::F64, &Device::Cpu);
        let images = noise(&[3, 2, size, size], 4);
        check_gradients(&store, &images, |vb| {
            Ok(Box::new(SmallCnn::new(config(pool_first, size), vb)?))
        })?;
    }
    Ok(())
}

#[test]
fn gradients_of_a_tiny_cifar_resnet_are_right() -> Result<()> {
    for shortcut in [Shortcut::Identity, Shortcut::Projection] {
        let config =
            CifarResNetConfig { blocks: 1, classes: 3, in_channels: 2, width: 1, shortcut };
        let store = ParamStore::new(3, DType::F64, &Device::Cpu);
        let images = noise(&[3, 2, 5, 6], 4);
        check_gradients(&store, &images, |vb| Ok(Box::new(CifarResNet::new(config.clone(), vb)?)))?;
    }
    Ok(())
}

/// Two stages of one block each, with a single channel if the block allows it.
fn tiny(block: Block) -> ResNetConfig {
    let stages = vec![1, 1];
    let config = ResNetConfig::torchvision(18, 2).expect("a known depth");
    ResNetConfig {
        stem: Stem::Small,
        stem_width: 2,
        block,
        stages,
        width: 2,
        in_channels: 1,
        ..config
    }
}

fn check_resnet(config: ResNetConfig, size: [usize; 2]) -> Result<()> {
    let store = ParamStore::new(3, DType::F64, &Device::Cpu);
    let images = noise(&[2, config.in_channels, size[0], size[1]], 4);
    check_gradients(&store, &images, |vb| Ok(Box::new(ResNet::new(config.clone(), vb)?)))
}

#[test]
fn gradients_of_basic_blocks_are_right() -> Result<()> {
    for shortcut in [Shortcut::Projection, Shortcut::Downsample] {
        check_resnet(ResNetConfig { shortcut, ..tiny(Block::Basic) }, [5, 4])?;
    }
    // Wide: the first stage widens without halving.
    check_resnet(ResNetConfig { stem_width: 1, ..tiny(Block::Basic) }, [4, 5])
}

#[test]
fn gradients_of_bottlenecks_are_right() -> Result<()> {
    let config = ResNetConfig { width: 1, pool: 2, ..tiny(Block::Bottleneck) };
    check_resnet(config.clone(), [5, 4])?;
    // Wide: the 3x3 convolution has twice the channels.
    check_resnet(ResNetConfig { width_per_group: 128, ..config }, [4, 4])
}

#[test]
fn gradients_of_grouped_bottlenecks_are_right() -> Result<()> {
    check_resnet(
        ResNetConfig { width: 2, groups: 2, width_per_group: 32, ..tiny(Block::Bottleneck) },
        [4, 5],
    )
}

#[test]
fn gradients_of_dilated_blocks_are_right() -> Result<()> {
    for dilation in [StageDilation::AfterFirst, StageDilation::Throughout] {
        for (block, width) in [(Block::Basic, 2), (Block::Bottleneck, 1)] {
            let config = ResNetConfig {
                width,
                dilation: vec![StageDilation::Stride, dilation],
                ..tiny(block)
            };
            check_resnet(ResNetConfig { stages: vec![1, 2], ..config }, [5, 4])?;
        }
    }
    Ok(())
}

#[test]
fn gradients_of_the_large_stem_are_right() -> Result<()> {
    check_resnet(ResNetConfig { stem: Stem::Large, ..tiny(Block::Basic) }, [9, 12])
}

#[test]
fn gradients_of_dense_blocks_are_right() -> Result<()> {
    let config = DenseNetConfig { growth: 1, blocks: vec![2, 1], in_channels: 2, classes: 3 };
    let store = ParamStore::new(3, DType::F64, &Device::Cpu);
    check_gradients(&store, &noise(&[2, 2, 4, 5], 4), |vb| {
        Ok(Box::new(DenseNet::new(config.clone(), vb)?))
    })
}
