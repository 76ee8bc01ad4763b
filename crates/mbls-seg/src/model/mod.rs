//! Segmentation networks.
//!
//! Every network is built from a [`VarBuilder`](candle_nn::VarBuilder) and implements
//! [`ModuleT`](candle_nn::ModuleT): it maps images `[N, C, H, W]` to logits `[N, classes, H, W]`.
//! The encoders are the residual networks of `mbls-vision`. [`Architecture`] selects networks by
//! name; [`Network`] builds them and loads pretrained weights.

mod architecture;
mod aspp;
mod block;
mod classifier;
mod deeplabv3;
mod deeplabv3_plus;
mod origin;
mod unet;

pub use architecture::{Architecture, Family, Network, Options};
pub use aspp::AsppConfig;
pub use deeplabv3::{DeepLabV3, DeepLabV3Config};
pub use deeplabv3_plus::{DeepLabV3Plus, DeepLabV3PlusConfig};
pub use origin::Origin;
pub use unet::{UNet, UNetConfig};

use candle_core::{Result, Tensor};
use mbls_nn::Error;
use mbls_vision::model::{ResNetConfig, StageDilation};

/// Dropout probability of the spatial pyramid in the original implementations.
pub const DROPOUT: f64 = 0.5;

/// Largest size of a layer. It is large enough for every network and keeps sums and products of
/// sizes from overflowing.
const WIDEST: usize = 1 << 16;

fn check_size(network: &'static str, field: &'static str, value: usize) -> mbls_nn::Result<()> {
    if !(1..=WIDEST).contains(&value) {
        return Err(Error::network(network, field, value, format_args!("1 to {WIDEST}")));
    }
    Ok(())
}

/// Replaces the strides of the last stages by dilation, so the encoder has the given output stride.
fn dilate(
    network: &'static str,
    encoder: &mut ResNetConfig,
    output_stride: usize,
    how: StageDilation,
) -> mbls_nn::Result<()> {
    let halved = match output_stride {
        8 => 2,
        16 => 3,
        _ => return Err(Error::network(network, "output_stride", output_stride, "8 or 16")),
    };
    let stage = |i| if i < halved { StageDilation::Stride } else { how };
    encoder.dilation = (0..encoder.stages.len()).map(stage).collect();
    Ok(())
}

/// Returns the height and width of a tensor `[N, C, H, W]`.
fn size_of(x: &Tensor) -> Result<[usize; 2]> {
    let (_, _, height, width) = x.dims4()?;
    Ok([height, width])
}
