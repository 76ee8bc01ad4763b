//! Whose network it is.

use mbls_vision::model::StageDilation;

/// Whose [`DeepLabV3`](super::DeepLabV3) it is: the names of its parameters, how its encoder is
/// dilated, and how its logits are brought to the image's size.
///
/// | | encoder | spatial pyramid | convolution, batch norm | classifier | dilation | upsampling |
/// |---|---|---|---|---|---|---|
/// | `Smp` | `encoder` | `decoder.aspp` | `decoder.conv`, `decoder.bn` | `segmentation_head.0` | whole stages | corners coincide |
/// | `SmpSequential` | `encoder` | `decoder.0` | `decoder.1`, `decoder.2` | `segmentation_head.0` | whole stages | corners coincide |
/// | `Torchvision` | `backbone` | `classifier.0` | `classifier.1`, `classifier.2` | `classifier.4` | after a stage's first block | edges coincide |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// segmentation_models_pytorch since its decoder has named parts; tested against 0.6.0.
    Smp,
    /// segmentation_models_pytorch while its decoder was a sequence; tested against 0.2.1, which
    /// the published code of MbLS asks for.
    SmpSequential,
    /// torchvision.
    Torchvision,
}

/// The names of a network's parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) encoder: &'static str,
    pub(super) aspp: &'static str,
    pub(super) conv: &'static str,
    pub(super) norm: &'static str,
    /// The classifier's convolution.
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

    /// Whether the centres of the corner pixels coincide when logits are brought to the image's
    /// size.
    pub(super) fn align_corners(self) -> bool {
        self != Self::Torchvision
    }
}
