//! Networks by name.

use super::deeplabv3::AUXILIARY;
use super::{
    DROPOUT, DeepLabV3, DeepLabV3Config, DeepLabV3Plus, DeepLabV3PlusConfig, Origin, UNet,
    UNetConfig,
};
use candle_nn::{ModuleT, VarBuilder};
use mbls_data::Error;
use mbls_nn::{Checkpoint, Dropout, ParamStore, Result};
use mbls_vision::model::pretrained::{self, Head, Pretrained};
use std::fmt;
use std::str::FromStr;

/// A network by its name, such as `deeplabv3-r50`: what a recipe names and a program builds.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mbls_nn::{Dropout, ParamStore};
/// use mbls_seg::model::{Architecture, Options};
///
/// let architecture: Architecture = "deeplabv3-r18".parse()?;
/// let network = architecture.network(21, 3)?;
/// let dropout = network.dropout().map(|p| Dropout::new(p, 7)).transpose()?;
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let model = network.build(Options { dropout }, store.var_builder())?;
/// let logits = model.forward_t(&Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?, true)?;
/// assert_eq!(logits.dims(), [2, 21, 32, 32]);
/// assert!("deeplabv3-r19".parse::<Architecture>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Architecture {
    family: Family,
    depth: usize,
}

/// What kind of network an [`Architecture`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// segmentation_models_pytorch's [`DeepLabV3`].
    DeepLabV3,
    /// torchvision's [`DeepLabV3`].
    DeepLabV3Torchvision,
    /// A [`DeepLabV3Plus`].
    DeepLabV3Plus,
    /// A [`UNet`].
    UNet,
}

/// The families, and the numbers of layers that their encoders have.
const FAMILIES: [(Family, &[usize]); 4] = [
    (Family::DeepLabV3, &[18, 34, 50, 101]),
    (Family::DeepLabV3Torchvision, &[50, 101]),
    (Family::DeepLabV3Plus, &[18, 34, 50, 101]),
    (Family::UNet, &[18, 34, 50, 101]),
];

/// The shape of a network that [`Architecture`] names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// A [`DeepLabV3`].
    DeepLabV3(DeepLabV3Config),
    /// A [`DeepLabV3Plus`].
    DeepLabV3Plus(DeepLabV3PlusConfig),
    /// A [`UNet`].
    UNet(UNetConfig),
}

/// What a network may have besides its shape.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Dropout after the spatial pyramid; [`Network::dropout`] says how much the original has.
    pub dropout: Option<Dropout>,
}

impl Architecture {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        FAMILIES
            .iter()
            .flat_map(|&(family, depths)| depths.iter().map(move |&depth| Self { family, depth }))
    }

    /// Its kind.
    pub fn family(self) -> Family {
        self.family
    }

    /// The number of layers of its encoder.
    pub fn depth(self) -> usize {
        self.depth
    }

    /// Its shape for images of this many channels.
    ///
    /// # Errors
    ///
    /// Where `classes` or `channels` is 0 or too large.
    pub fn network(self, classes: usize, channels: usize) -> Result<Network> {
        let depth = self.depth;
        let mut network = match self.family {
            Family::DeepLabV3 => {
                Network::DeepLabV3(DeepLabV3Config::new(Origin::Smp, depth, classes)?)
            }
            Family::DeepLabV3Torchvision => {
                Network::DeepLabV3(DeepLabV3Config::new(Origin::Torchvision, depth, classes)?)
            }
            Family::DeepLabV3Plus => {
                Network::DeepLabV3Plus(DeepLabV3PlusConfig::new(depth, classes)?)
            }
            Family::UNet => Network::UNet(UNetConfig::new(depth, classes)?),
        };
        match &mut network {
            Network::DeepLabV3(config) => {
                config.encoder.in_channels = channels;
                config.validate()?;
            }
            Network::DeepLabV3Plus(config) => {
                config.encoder.in_channels = channels;
                config.validate()?;
            }
            Network::UNet(config) => {
                config.encoder.in_channels = channels;
                config.validate()?;
            }
        }
        Ok(network)
    }
}

impl Network {
    /// The network of this shape, its variables from `vb`.
    ///
    /// # Errors
    ///
    /// Where a field is out of its range, the builder has no such tensors, or dropout is asked for
    /// where there is no place for it.
    pub fn build(self, options: Options, vb: VarBuilder) -> Result<Box<dyn ModuleT + Send + Sync>> {
        let Options { dropout } = options;
        Ok(match self {
            Self::DeepLabV3(config) => Box::new(DeepLabV3::new(config, vb)?.with_dropout(dropout)),
            Self::DeepLabV3Plus(config) => {
                Box::new(DeepLabV3Plus::new(config, vb)?.with_dropout(dropout))
            }
            Self::UNet(_) if dropout.is_some() => {
                return Err(mbls_nn::Error::network("U-Net", "dropout", "given", "none"));
            }
            Self::UNet(config) => Box::new(UNet::new(config, vb)?),
        })
    }

    /// The dropout of the original; `None` where it has none.
    pub fn dropout(&self) -> Option<f64> {
        match self {
            Self::DeepLabV3(_) | Self::DeepLabV3Plus(_) => Some(DROPOUT),
            Self::UNet(_) => None,
        }
    }

    /// The name of its encoder.
    pub fn encoder(&self) -> &'static str {
        match self {
            Self::DeepLabV3(config) => config.origin.names().encoder,
            Self::DeepLabV3Plus(_) | Self::UNet(_) => "encoder",
        }
    }

    /// The name of its classifier, whose tensors are `{head}.weight` and `{head}.bias`.
    pub fn head(&self) -> &'static str {
        match self {
            Self::DeepLabV3(config) => config.origin.names().classifier,
            Self::DeepLabV3Plus(_) | Self::UNet(_) => "segmentation_head.0",
        }
    }

    /// Sets the network's variables in `store`, where it was built, to the weights of a whole
    /// network of the same origin.
    ///
    /// The classifier is taken as [`Head`] says. Auxiliary classifiers (`aux_classifier`,
    /// `classification_head`) are taken likewise, and left out where the network has none.
    ///
    /// # Errors
    ///
    /// As [`pretrained::load`].
    pub fn load(
        &self,
        store: &ParamStore,
        checkpoint: &Checkpoint,
        choice: Head,
    ) -> Result<Pretrained> {
        pretrained::load_beside(
            store,
            checkpoint,
            self.head(),
            &[AUXILIARY, "classification_head"],
            choice,
        )
    }

    /// Sets the network's encoder in `store`, where it was built, to the weights of torchvision's
    /// classifier, such as those of ImageNet.
    ///
    /// # Errors
    ///
    /// As [`pretrained::load_encoder`].
    pub fn load_encoder(&self, store: &ParamStore, checkpoint: &Checkpoint) -> Result<Pretrained> {
        pretrained::load_encoder(store, self.encoder(), checkpoint, "fc")
    }
}

impl FromStr for Architecture {
    type Err = Error;

    fn from_str(name: &str) -> mbls_data::Result<Self> {
        Ok(mbls_io::by_name("model", Self::all(), name)?)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = self.depth;
        match self.family {
            Family::DeepLabV3 => write!(f, "deeplabv3-r{depth}"),
            Family::DeepLabV3Torchvision => write!(f, "deeplabv3-r{depth}-torchvision"),
            Family::DeepLabV3Plus => write!(f, "deeplabv3plus-r{depth}"),
            Family::UNet => write!(f, "unet-r{depth}"),
        }
    }
}

impl fmt::Debug for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Architecture({self})")
    }
}
