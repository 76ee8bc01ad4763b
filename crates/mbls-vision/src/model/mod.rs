//! Networks for image classification.
//!
//! Every network is built from a [`VarBuilder`](candle_nn::VarBuilder) and implements
//! [`ModuleT`](candle_nn::ModuleT): images `[N, C, H, W]` in, logits `[N, classes]` out.
//! [`Architecture`] creates networks by name; [`pretrained`] loads pretrained weights.

mod architecture;
mod block;
mod cifar_resnet;
mod conv_norm;
mod densenet;
pub mod pretrained;
mod resnet;
mod resnet_config;
mod small_cnn;

pub use architecture::{Architecture, Network, Options};
pub use block::{Block, Shortcut};
pub use cifar_resnet::{CifarResNet, CifarResNetConfig};
pub use conv_norm::ConvNorm;
pub use densenet::{DenseNet, DenseNetConfig};
pub use resnet::{ResNet, ResNetEncoder};
pub use resnet_config::{ResNetConfig, StageDilation, Stem};
pub use small_cnn::{SmallCnn, SmallCnnConfig};

use candle_core::{Result, Tensor, bail};

/// Checks that the images have the given number of channels and at least `smallest` rows and
/// columns.
fn check_images(network: &str, images: &Tensor, channels: usize, smallest: usize) -> Result<()> {
    let fits = match images.dims() {
        &[_, found, height, width] => found == channels && height.min(width) >= smallest,
        _ => false,
    };
    if !fits {
        let found = images.dims();
        bail!(
            "{network}: images of shape {found:?}, expected [N, {channels}, H, W] with H and W at least {smallest}"
        );
    }
    Ok(())
}
