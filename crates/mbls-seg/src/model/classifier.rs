//! Per-pixel classifier.

use super::size_of;
use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;
use mbls_nn::{Bilinear2d, Conv2d, ConvConfig, ConvInit};

/// A convolution with bias, followed by bilinear interpolation to the size of the image.
#[derive(Clone, Debug)]
pub(super) struct Classifier {
    conv: Conv2d,
    align_corners: bool,
}

impl Classifier {
    /// Builds a classifier. `channels` is the number of feature channels and of classes; `kernel`
    /// is the side of the kernel, an odd number.
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

/// Interpolates bilinearly to `size`; returns the input if it has this size.
pub(super) fn resize(x: &Tensor, size: [usize; 2], align_corners: bool) -> Result<Tensor> {
    if size_of(x)? == size {
        return Ok(x.clone());
    }
    Bilinear2d { output: size, align_corners }.forward(x)
}
