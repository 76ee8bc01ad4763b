//! DeepLabV3.

use super::aspp::{Aspp, AsppConfig};
use super::block::{Block, BlockShape};
use super::classifier::Classifier;
use super::{Origin, check_size, dilate, size_of};
use candle_core::{Result, Tensor, bail};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{ConvInit, Dropout, Error};
use mbls_vision::model::{ResNetConfig, ResNetEncoder};

const NAME: &str = "DeepLabV3";

/// Configuration of a [`DeepLabV3`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeepLabV3Config {
    /// The encoder; its `pool` and `classes` have no effect.
    pub encoder: ResNetConfig,
    /// The spatial pyramid.
    pub aspp: AsppConfig,
    /// The implementation that determines parameter names, dilation and upsampling.
    pub origin: Origin,
    /// Whether there is an auxiliary classifier on the second-to-last stage, for training
    /// (torchvision's `aux_loss`).
    pub auxiliary: bool,
    /// Number of logits per pixel, 1 to 65536.
    pub classes: usize,
}

impl DeepLabV3Config {
    /// Returns the default configuration of `origin` with an encoder of 18, 34, 50, 101 or 152
    /// layers: output stride 8, rates 12, 24 and 36, 256 channels.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if there is no encoder with `depth` layers.
    pub fn new(origin: Origin, depth: usize, classes: usize) -> mbls_nn::Result<Self> {
        let aspp = AsppConfig { channels: 256, rates: Vec::new(), separable: false };
        let config = Self {
            encoder: ResNetConfig::torchvision(depth, 0)?,
            aspp,
            origin,
            auxiliary: false,
            classes,
        };
        config.with_output_stride(8)
    }

    /// Sets the output stride to 8 or 16, and the rates to those of the paper for it: 12, 24 and 36
    /// for 8, half of them for 16.
    ///
    /// segmentation_models_pytorch keeps the rates 12, 24 and 36 for both. Set
    /// [`rates`](AsppConfig::rates) to them to load its checkpoints of output stride 16.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] for another output stride.
    pub fn with_output_stride(mut self, output_stride: usize) -> mbls_nn::Result<Self> {
        dilate(NAME, &mut self.encoder, output_stride, self.origin.dilation())?;
        self.aspp.rates = [12, 24, 36].map(|rate| rate * 8 / output_stride).to_vec();
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
        check_size(NAME, "classes", self.classes)?;
        if self.auxiliary && self.origin != Origin::Torchvision {
            let found = format!("true with names of {:?}", self.origin);
            return Err(Error::network(NAME, "auxiliary", found, "names of Torchvision"));
        }
        if self.auxiliary && self.encoder.stages.len() < 2 {
            let expected = "an encoder of at least 2 stages";
            return Err(Error::network(
                NAME,
                "auxiliary",
                "true on an encoder of one stage",
                expected,
            ));
        }
        Ok(())
    }
}

/// DeepLabV3: a residual network with dilated last stages, a spatial pyramid ([`AsppConfig`]), a
/// 3x3 convolution, a per-pixel classifier, and bilinear interpolation to the size of the image.
///
/// Dropout after the pyramid is off unless set by [`with_dropout`](Self::with_dropout); the
/// original implementations use [`DROPOUT`](super::DROPOUT).
///
/// # Shapes
///
/// `[N, in_channels, H, W]` to `[N, classes, H, W]` for any H and W; segmentation_models_pytorch
/// requires multiples of the output stride. In training, N is at least 2 because the pyramid
/// applies batch norm to one value per image and channel. [`Origin`] lists the parameters.
///
/// # References
///
/// Chen et al.: Rethinking Atrous Convolution for Semantic Image Segmentation (2017). Names, order
/// and details follow segmentation_models_pytorch (BSD 3-clause for its DeepLab) and torchvision.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nn::{Dropout, ParamStore};
/// use mbls_seg::model::{DROPOUT, DeepLabV3, DeepLabV3Config, Origin};
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let config = DeepLabV3Config::new(Origin::Smp, 18, 21)?;
/// let model =
///     DeepLabV3::new(config, store.var_builder())?.with_dropout(Dropout::new(DROPOUT, 7)?);
/// let logits =
///     model.forward_t(&Tensor::zeros((1, 3, 40, 33), DType::F32, &Device::Cpu)?, false)?;
/// assert_eq!(logits.dims(), [1, 21, 40, 33]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DeepLabV3 {
    encoder: ResNetEncoder,
    aspp: Aspp,
    last: Block,
    classifier: Classifier,
    auxiliary: Option<Auxiliary>,
    config: DeepLabV3Config,
}

