//! The residual networks for CIFAR.

use super::conv3x3;
use candle_core::{Module, Result, Tensor, bail};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{AvgPool2d, BatchNorm2d, Conv2d, Conv2dConfig, GlobalAvgPool2d, Linear};

/// How a block's input reaches its output where their shapes differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shortcut {
    /// Every second row and column, and channels of zeros on both sides of the input's: no parameters. Option A of the paper,
    /// which its CIFAR networks use.
    #[default]
    Identity,
    /// A 1x1 convolution of stride 2 with batch norm: option B, which many implementations in PyTorch use for CIFAR too.
    Projection,
}

/// Shape of a [`CifarResNet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CifarResNetConfig {
    /// Blocks of each of the three stages, of two convolutions each.
    pub blocks: usize,
    /// Number of classes.
    pub classes: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the first stage; each of the others doubles them.
    pub width: usize,
    /// The shortcut between stages.
    pub shortcut: Shortcut,
}

impl CifarResNetConfig {
    fn new(blocks: usize, classes: usize) -> Self {
        Self { blocks, classes, in_channels: 3, width: 16, shortcut: Shortcut::Identity }
    }

    /// 20 layers; 269,722 parameters for 10 classes (272,474 with [`Shortcut::Projection`]).
    pub fn resnet20(classes: usize) -> Self {
        Self::new(3, classes)
    }

    /// 32 layers.
    pub fn resnet32(classes: usize) -> Self {
        Self::new(5, classes)
    }

    /// 44 layers.
    pub fn resnet44(classes: usize) -> Self {
        Self::new(7, classes)
    }

    /// 56 layers.
    pub fn resnet56(classes: usize) -> Self {
        Self::new(9, classes)
    }
}

/// The residual networks of He et al. for CIFAR, of `6 blocks + 2` layers: one 3x3 convolution, three stages of basic blocks with
/// 16, 32 and 64 channels, the last two of which halve the picture, global average pool, one linear layer.
///
/// # Shapes
///
/// `[N, in_channels, H, W]` to `[N, classes]`. Parameters `conv1`, `bn1`, `layer{1,2,3}.{i}.{conv1,bn1,conv2,bn2}`, `fc`; with
/// [`Shortcut::Projection`] also `layer{2,3}.0.shortcut.{0,1}`.
///
/// # References
///
/// He et al.: Deep Residual Learning for Image Recognition (CVPR 2016), section 4.2.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nn::ParamStore;
/// use mbls_vision::model::{CifarResNet, CifarResNetConfig};
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let model = CifarResNet::new(CifarResNetConfig::resnet20(10), store.var_builder())?;
/// let logits = model.forward_t(&Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?, false)?;
/// assert_eq!(logits.dims(), [2, 10]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CifarResNet {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    blocks: Vec<BasicBlock>,
    fc: Linear,
    config: CifarResNetConfig,
}

impl CifarResNet {
    /// The network that `config` describes.
    ///
    /// # Errors
    ///
    /// Where a size is 0, or the builder has no such tensors.
    pub fn new(config: CifarResNetConfig, vb: VarBuilder) -> Result<Self> {
        if config.blocks == 0 || config.width == 0 {
            bail!("CIFAR ResNet: {} blocks of width {}, expected at least 1", config.blocks, config.width);
        }
        let conv1 = conv3x3(config.in_channels, config.width, 1, vb.pp("conv1"))?;
        let bn1 = BatchNorm2d::new(config.width, vb.pp("bn1"))?;
        let mut blocks = Vec::with_capacity(3 * config.blocks);
        let mut inputs = config.width;
        for stage in 0..3 {
            let outputs = config.width << stage;
            for i in 0..config.blocks {
                let vb = vb.pp(format!("layer{}.{i}", stage + 1));
                blocks.push(BasicBlock::new(inputs, outputs, config.shortcut, vb)?);
                inputs = outputs;
            }
        }
        let fc = Linear::new(inputs, config.classes, vb.pp("fc"))?;
        Ok(Self { conv1, bn1, blocks, fc, config })
    }

    /// Its shape.
    pub fn config(&self) -> &CifarResNetConfig {
        &self.config
    }
}

impl ModuleT for CifarResNet {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = self.bn1.forward_relu(&self.conv1.forward(images)?, None, train)?;
        for block in &self.blocks {
            x = block.forward_t(&x, train)?;
        }
        self.fc.forward(&GlobalAvgPool2d.forward(&x)?)
    }
}

/// `relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))`; more channels than the input's mean half its size.
#[derive(Clone, Debug)]
struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    skip: Skip,
}

#[derive(Clone, Debug)]
enum Skip {
    Same,
    Identity { before: usize, after: usize },
    Projection(Conv2d, BatchNorm2d),
}

impl BasicBlock {
    fn new(inputs: usize, outputs: usize, shortcut: Shortcut, vb: VarBuilder) -> Result<Self> {
        let stride = if inputs == outputs { 1 } else { 2 };
        let skip = match shortcut {
            _ if inputs == outputs => Skip::Same,
            Shortcut::Identity => {
                let added = outputs - inputs;
                Skip::Identity { before: added / 2, after: added - added / 2 }
            }
            Shortcut::Projection => {
                let config = Conv2dConfig { stride: [stride; 2], ..Conv2dConfig::default() };
                let conv = Conv2d::new(inputs, outputs, [1, 1], config, vb.pp("shortcut.0"))?;
                Skip::Projection(conv, BatchNorm2d::new(outputs, vb.pp("shortcut.1"))?)
            }
        };
        Ok(Self {
            conv1: conv3x3(inputs, outputs, stride, vb.pp("conv1"))?,
            bn1: BatchNorm2d::new(outputs, vb.pp("bn1"))?,
            conv2: conv3x3(outputs, outputs, 1, vb.pp("conv2"))?,
            bn2: BatchNorm2d::new(outputs, vb.pp("bn2"))?,
            skip,
        })
    }

    fn skip(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match &self.skip {
            Skip::Same => Ok(x.clone()),
            Skip::Identity { before, after } => {
                // A pool of one pixel picks every second one; unlike a strided view it has a cheap gradient on every device.
                let x = AvgPool2d::new(1, 2, 0).forward(x)?;
                x.pad_with_zeros(1, *before, *after)
            }
            Skip::Projection(conv, norm) => norm.forward_t(&conv.forward(x)?, train),
        }
    }
}

impl ModuleT for BasicBlock {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = self.bn1.forward_relu(&self.conv1.forward(x)?, None, train)?;
        self.bn2.forward_relu(&self.conv2.forward(&y)?, Some(&self.skip(x, train)?), train)
    }
}
