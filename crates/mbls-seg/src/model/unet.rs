//! U-Net with a residual network as encoder.

use super::block::{Block, BlockShape};
use super::classifier::Classifier;
use super::{check_size, size_of};
use candle_core::{Module, Result, Tensor, bail};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{ConvInit, Error, Nearest2d};
use mbls_vision::model::{ResNetConfig, ResNetEncoder};

const NAME: &str = "U-Net";

/// Configuration of a [`UNet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UNetConfig {
    /// The encoder; its `pool` and `classes` have no effect.
    pub encoder: ResNetConfig,
    /// Channels of the decoder blocks: one for each stage of the encoder and one for its stem.
    pub decoder: Vec<usize>,
    /// Number of logits per pixel, 1 to 65536.
    pub classes: usize,
}

impl UNetConfig {
    /// Returns the default configuration of segmentation_models_pytorch with an encoder of 18, 34,
    /// 50, 101 or 152 layers: decoder blocks of 256, 128, 64, 32 and 16 channels.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if there is no encoder with `depth` layers.
    pub fn new(depth: usize, classes: usize) -> mbls_nn::Result<Self> {
        let decoder = vec![256, 128, 64, 32, 16];
        Ok(Self { encoder: ResNetConfig::torchvision(depth, 0)?, decoder, classes })
    }

    /// Checks the fields.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] for the first field that is out of range.
    pub fn validate(&self) -> mbls_nn::Result<()> {
        self.encoder.validate()?;
        let expected = self.encoder.stages.len() + 1;
        if self.decoder.len() != expected {
            let stages = expected - 1;
            let expected = format!("{expected} blocks on {stages} stages and a stem");
            return Err(Error::network(
                NAME,
                "decoder",
                format_args!("{:?}", self.decoder),
                expected,
            ));
        }
        self.decoder
            .iter()
            .try_for_each(|&channels| check_size(NAME, "a decoder's channels", channels))?;
        check_size(NAME, "classes", self.classes)
    }
}

/// U-Net with a residual network as encoder. Each decoder block upsamples its input (nearest
/// neighbour) to the size of the previous encoder stage, concatenates the features of that stage
/// and applies two 3x3 convolutions. A 3x3 convolution at the size of the image is the classifier.
///
/// # Shapes
///
/// `[N, in_channels, H, W]` to `[N, classes, H, W]`, for any H and W. Parameters `encoder`,
/// `decoder.blocks.{i}.{conv1,conv2}.{0,1}`, `segmentation_head.0`.
///
/// # References
///
/// Ronneberger et al.: U-Net: Convolutional Networks for Biomedical Image Segmentation (MICCAI
/// 2015). Names, order, initialisation and details follow segmentation_models_pytorch.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nn::ParamStore;
/// use mbls_seg::model::{UNet, UNetConfig};
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let model = UNet::new(UNetConfig::new(18, 21)?, store.var_builder())?;
/// let logits =
///     model.forward_t(&Tensor::zeros((1, 3, 40, 33), DType::F32, &Device::Cpu)?, false)?;
/// assert_eq!(logits.dims(), [1, 21, 40, 33]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct UNet {
    encoder: ResNetEncoder,
    blocks: Vec<[Block; 2]>,
    classifier: Classifier,
    config: UNetConfig,
}

impl UNet {
    /// Builds the network that `config` describes, with variables from `vb`.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if a field of `config` is out of range; the error of candle if
    /// `vb` has no such tensors.
    pub fn new(config: UNetConfig, vb: VarBuilder) -> mbls_nn::Result<Self> {
        config.validate()?;
        let encoder = ResNetEncoder::new(&config.encoder, vb.pp("encoder"))?;
        let mut channels = encoder.channels().into_iter().rev();
        let mut inputs = channels.next().unwrap_or_default();
        let mut blocks = Vec::new();
        for (i, &outputs) in config.decoder.iter().enumerate() {
            // The last block, at the size of the image, has no features to concatenate.
            let joined = inputs + channels.next().unwrap_or(0);
            let vb = vb.pp(format!("decoder.blocks.{i}"));
            let block = |inputs: usize, name: &str| {
                let init = ConvInit::KaimingUniformFanIn;
                Block::sequence(
                    BlockShape { init, ..BlockShape::new([inputs, outputs], 3) },
                    vb.pp(name),
                )
            };
            blocks.push([block(joined, "conv1")?, block(outputs, "conv2")?]);
            inputs = outputs;
        }
        let sizes = [inputs, config.classes];
        let classifier =
            Classifier::new(sizes, 3, ConvInit::XavierUniform, true, vb.pp("segmentation_head.0"))?;
        Ok(Self { encoder, blocks, classifier, config })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &UNetConfig {
        &self.config
    }
}

impl ModuleT for UNet {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let mut features = self.encoder.features(images, train)?;
        let Some(mut x) = features.pop() else { bail!("{NAME}: an encoder without features") };
        for [first, second] in &self.blocks {
            let before = features.pop();
            let output = size_of(before.as_ref().unwrap_or(images))?;
            x = Nearest2d { output }.forward(&x)?;
            if let Some(before) = before {
                x = Tensor::cat(&[x, before], 1)?;
            }
            x = second.forward_t(&first.forward_t(&x, train)?, train)?;
        }
        self.classifier.forward(&x, size_of(images)?)
    }
}
