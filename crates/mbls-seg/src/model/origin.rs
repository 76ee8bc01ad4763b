//! Implementations that networks are compatible with.

use mbls_vision::model::StageDilation;

/// The implementation that a [`DeepLabV3`](super::DeepLabV3) is compatible with. It determines the
/// parameter names, the dilation of the encoder and the upsampling of the logits.
///
/// | | encoder | spatial pyramid | convolution, batch norm | classifier | dilation | upsampling |
/// |---|---|---|---|---|---|---|
/// | `Smp` | `encoder` | `decoder.aspp` | `decoder.conv`, `decoder.bn` | `segmentation_head.0` | whole stages | corners aligned |
/// | `SmpSequential` | `encoder` | `decoder.0` | `decoder.1`, `decoder.2` | `segmentation_head.0` | whole stages | corners aligned |
/// | `Torchvision` | `backbone` | `classifier.0` | `classifier.1`, `classifier.2` | `classifier.4` | after the first block of a stage | edges aligned |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// segmentation_models_pytorch versions whose decoder has named parts; tested against 0.6.0.
    Smp,
    /// Earlier versions of segmentation_models_pytorch, whose decoder is a `Sequential`; tested
    /// against 0.2.1, which the published code of MbLS requires.
    SmpSequential,
    /// torchvision.
    Torchvision,
}

/// The names of the parts of a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) encoder: &'static str,
    pub(super) aspp: &'static str,
    pub(super) conv: &'static str,
    pub(super) norm: &'static str,
    /// The convolution of the classifier.
    pub(super) classifier: &'static str,
}

impl Origin {
    pub(super) fn names(self) -> Names {
        let [encoder, aspp, conv, norm, classifier] = match self {
            Self::Smp => {
                ["encoder", "decoder.aspp", "decoder.conv", "decoder.bn", "segmentation_head.0"]
            }
            Self::SmpSequential => {
                ["encoder", "decoder.0", "decoder.1", "decoder.2", "segmentation_head.0"]
            }
            Self::Torchvision => {
                ["backbone", "classifier.0", "classifier.1", "classifier.2", "classifier.4"]
            }
        };
        Names { encoder, aspp, conv, norm, classifier }
    }

    pub(super) fn dilation(self) -> StageDilation {
        match self {
            Self::Smp | Self::SmpSequential => StageDilation::Throughout,
            Self::Torchvision => StageDilation::AfterFirst,
        }
    }

    /// Returns whether upsampling aligns the centres of the corner pixels.
    pub(super) fn align_corners(self) -> bool {
        self != Self::Torchvision
    }
}
