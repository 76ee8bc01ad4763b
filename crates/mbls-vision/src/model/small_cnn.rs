//! A small convolutional network.

use super::ConvNorm;
use candle_core::{Module, Result, Tensor, bail};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{ConvConfig, Dropout, DropoutLinear, Error, MaxPool2d};

/// Shape of a [`SmallCnn`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmallCnnConfig {
    /// Channels, height and width of the input.
    pub input: [usize; 3],
    /// Number of logits per image, at least 1.
    pub classes: usize,
    /// Channels after each of the three convolutions.
    pub channels: [usize; 3],
    /// Whether a pool follows the first convolution too; a pool always follows the second one.
    pub pool_first: bool,
}

impl SmallCnnConfig {
    /// Returns the shape for images of `shape` (channels, height, width): 32, 64 and 64 channels,
    /// with the first pool from 16 pixels on.
    pub fn for_input(shape: [usize; 3], classes: usize) -> Self {
        let [_, height, width] = shape;
        Self { input: shape, classes, channels: [32, 64, 64], pool_first: height.min(width) >= 16 }
    }

    /// Returns the minimum height and width of an image.
    pub fn smallest(&self) -> usize {
        if self.pool_first { 4 } else { 2 }
    }
}

/// Three 3x3 convolutions, each with batch norm and ReLU; a 2x2 max pool after the second and, for
/// larger images, the first; one linear layer on all remaining values.
///
/// It takes 1.8 million multiplications for an image of 8x8, 6 million for one of 28x28.
///
/// # Shapes
///
/// `[N, channels, H, W]` to `[N, classes]`, H and W at least 2, or 4 with `pool_first`. Parameters
/// `conv1`, `bn1`, `conv2`, `bn2`, `conv3`, `bn3`, `fc`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nn::ParamStore;
/// use mbls_vision::model::{SmallCnn, SmallCnnConfig};
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let model = SmallCnn::new(SmallCnnConfig::for_input([1, 8, 8], 10), store.var_builder())?;
/// let logits =
///     model.forward_t(&Tensor::zeros((3, 1, 8, 8), DType::F32, &Device::Cpu)?, false)?;
/// assert_eq!(logits.dims(), [3, 10]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SmallCnn {
    convolutions: [ConvNorm; 3],
    fc: DropoutLinear,
    config: SmallCnnConfig,
}

impl SmallCnn {
    /// Creates the network described by `config`.
    ///
    /// # Errors
    ///
    /// If a number of channels or classes is 0, the images are too small, or the builder does not
    /// have the tensors.
    pub fn new(config: SmallCnnConfig, vb: VarBuilder) -> mbls_nn::Result<Self> {
        let [inputs, height, width] = config.input;
        let shrink = config.smallest();
        if height.min(width) < shrink {
            let (found, least) =
                (format!("{height}x{width}"), format!("at least {shrink}x{shrink}"));
            return Err(Error::network("small CNN", "image size", found, least));
        }
        let [first, second, third] = config.channels;
        let layer = |number: usize, inputs, outputs| {
            let (conv, norm) = (vb.pp(format!("conv{number}")), vb.pp(format!("bn{number}")));
            ConvNorm::new([inputs, outputs], 3, ConvConfig::<2>::before_norm(), conv, norm)
        };
        let convolutions =
            [layer(1, inputs, first)?, layer(2, first, second)?, layer(3, second, third)?];
        let fc = DropoutLinear::new(
            third * (height / shrink) * (width / shrink),
            config.classes,
            vb.pp("fc"),
        )?;
        Ok(Self { convolutions, fc, config })
    }

    /// Returns the network with this dropout before its linear layer, or with none; a clone shares
    /// the position of the dropout masks.
    #[must_use]
    pub fn with_dropout(self, dropout: impl Into<Option<Dropout>>) -> Self {
        Self { fc: self.fc.with_dropout(dropout), ..self }
    }

    /// Returns the shape of the network.
    pub fn config(&self) -> &SmallCnnConfig {
        &self.config
    }
}

impl ModuleT for SmallCnn {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let (_, channels, height, width) = images.dims4()?;
        if [channels, height, width] != self.config.input {
            bail!(
                "small CNN: images of shape {:?}, expected [N, C, H, W] of {:?}",
                images.dims(),
                self.config.input
            );
        }
        let pool = MaxPool2d::new(2, 2, 0);
        let mut x = images.clone();
        for (i, unit) in self.convolutions.iter().enumerate() {
            x = unit.forward_relu(&x, None, train)?;
            if i == 1 || (i == 0 && self.config.pool_first) {
                x = pool.forward(&x)?;
            }
        }
        self.fc.forward_t(&x.flatten_from(1)?, train)
    }
}
