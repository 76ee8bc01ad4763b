//! Residual networks: the encoder, and the classifier on top of it.

use super::block::{BlockShape, ResidualBlock};
use super::resnet_config::NAME;
use super::{ConvNorm, ResNetConfig, StageDilation, Stem, check_images};
use candle_core::{Module, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{
    AdaptiveAvgPool2d, ConvConfig, Dropout, DropoutLinear, Error, GlobalAvgPool2d, MaxPool2d,
};

/// A residual network without its classifier: the stem and the stages. Segmentation networks build
/// on their outputs.
///
/// # Shapes
///
/// `[N, in_channels, H, W]` to the last stage's `[N, channels, H / reduction, W / reduction]`,
/// rounded up. Parameters `conv1`, `bn1`, `layer{s}.{i}.{conv1,bn1,conv2,bn2}`, with bottlenecks
/// also `conv3` and `bn3`, and the shortcut's.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mbls_nn::ParamStore;
/// use mbls_vision::model::{ResNetConfig, ResNetEncoder, StageDilation};
///
/// // As in DeepLabV3: the last two stages are dilated instead of halving the image.
/// let mut config = ResNetConfig::torchvision(18, 0)?;
/// config.dilation = [[StageDilation::Stride; 2], [StageDilation::Throughout; 2]].concat();
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let encoder = ResNetEncoder::new(&config, store.var_builder().pp("encoder"))?;
/// assert_eq!(encoder.channels(), [64, 64, 128, 256, 512]);
/// assert_eq!(encoder.reductions(), [2, 4, 8, 8, 8]);
/// let features =
///     encoder.features(&Tensor::zeros((1, 3, 48, 64), DType::F32, &Device::Cpu)?, false)?;
/// assert_eq!(features[4].dims(), [1, 512, 6, 8]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResNetEncoder {
    stem: ConvNorm,
    stages: Vec<Vec<ResidualBlock>>,
    config: ResNetConfig,
}

impl ResNetEncoder {
    /// Creates the stem and the stages described by `config`.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if a size is 0 or too large; errors of candle if the builder
    /// does not have the tensors.
    pub fn new(config: &ResNetConfig, vb: VarBuilder) -> mbls_nn::Result<Self> {
        config.validate()?;
        let (kernel, stride) = if config.stem == Stem::Large { (7, 2) } else { (3, 1) };
        let convolution =
            ConvConfig { stride: [stride; 2], init: config.init, ..ConvConfig::before_norm() };
        let channels = [config.in_channels, config.stem_width];
        let stem = ConvNorm::new(channels, kernel, convolution, vb.pp("conv1"), vb.pp("bn1"))?;
        let (mut inputs, mut dilation, mut stages) = (config.stem_width, 1, Vec::new());
        for (stage, &count) in config.stages.iter().enumerate() {
            let [inner, outputs] = config.channels(stage);
            let before = dilation;
            let stride = match config.dilation(stage) {
                _ if stage == 0 => 1,
                StageDilation::Stride => 2,
                _ => {
                    dilation *= 2;
                    1
                }
            };
            let blocks = (0..count).map(|i| {
                let kept = i == 0 && config.dilation(stage) == StageDilation::AfterFirst;
                let shape = BlockShape {
                    block: config.block,
                    inputs: if i == 0 { inputs } else { outputs },
                    inner,
                    outputs,
                    stride: if i == 0 { stride } else { 1 },
                    dilation: if kept { before } else { dilation },
                    groups: config.groups,
                    shortcut: config.shortcut,
                    init: config.init,
                };
                ResidualBlock::new(shape, vb.pp(format!("layer{}.{i}", stage + 1)))
            });
            stages.push(blocks.collect::<Result<_>>()?);
            inputs = outputs;
        }
        Ok(Self { stem, stages, config: config.clone() })
    }

    /// Returns the number of channels of each of the [`features`](Self::features).
    pub fn channels(&self) -> Vec<usize> {
        let stages = (0..self.stages.len()).map(|stage| self.config.channels(stage)[1]);
        std::iter::once(self.config.stem_width).chain(stages).collect()
    }

    /// Returns the ratio of image rows to rows of each of the [`features`](Self::features).
    pub fn reductions(&self) -> Vec<usize> {
        let stem = if self.config.stem == Stem::Large { 2 } else { 1 };
        std::iter::once(stem)
            .chain((1..=self.stages.len()).map(|n| self.config.reduction(n)))
            .collect()
    }

