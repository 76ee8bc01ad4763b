//! Networks for image classification.
//!
//! Every network takes a [`VarBuilder`] and implements [`ModuleT`](candle_nn::ModuleT): images
//! `[N, C, H, W]` in, logits `[N, classes]` out.

mod cifar_resnet;
mod small_cnn;

pub use cifar_resnet::{CifarResNet, CifarResNetConfig, Shortcut};
pub use small_cnn::{SmallCnn, SmallCnnConfig};

use candle_core::Result;
use candle_nn::VarBuilder;
use mbls_nn::{Conv2d, Conv2dConfig};

/// A 3x3 convolution that keeps the size up to its stride, without bias: batch norm follows.
fn conv3x3(inputs: usize, outputs: usize, stride: usize, vb: VarBuilder) -> Result<Conv2d> {
    Conv2d::new(
        inputs,
        outputs,
        [3, 3],
        Conv2dConfig { stride: [stride; 2], padding: [1, 1], ..Conv2dConfig::default() },
        vb,
    )
}
