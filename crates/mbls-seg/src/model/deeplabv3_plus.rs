//! DeepLabV3+.

use super::aspp::{Aspp, AsppConfig};
use super::block::{Block, BlockShape};
use super::classifier::{Classifier, resize};
use super::{check_size, dilate, size_of};
use candle_core::{Result, Tensor, bail};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{ConvInit, Dropout};
use mbls_vision::model::{ResNetConfig, ResNetEncoder, StageDilation};

const NAME: &str = "DeepLabV3+";

/// Shape of a [`DeepLabV3Plus`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeepLabV3PlusConfig {
    /// The encoder; its `pool` and `classes` have no effect.
    pub encoder: ResNetConfig,
    /// The spatial pyramid.
    pub aspp: AsppConfig,
    /// Channels that the first stage's result is narrowed to before it joins the pyramid's.
    pub low_level: usize,
    /// Number of logits for a pixel, 1 to 65536.
    pub classes: usize,
}

impl DeepLabV3PlusConfig {
    /// The network on an encoder of 18, 34, 50, 101 or 152 layers as segmentation_models_pytorch
    /// makes it: output stride 16, separable convolutions at rates 12, 24 and 36, 256 channels,
    /// 48 of the first stage.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] where there is no encoder of `depth` layers.
    pub fn new(depth: usize, classes: usize) -> mbls_nn::Result<Self> {
        let aspp = AsppConfig { channels: 256, rates: vec![12, 24, 36], separable: true };
        Self { encoder: ResNetConfig::torchvision(depth, 0)?, aspp, low_level: 48, classes }
            .with_output_stride(16)
    }

    /// The same with another number of the image's rows for one of the encoder's result: 8 or 16.
    ///
    /// The rates stay; in the paper those of output stride 16 are 6, 12 and 18.
    ///
    /// # Errors
    ///
    /// Where it is another number.
    pub fn with_output_stride(mut self, output_stride: usize) -> mbls_nn::Result<Self> {
        dilate(NAME, &mut self.encoder, output_stride, StageDilation::Throughout)?;
        Ok(self)
    }

    /// Checks the fields.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] for the first that is out of its range.
    pub fn validate(&self) -> mbls_nn::Result<()> {
        self.encoder.validate()?;
        self.aspp.validate(NAME)?;
        check_size(NAME, "low_level", self.low_level)?;
        check_size(NAME, "classes", self.classes)
    }
}

/// DeepLabV3+: as [`DeepLabV3`](super::DeepLabV3) with separable convolutions, but the pyramid's
/// result is brought to the size of the first stage's and joined with it before a classifier sees
/// both.
///
/// Dropout follows the pyramid where [`with_dropout`](Self::with_dropout) says so; the original's
/// is [`DROPOUT`](super::DROPOUT).
///
/// # Shapes
///
/// `[N, in_channels, H, W]` to `[N, classes, H, W]` for any H and W, where
/// segmentation_models_pytorch demands multiples of the output stride. In training N is at least 2,
/// because the pyramid normalises one value of each image. Parameters `encoder`, `decoder.aspp.0`
/// (the pyramid), `decoder.aspp.{1,2}`, `decoder.block1` (of the first stage), `decoder.block2`,
/// `segmentation_head.0`.
///
/// # References
///
/// Chen et al.: Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation
/// (ECCV 2018); names, order and details are those of segmentation_models_pytorch.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nn::ParamStore;
/// use mbls_seg::model::{DeepLabV3Plus, DeepLabV3PlusConfig};
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let model = DeepLabV3Plus::new(DeepLabV3PlusConfig::new(18, 21)?, store.var_builder())?;
/// let logits = model.forward_t(&Tensor::zeros((1, 3, 40, 33), DType::F32, &Device::Cpu)?, false)?;
/// assert_eq!(logits.dims(), [1, 21, 40, 33]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DeepLabV3Plus {
    encoder: ResNetEncoder,
    aspp: Aspp,
    after: Block,
    low_level: Block,
    fuse: Block,
    classifier: Classifier,
    config: DeepLabV3PlusConfig,
}

impl DeepLabV3Plus {
    /// The network that `config` describes.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] where a field of `config` is out of its range; what candle
    /// reports where the builder has no such tensors.
    pub fn new(config: DeepLabV3PlusConfig, vb: VarBuilder) -> mbls_nn::Result<Self> {
        config.validate()?;
        let encoder = ResNetEncoder::new(&config.encoder, vb.pp("encoder"))?;
        let (channels, decoder) = (encoder.channels(), vb.pp("decoder"));
        let (inner, low) = (config.aspp.channels, config.low_level);
        let separable = |channels| BlockShape { separable: true, ..BlockShape::new(channels, 3) };
        let pyramid = decoder.pp("aspp");
        let aspp = Aspp::new(channels[channels.len() - 1], &config.aspp, pyramid.pp("0"))?;
        let after = Block::new(separable([inner; 2]), pyramid.pp("1"), pyramid.pp("2"))?;
        let low_level =
            Block::sequence(BlockShape::new([channels[1], low], 1), decoder.pp("block1"))?;
        let fuse = Block::sequence(separable([low + inner, inner]), decoder.pp("block2"))?;
        let sizes = [inner, config.classes];
        let classifier =
            Classifier::new(sizes, 1, ConvInit::TorchUniform, true, vb.pp("segmentation_head.0"))?;
        Ok(Self { encoder, aspp, after, low_level, fuse, classifier, config })
    }

    /// Returns the network with this dropout after its pyramid, or with none; a clone of it knows
    /// the position of its masks.
    #[must_use]
    pub fn with_dropout(mut self, dropout: impl Into<Option<Dropout>>) -> Self {
        self.aspp.set_dropout(dropout.into());
        self
    }

    /// Its shape.
    pub fn config(&self) -> &DeepLabV3PlusConfig {
        &self.config
    }
}

impl ModuleT for DeepLabV3Plus {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let features = self.encoder.features(images, train)?;
        let [_, first, .., last] = &features[..] else {
            bail!("{NAME}: an encoder of one stage, expected at least 2")
        };
        let wide = self.after.forward_t(&self.aspp.forward_t(last, train)?, train)?;
        let wide = resize(&wide, size_of(first)?, true)?;
        let near = self.low_level.forward_t(first, train)?;
        let x = self.fuse.forward_t(&Tensor::cat(&[wide, near], 1)?, train)?;
        self.classifier.forward(&x, size_of(images)?)
    }
}