    /// Returns the shape of the network.
    pub fn config(&self) -> &ResNetConfig {
        &self.config
    }

    /// Returns the output of the stem, before its pool, and of each stage.
    ///
    /// # Errors
    ///
    /// If the images have a different number of channels.
    pub fn features(&self, images: &Tensor, train: bool) -> Result<Vec<Tensor>> {
        let mut features = Vec::with_capacity(1 + self.stages.len());
        self.run(images, train, |feature| features.push(feature.clone()))?;
        Ok(features)
    }

    /// Returns the last stage's output; calls `each` with every output.
    fn run(&self, images: &Tensor, train: bool, mut each: impl FnMut(&Tensor)) -> Result<Tensor> {
        check_images(NAME, images, self.config.in_channels, 1)?;
        let mut x = self.stem.forward_relu(images, None, train)?;
        each(&x);
        if self.config.stem == Stem::Large {
            x = MaxPool2d::new(3, 2, 1).forward(&x)?;
        }
        for stage in &self.stages {
            for block in stage {
                x = block.forward_t(&x, train)?;
            }
            each(&x);
        }
        Ok(x)
    }
}

impl ModuleT for ResNetEncoder {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.run(images, train, |_| ())
    }
}

/// A residual network for classification: [`ResNetEncoder`], average pooling, one linear layer.
///
/// # Shapes
///
/// `[N, in_channels, H, W]` to `[N, classes]`, H and W at least [`ResNetConfig::smallest`].
/// Parameters of the encoder, then `fc`.
///
/// # References
///
/// He et al.: Deep Residual Learning for Image Recognition (CVPR 2016); Xie et al.: Aggregated
/// Residual Transformations (CVPR 2017). The names and order of the parameters are those of
/// torchvision and of the published code of MbLS (by-liu/MbLS).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nn::{Dropout, ParamStore};
/// use mbls_vision::model::{ResNet, ResNetConfig};
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let model = ResNet::new(ResNetConfig::cifar(18, 10)?, store.var_builder())?
///     .with_dropout(Dropout::new(0.5, 7)?);
/// let logits =
///     model.forward_t(&Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?, false)?;
/// assert_eq!(logits.dims(), [2, 10]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResNet {
    encoder: ResNetEncoder,
    fc: DropoutLinear,
}

impl ResNet {
    /// Creates the network described by `config`.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if a size is 0 or too large; errors of candle if the builder
    /// does not have the tensors.
    pub fn new(config: ResNetConfig, vb: VarBuilder) -> mbls_nn::Result<Self> {
        if config.classes == 0 {
            return Err(Error::network(NAME, "classes", 0, "at least 1"));
        }
        let encoder = ResNetEncoder::new(&config, vb.clone())?;
        let [_, channels] = config.channels(config.stages.len() - 1);
        let Some(features) = config.pool.checked_pow(2).and_then(|n| n.checked_mul(channels))
        else {
            let expected = format!("few enough for {channels} channels");
            return Err(Error::network(NAME, "pool", config.pool, expected));
        };
        let fc = DropoutLinear::new(features, config.classes, vb.pp("fc"))?;
        Ok(Self { encoder, fc })
    }

    /// Returns the network with this dropout before its linear layer, or with none; a clone shares
    /// the position of the dropout masks.
    #[must_use]
    pub fn with_dropout(self, dropout: impl Into<Option<Dropout>>) -> Self {
        Self { fc: self.fc.with_dropout(dropout), ..self }
    }

    /// Returns the network without its classifier.
    pub fn encoder(&self) -> &ResNetEncoder {
        &self.encoder
    }

    /// Returns the shape of the network.
    pub fn config(&self) -> &ResNetConfig {
        self.encoder.config()
    }
}

impl ModuleT for ResNet {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let config = self.config();
        check_images(NAME, images, config.in_channels, config.smallest())?;
        let x = self.encoder.forward_t(images, train)?;
        let features = match config.pool {
            1 => GlobalAvgPool2d.forward(&x)?,
            side => AdaptiveAvgPool2d { output: [side; 2] }.forward(&x)?.flatten_from(1)?,
        };
        self.fc.forward_t(&features, train)
    }
}
