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

/// Configuration of a [`DeepLabV3Plus`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeepLabV3PlusConfig {
    /// The encoder; its `pool` and `classes` have no effect.
    pub encoder: ResNetConfig,
    /// The spatial pyramid.
    pub aspp: AsppConfig,
    /// Number of channels to which the features of the first stage are projected before they are
    /// concatenated with the output of the pyramid.
    pub low_level: usize,
    /// Number of logits per pixel, 1 to 65536.
    pub classes: usize,
}

impl DeepLabV3PlusConfig {
    /// Returns the default configuration of segmentation_models_pytorch with an encoder of 18, 34,
    /// 50, 101 or 152 layers: output stride 16, separable convolutions at rates 12, 24 and 36, 256
    /// channels, and 48 channels of the first stage.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if there is no encoder with `depth` layers.
    pub fn new(depth: usize, classes: usize) -> mbls_nn::Result<Self> {
        let aspp = AsppConfig { channels: 256, rates: vec![12, 24, 36], separable: true };
        Self { encoder: ResNetConfig::torchvision(depth, 0)?, aspp, low_level: 48, classes }
            .with_output_stride(16)
    }

    /// Sets the output stride to 8 or 16.
    ///
    /// The rates are unchanged; the paper uses 6, 12 and 18 for output stride 16.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] for another output stride.
    pub fn with_output_stride(mut self, output_stride: usize) -> mbls_nn::Result<Self> {
        dilate(NAME, &mut self.encoder, output_stride, StageDilation::Throughout)?;
        Ok(self)
    }

    /// Checks the fields.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] for the first field that is out of range.
    pub fn validate(&self) -> mbls_nn::Result<()> {
        self.encoder.validate()?;
        self.aspp.validate(NAME)?;
        check_size(NAME, "low_level", self.low_level)?;
        check_size(NAME, "classes", self.classes)
    }
}

/// DeepLabV3+: [`DeepLabV3`](super::DeepLabV3) with separable convolutions and a decoder. The
/// output of the pyramid is resized to the size of the first stage's features and concatenated with
/// them before the classifier.
///
/// Dropout after the pyramid is off unless set by [`with_dropout`](Self::with_dropout); the
/// original implementation uses [`DROPOUT`](super::DROPOUT).
///
/// # Shapes
///
/// `[N, in_channels, H, W]` to `[N, classes, H, W]` for any H and W; segmentation_models_pytorch
/// requires multiples of the output stride. In training, N is at least 2 because the pyramid
/// applies batch norm to one value per image and channel. Parameters `encoder`, `decoder.aspp.0`
/// (the pyramid), `decoder.aspp.{1,2}`, `decoder.block1` (of the first stage), `decoder.block2`,
/// `segmentation_head.0`.
///
/// # References
///
/// Chen et al.: Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation
/// (ECCV 2018). Names, order and details follow segmentation_models_pytorch.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nn::ParamStore;
/// use mbls_seg::model::{DeepLabV3Plus, DeepLabV3PlusConfig};
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let model = DeepLabV3Plus::new(DeepLabV3PlusConfig::new(18, 21)?, store.var_builder())?;
/// let logits =
///     model.forward_t(&Tensor::zeros((1, 3, 40, 33), DType::F32, &Device::Cpu)?, false)?;
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
    /// Builds the network that `config` describes, with variables from `vb`.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if a field of `config` is out of range; the error of candle if
    /// `vb` has no such tensors.
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

    /// Returns the network with this dropout after its pyramid, or without dropout. A clone of the
    /// [`Dropout`] shares the position in its stream of masks.
    #[must_use]
    pub fn with_dropout(mut self, dropout: impl Into<Option<Dropout>>) -> Self {
        self.aspp.set_dropout(dropout.into());
        self
    }

    /// Returns the configuration.
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