/// The auxiliary classifier on an earlier stage, a fully convolutional head.
#[derive(Clone, Debug)]
struct Auxiliary {
    block: Block,
    dropout: Option<Dropout>,
    classifier: Classifier,
}

impl DeepLabV3 {
    /// Builds the network that `config` describes, with variables from `vb`.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if a field of `config` is out of range; the error of candle if
    /// `vb` has no such tensors.
    pub fn new(config: DeepLabV3Config, vb: VarBuilder) -> mbls_nn::Result<Self> {
        config.validate()?;
        let (names, align_corners) = (config.origin.names(), config.origin.align_corners());
        let encoder = ResNetEncoder::new(&config.encoder, vb.pp(names.encoder))?;
        let channels = encoder.channels();
        let aspp = Aspp::new(channels[channels.len() - 1], &config.aspp, vb.pp(names.aspp))?;
        let inner = config.aspp.channels;
        let last =
            Block::new(BlockShape::new([inner; 2], 3), vb.pp(names.conv), vb.pp(names.norm))?;
        let classifier = |features: usize, vb: VarBuilder| {
            Classifier::new(
                [features, config.classes],
                1,
                ConvInit::TorchUniform,
                align_corners,
                vb,
            )
        };
        let main = classifier(inner, vb.pp(names.classifier))?;
        let auxiliary = if config.auxiliary {
            let (inputs, vb) = (channels[channels.len() - 2], vb.pp(AUXILIARY));
            let inner = (inputs / 4).max(1);
            let block = Block::sequence(BlockShape::new([inputs, inner], 3), vb.clone())?;
            Some(Auxiliary { block, dropout: None, classifier: classifier(inner, vb.pp("4"))? })
        } else {
            None
        };
        Ok(Self { encoder, aspp, last, classifier: main, auxiliary, config })
    }

    /// Returns the network with this dropout after its pyramid, or without dropout. A clone of the
    /// [`Dropout`] shares the position in its stream of masks.
    #[must_use]
    pub fn with_dropout(mut self, dropout: impl Into<Option<Dropout>>) -> Self {
        self.aspp.set_dropout(dropout.into());
        self
    }

    /// Returns the network with dropout before its auxiliary classifier, if it has one. torchvision
    /// uses 0.1.
    #[must_use]
    pub fn with_auxiliary_dropout(mut self, dropout: Dropout) -> Self {
        if let Some(auxiliary) = &mut self.auxiliary {
            auxiliary.dropout = Some(dropout);
        }
        self
    }

    /// Returns the configuration.
    pub fn config(&self) -> &DeepLabV3Config {
        &self.config
    }

    /// Computes the logits of the classifier and of the auxiliary classifier.
    ///
    /// # Shapes
    ///
    /// Both `[N, classes, H, W]`.
    ///
    /// # Errors
    ///
    /// The errors of `forward_t`, and an error if the network has no auxiliary classifier.
    pub fn forward_with_auxiliary(&self, images: &Tensor, train: bool) -> Result<[Tensor; 2]> {
        let Some(Auxiliary { block, dropout, classifier }) = &self.auxiliary else {
            bail!(
                "{NAME}: no auxiliary classifier, expected a network of a config with `auxiliary`"
            );
        };
        let features = self.encoder.features(images, train)?;
        let [.., before, last] = &features[..] else {
            bail!("{NAME}: an encoder of one stage, expected at least 2")
        };
        let logits = self.classify(last, size_of(images)?, train)?;
        let mut x = block.forward_t(before, train)?;
        if let Some(dropout) = dropout {
            x = dropout.forward_t(&x, train)?;
        }
        Ok([logits, classifier.forward(&x, size_of(images)?)?])
    }

    fn classify(&self, features: &Tensor, size: [usize; 2], train: bool) -> Result<Tensor> {
        let x = self.last.forward_t(&self.aspp.forward_t(features, train)?, train)?;
        self.classifier.forward(&x, size)
    }
}

/// The name of the auxiliary classifier.
pub(super) const AUXILIARY: &str = "aux_classifier";

impl ModuleT for DeepLabV3 {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.classify(&self.encoder.forward_t(images, train)?, size_of(images)?, train)
    }
}
