//! From features to the logits of every pixel.

use super::size_of;
use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;
use mbls_nn::{Bilinear2d, Conv2d, ConvConfig, ConvInit};

/// A convolution with bias, whose result is brought to the size of the image by bilinear
/// interpolation.
#[derive(Clone, Debug)]
pub(super) struct Classifier {
    conv: Conv2d,
    align_corners: bool,
}

impl Classifier {
    /// `channels` are those of the features and the classes; `kernel` is one odd side.
    pub(super) fn new(
        channels: [usize; 2],
        kernel: usize,
        init: ConvInit,
        align_corners: bool,
        vb: VarBuilder,
    ) -> Result<Self> {
        let [features, classes] = channels;
        let config =
            ConvConfig { padding: [kernel / 2; 2], bias: true, init, ..ConvConfig::before_norm() };
        Ok(Self { conv: Conv2d::new(features, classes, [kernel; 2], config, vb)?, align_corners })
    }

    pub(super) fn forward(&self, features: &Tensor, size: [usize; 2]) -> Result<Tensor> {
        resize(&self.conv.forward(features)?, size, self.align_corners)
    }
}

/// Bilinear interpolation, where there is anything to do.
pub(super) fn resize(x: &Tensor, size: [usize; 2], align_corners: bool) -> Result<Tensor> {
    if size_of(x)? == size {
        return Ok(x.clone());
    }
    Bilinear2d { output: size, align_corners }.forward(x)
}
