//! The blocks of residual networks.

use super::ConvNorm;
use candle_core::{Module, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{AvgPool2d, ConvConfig, ConvInit};

/// The type of block of a residual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// A 1x1 convolution that reduces the channels, a 3x3 one, and a 1x1 one that expands them to
    /// four times the stage's width.
    Bottleneck,
}

impl Block {
    /// Returns the ratio of the block's output channels to its stage's width.
    pub fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

/// The connection from a block's input to its output if their shapes differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shortcut {
    /// Every second row and column, and channels of zeros on both sides of the input's: no
    /// parameters. Option A of the paper, used by its CIFAR networks.
    #[default]
    Identity,
    /// A 1x1 convolution with the block's stride and batch norm, named `shortcut`: option B, which
    /// many PyTorch implementations use for CIFAR too.
    Projection,
    /// The same as `Projection`, but named `downsample`, as in torchvision.
    Downsample,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct BlockShape {
    pub(super) block: Block,
    pub(super) inputs: usize,
    /// Channels of the 3x3 convolutions.
    pub(super) inner: usize,
    pub(super) outputs: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    pub(super) groups: usize,
    pub(super) shortcut: Shortcut,
    pub(super) init: ConvInit,
}

/// `relu(unit_n(.. relu(unit_1(x))) + skip(x))`.
#[derive(Clone, Debug)]
pub(super) struct ResidualBlock {
    units: Vec<ConvNorm>,
    last: ConvNorm,
    skip: Skip,
}

#[derive(Clone, Debug)]
enum Skip {
    Same,
    Padded { stride: usize, before: usize, after: usize },
    Projection(ConvNorm),
}

impl ResidualBlock {
    pub(super) fn new(shape: BlockShape, vb: VarBuilder) -> Result<Self> {
        let BlockShape { inputs, inner, outputs, .. } = shape;
        let plain = ConvConfig { init: shape.init, ..ConvConfig::before_norm() };
        let strided = ConvConfig { stride: [shape.stride; 2], ..plain };
        let dilated = ConvConfig { dilation: [shape.dilation; 2], groups: shape.groups, ..plain };
        let unit = |number: usize, channels, kernel, config| {
            ConvNorm::new(
                channels,
                kernel,
                config,
                vb.pp(format!("conv{number}")),
                vb.pp(format!("bn{number}")),
            )
        };
        let middle = ConvConfig { stride: strided.stride, ..dilated };
        let (units, last) = match shape.block {
            Block::Basic => {
                (vec![unit(1, [inputs, inner], 3, middle)?], unit(2, [inner, outputs], 3, dilated)?)
            }
            Block::Bottleneck => (
                vec![unit(1, [inputs, inner], 1, plain)?, unit(2, [inner, inner], 3, middle)?],
                unit(3, [inner, outputs], 1, plain)?,
            ),
        };
        let projection = |name: &str| {
            let vb = vb.pp(name);
            ConvNorm::new([inputs, outputs], 1, strided, vb.pp("0"), vb.pp("1"))
                .map(Skip::Projection)
        };
        let skip = match shape.shortcut {
            _ if inputs == outputs && shape.stride == 1 => Skip::Same,
            Shortcut::Identity => {
                let added = outputs.saturating_sub(inputs);
                Skip::Padded { stride: shape.stride, before: added / 2, after: added - added / 2 }
            }
            Shortcut::Projection => projection("shortcut")?,
            Shortcut::Downsample => projection("downsample")?,
        };
        Ok(Self { units, last, skip })
    }
}

impl ModuleT for ResidualBlock {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut y = x.clone();
        for unit in &self.units {
            y = unit.forward_relu(&y, None, train)?;
        }
        self.last.forward_relu(&y, Some(&self.skip.forward_t(x, train)?), train)
    }
}

impl ModuleT for Skip {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match self {
            Self::Same => Ok(x.clone()),
            Self::Padded { stride, before, after } => {
                // A pool of one pixel selects every second one; unlike a strided view it has a
                // cheap gradient on every device.
                let x = if *stride == 1 {
                    x.clone()
                } else {
                    AvgPool2d::new(1, *stride, 0).forward(x)?
                };
                x.pad_with_zeros(1, *before, *after)
            }
            Self::Projection(unit) => unit.forward_t(x, train),
        }
    }
}
