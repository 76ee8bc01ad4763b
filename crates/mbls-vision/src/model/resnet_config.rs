//! The shapes of residual networks.

use super::{Block, Shortcut};
use mbls_nn::{ConvInit, Error, Result};

/// The name of the network in errors.
pub(super) const NAME: &str = "ResNet";

/// An upper bound larger than any network needs; prevents overflow of products of sizes.
const WIDEST: usize = 1 << 16;

/// The first layers of a residual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stem {
    /// A 3x3 convolution that keeps the size: for images of 32 or 64 pixels.
    Small,
    /// A 7x7 convolution and a 3x3 max pool, each of which halves the size.
    Large,
}

/// The way in which a stage after the first enlarges its receptive field: by halving the image, or
/// at full size with dilated convolutions.
///
/// The dilation rate doubles with every stage that does not halve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StageDilation {
    /// The first block halves the image.
    #[default]
    Stride,
    /// The first block keeps the rate of the previous stage, as in torchvision's
    /// `replace_stride_with_dilation`.
    AfterFirst,
    /// All blocks have the new rate, as in the encoders of segmentation_models_pytorch.
    Throughout,
}

/// Shape of a [`ResNet`](super::ResNet): one description for the whole family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResNetConfig {
    /// The first layers.
    pub stem: Stem,
    /// Channels after the stem.
    pub stem_width: usize,
    /// The type of the blocks.
    pub block: Block,
    /// The number of blocks of each stage.
    pub stages: Vec<usize>,
    /// The width of the first stage; each further stage doubles it.
    pub width: usize,
    /// Groups of the 3x3 convolutions; 1 except for ResNeXt.
    pub groups: usize,
    /// Channels per group of the 3x3 convolutions for a stage width of 64; 64 except for ResNeXt
    /// and wide bottlenecks.
    pub width_per_group: usize,
    /// The shortcut of blocks whose output shape differs from their input shape.
    pub shortcut: Shortcut,
    /// Dilation per stage. The entry of the first stage has no effect; stages beyond the end have
    /// [`StageDilation::Stride`].
    pub dilation: Vec<StageDilation>,
    /// Height and width to which the last stage's output is average-pooled.
    pub pool: usize,
    /// Initialisation of the convolutions.
    pub init: ConvInit,
    /// Channels of the input.
    pub in_channels: usize,
    /// Number of logits per image; an encoder has none, so 0 is valid for it.
    pub classes: usize,
}

/// Depth, block type and number of blocks per stage. 110 is the published code's network, not He's
/// of the same depth.
const DEPTHS: [(usize, Block, [usize; 4]); 6] = [
    (18, Block::Basic, [2, 2, 2, 2]),
    (34, Block::Basic, [3, 4, 6, 3]),
    (50, Block::Bottleneck, [3, 4, 6, 3]),
    (101, Block::Bottleneck, [3, 4, 23, 3]),
    (110, Block::Bottleneck, [3, 4, 26, 3]),
    (152, Block::Bottleneck, [3, 8, 36, 3]),
];

impl ResNetConfig {
    /// Returns torchvision's network with 18, 34, 50, 101 or 152 layers: a 7x7 stem, four stages.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if there is no network of `depth` layers.
    pub fn torchvision(depth: usize, classes: usize) -> Result<Self> {
        let Some(&(_, block, stages)) = DEPTHS.iter().find(|&&(known, ..)| known == depth) else {
            let known = DEPTHS.map(|(depth, ..)| depth.to_string()).join(", ");
            return Err(Error::network(NAME, "depth", depth, format_args!("one of {known}")));
        };
        Ok(Self {
            stem: Stem::Large,
            stem_width: 64,
            block,
            stages: stages.to_vec(),
            width: 64,
            groups: 1,
            width_per_group: 64,
            shortcut: Shortcut::Downsample,
            dilation: Vec::new(),
            pool: 1,
            init: ConvInit::KaimingNormalFanOut,
            in_channels: 3,
            classes,
        })
    }

    /// Returns torchvision's ResNeXt: `resnext(50, 32, 4, ..)` is `resnext50_32x4d`.
    ///
    /// # Errors
    ///
    /// As for [`torchvision`](Self::torchvision).
    pub fn resnext(
        depth: usize,
        groups: usize,
        width_per_group: usize,
        classes: usize,
    ) -> Result<Self> {
        Ok(Self { groups, width_per_group, ..Self::torchvision(depth, classes)? })
    }

    /// Returns torchvision's network with wide bottlenecks: `wide(50, 2, ..)` is `wide_resnet50_2`.
    ///
    /// # Errors
    ///
    /// As for [`torchvision`](Self::torchvision).
    pub fn wide(depth: usize, factor: usize, classes: usize) -> Result<Self> {
        Ok(Self {
            width_per_group: factor.saturating_mul(64),
            ..Self::torchvision(depth, classes)?
        })
    }

    /// Returns the published code's network for CIFAR with 18, 34, 50, 101, 110 or 152 layers: a
    /// 3x3 stem, four stages, PyTorch's initialisation.
    ///
    /// # Errors
    ///
    /// As for [`torchvision`](Self::torchvision).
    pub fn cifar(depth: usize, classes: usize) -> Result<Self> {
        let shortcut = Shortcut::Projection;
        Ok(Self {
            stem: Stem::Small,
            shortcut,
            init: ConvInit::TorchUniform,
            ..Self::torchvision(depth, classes)?
        })
    }

