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

/// A network architecture, identified by its name in recipes, such as `deeplabv3-r50`.
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
/// let logits =
///     model.forward_t(&Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?, true)?;
/// assert_eq!(logits.dims(), [2, 21, 32, 32]);
/// assert!("deeplabv3-r19".parse::<Architecture>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Architecture {
    family: Family,
    depth: usize,
}

/// Family of networks that an [`Architecture`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The [`DeepLabV3`] of segmentation_models_pytorch.
    DeepLabV3,
    /// The [`DeepLabV3`] of torchvision.
    DeepLabV3Torchvision,
    /// A [`DeepLabV3Plus`].
    DeepLabV3Plus,
    /// A [`UNet`].
    UNet,
}

/// The families with the available depths of their encoders.
const FAMILIES: [(Family, &[usize]); 4] = [
    (Family::DeepLabV3, &[18, 34, 50, 101]),
    (Family::DeepLabV3Torchvision, &[50, 101]),
    (Family::DeepLabV3Plus, &[18, 34, 50, 101]),
    (Family::UNet, &[18, 34, 50, 101]),
];

/// The configuration of a network, see [`Architecture::network`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// A [`DeepLabV3`].
    DeepLabV3(DeepLabV3Config),
    /// A [`DeepLabV3Plus`].
    DeepLabV3Plus(DeepLabV3PlusConfig),
    /// A [`UNet`].
    UNet(UNetConfig),
}

/// Options of a network in addition to its configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Dropout after the spatial pyramid; [`Network::dropout`] returns the probability in the
    /// original.
    pub dropout: Option<Dropout>,
}

impl Architecture {
    /// Returns all architectures.
    pub fn all() -> impl Iterator<Item = Self> {
        FAMILIES
            .iter()
            .flat_map(|&(family, depths)| depths.iter().map(move |&depth| Self { family, depth }))
    }

    /// Returns the family.
    pub fn family(self) -> Family {
        self.family
    }

    /// Returns the number of layers of the encoder.
    pub fn depth(self) -> usize {
        self.depth
    }

    /// Returns the configuration of the network for images with `channels` channels.
    ///
    /// # Errors
    ///
    /// An error if `classes` or `channels` is 0 or too large.
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
    /// Builds the network, with variables from `vb`.
    ///
    /// # Errors
    ///
    /// An error if a field is out of range, if `vb` has no such tensors, or if `options` has
    /// dropout for a network without a place for it.
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

    /// Returns the dropout probability of the original network; `None` if it has no dropout.
    pub fn dropout(&self) -> Option<f64> {
        match self {
            Self::DeepLabV3(_) | Self::DeepLabV3Plus(_) => Some(DROPOUT),
            Self::UNet(_) => None,
        }
    }

    /// Returns the name of the encoder.
    pub fn encoder(&self) -> &'static str {
        match self {
            Self::DeepLabV3(config) => config.origin.names().encoder,
            Self::DeepLabV3Plus(_) | Self::UNet(_) => "encoder",
        }
    }

    /// Returns the name of the classifier, whose tensors are `{head}.weight` and `{head}.bias`.
    pub fn head(&self) -> &'static str {
        match self {
            Self::DeepLabV3(config) => config.origin.names().classifier,
            Self::DeepLabV3Plus(_) | Self::UNet(_) => "segmentation_head.0",
        }
    }

    /// Sets the variables of the network in `store`, with which it was built, to the pretrained
    /// weights of a complete network of the same origin.
    ///
    /// `choice` determines how the classifier is loaded. It also applies to auxiliary
    /// classifiers (`aux_classifier`, `classification_head`), which are skipped if this network has
    /// none.
    ///
    /// # Errors
    ///
    /// The errors of [`pretrained::load`].
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

    /// Sets the encoder of the network in `store`, with which it was built, to the weights of a
    /// torchvision classifier, such as one trained on ImageNet.
    ///
    /// # Errors
    ///
    /// The errors of [`pretrained::load_encoder`].
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
