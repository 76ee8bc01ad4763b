//! The residual networks of He et al. for CIFAR.

use super::{Block, ResNet, ResNetConfig, Shortcut, Stem};
use candle_core::{Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{ConvInit, Dropout};

/// Shape of a [`CifarResNet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CifarResNetConfig {
    /// Number of blocks in each of the three stages; a block has two convolutions.
    pub blocks: usize,
    /// Number of logits per image, at least 1.
    pub classes: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the first stage; each further stage doubles them.
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

    /// 110 layers.
    pub fn resnet110(classes: usize) -> Self {
        Self::new(18, classes)
    }
}

impl From<CifarResNetConfig> for ResNetConfig {
    fn from(config: CifarResNetConfig) -> Self {
        let CifarResNetConfig { blocks, classes, in_channels, width, shortcut } = config;
        Self {
            stem: Stem::Small,
            stem_width: width,
            block: Block::Basic,
            stages: vec![blocks; 3],
            width,
            groups: 1,
            width_per_group: 64,
            shortcut,
            dilation: Vec::new(),
            pool: 1,
            init: ConvInit::KaimingNormalFanOut,
            in_channels,
            classes,
        }
    }
}

/// The residual networks of He et al. for CIFAR with `6 blocks + 2` layers: one 3x3 convolution;
/// three stages of basic blocks with 16, 32 and 64 channels, the last two of which halve the image;
/// global average pooling; one linear layer. A [`ResNet`].
///
/// # Shapes
///
/// `[N, in_channels, H, W]` to `[N, classes]`, H and W at least 4. Parameters `conv1`, `bn1`,
/// `layer{1,2,3}.{i}.{conv1,bn1,conv2,bn2}`, `fc`; with [`Shortcut::Projection`] also
/// `layer{2,3}.0.shortcut.{0,1}`.
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
/// let logits =
///     model.forward_t(&Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?, false)?;
/// assert_eq!(logits.dims(), [2, 10]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CifarResNet {
    network: ResNet,
    config: CifarResNetConfig,
}

impl CifarResNet {
    /// Creates the network described by `config`.
    ///
    /// # Errors
    ///
    /// If a size is 0, or the builder does not have the tensors.
    pub fn new(config: CifarResNetConfig, vb: VarBuilder) -> mbls_nn::Result<Self> {
        Ok(Self { network: ResNet::new(config.clone().into(), vb)?, config })
    }

    /// As for [`ResNet::with_dropout`].
    #[must_use]
    pub fn with_dropout(self, dropout: impl Into<Option<Dropout>>) -> Self {
        Self { network: self.network.with_dropout(dropout), ..self }
    }

    /// Returns the shape of the network.
    pub fn config(&self) -> &CifarResNetConfig {
        &self.config
    }
}

impl ModuleT for CifarResNet {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.network.forward_t(images, train)
    }
}