    /// Returns the published code's network for Tiny-ImageNet with one of the same depths: a 3x3
    /// stem, four stages, whose output is average-pooled to 2x2 pixels.
    ///
    /// # Errors
    ///
    /// As for [`torchvision`](Self::torchvision).
    pub fn tiny_imagenet(depth: usize, classes: usize) -> Result<Self> {
        Ok(Self { stem: Stem::Small, pool: 2, ..Self::torchvision(depth, classes)? })
    }

    /// Returns the published code's wide network for CIFAR: a 3x3 stem of 16 channels, three stages
    /// of n basic blocks, `width` times as wide as He's. Batch norm follows the convolutions,
    /// unlike in the paper.
    ///
    /// The published code counts `6 n + 2` layers; the paper also counts those of the shortcuts,
    /// `6 n + 4`. Both are accepted: 26 and 28 are the same network.
    ///
    /// # Errors
    ///
    /// If `depth` has neither form.
    ///
    /// # References
    ///
    /// Zagoruyko and Komodakis: Wide Residual Networks (BMVC 2016).
    pub fn wide_cifar(depth: usize, width: usize, classes: usize) -> Result<Self> {
        if depth < 8 || !matches!(depth % 6, 2 | 4) {
            return Err(Error::network(
                "wide ResNet",
                "depth",
                depth,
                "6 n + 2 or 6 n + 4 with n at least 1",
            ));
        }
        Ok(Self {
            stem: Stem::Small,
            stem_width: 16,
            stages: vec![(depth - 2) / 6; 3],
            width: width.saturating_mul(16),
            ..Self::torchvision(18, classes)?
        })
    }

    /// Returns the channels of a stage's 3x3 convolutions and of its output.
    pub(super) fn channels(&self, stage: usize) -> [usize; 2] {
        let width = self.width << stage;
        [width * self.width_per_group / 64 * self.groups, width * self.block.expansion()]
    }

    /// Returns the factor by which the input is larger than the output of a stage, or of the stem
    /// if there is no such stage.
    pub(super) fn reduction(&self, stages: usize) -> usize {
        let stem = if self.stem == Stem::Large { 4 } else { 1 };
        (1..stages).fold(stem, |n, stage| {
            if self.dilation(stage) == StageDilation::Stride { 2 * n } else { n }
        })
    }

    pub(super) fn dilation(&self, stage: usize) -> StageDilation {
        self.dilation.get(stage).copied().unwrap_or_default()
    }

    /// Returns the minimum height and width of an image for classification. With a smaller image,
    /// the last stage's output would be smaller than the size it is pooled to.
    pub fn smallest(&self) -> usize {
        self.reduction(self.stages.len()) * self.pool
    }

    /// Checks the fields.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] for the first field that is 0 or out of range.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("stem_width", self.stem_width),
            ("width", self.width),
            ("groups", self.groups),
            ("width_per_group", self.width_per_group),
            ("pool", self.pool),
            ("in_channels", self.in_channels),
        ];
        for (field, value) in sizes {
            if !(1..=WIDEST).contains(&value) {
                return Err(Error::network(NAME, field, value, format_args!("1 to {WIDEST}")));
            }
        }
        if self.stages.is_empty() || self.stages.len() > 8 || self.stages.contains(&0) {
            let stages = format!("{:?}", self.stages);
            return Err(Error::network(
                NAME,
                "stages",
                stages,
                "1 to 8 stages of at least one block",
            ));
        }
        if self.dilation.len() > self.stages.len() {
            let [found, most] = [self.dilation.len(), self.stages.len()];
            return Err(Error::network(
                NAME,
                "number of dilations",
                found,
                format_args!("at most {most}"),
            ));
        }
        if self.block == Block::Basic && (self.groups, self.width_per_group) != (1, 64) {
            let (groups, width) = (self.groups, self.width_per_group);
            let found = format!("{groups} and {width}");
            return Err(Error::network(
                NAME,
                "groups and width_per_group",
                found,
                "1 and 64 with basic blocks",
            ));
        }
        if self.channels(0)[0] == 0 {
            let (width, group) = (self.width, self.width_per_group);
            let found = format!("{width} and {group}");
            return Err(Error::network(
                NAME,
                "width and width_per_group",
                found,
                "a product of at least 64",
            ));
        }
        let [inner, outputs] = self.channels(self.stages.len() - 1);
        if inner > WIDEST || outputs > WIDEST {
            let (found, most) = (format!("{inner} and {outputs}"), format!("at most {WIDEST}"));
            return Err(Error::network(NAME, "channels of the last stage", found, most));
        }
        if self.shortcut == Shortcut::Identity && self.channels(0)[1] < self.stem_width {
            let (width, found) = (self.channels(0)[1], self.stem_width);
            let most = format!("at most {width} with identity shortcuts");
            return Err(Error::network(NAME, "stem_width", found, most));
        }
        Ok(())
    }
}
