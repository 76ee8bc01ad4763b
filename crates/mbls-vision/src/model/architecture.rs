//! Networks by name.

use super::{
    CifarResNetConfig, DenseNet, DenseNetConfig, ResNet, ResNetConfig, SmallCnn, SmallCnnConfig,
};
use crate::Error;
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{Dropout, Result};
use std::fmt;
use std::str::FromStr;

/// A network by name, such as `resnet50-cifar`, for use in recipes.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mbls_nn::{Dropout, ParamStore};
/// use mbls_vision::model::{Architecture, Options};
///
/// let architecture: Architecture = "resnet20".parse()?;
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let options = Options { dropout: Some(Dropout::new(0.5, 7)?) };
/// let model = architecture.build(10, [3, 32, 32], options, store.var_builder())?;
/// let logits =
///     model.forward_t(&Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?, false)?;
/// assert_eq!(logits.dims(), [2, 10]);
/// assert!("resnet21".parse::<Architecture>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Architecture(&'static Entry);

struct Entry {
    name: &'static str,
    /// The implementation whose parameter names the network uses.
    origin: &'static str,
    /// Creates the network's shape from the number of classes and the image shape; the channels are
    /// set afterwards.
    network: fn(usize, [usize; 3]) -> Result<Network>,
}

/// The shape of a network named by [`Architecture`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// A [`SmallCnn`].
    SmallCnn(SmallCnnConfig),
    /// A [`ResNet`].
    ResNet(ResNetConfig),
    /// A [`DenseNet`].
    DenseNet(DenseNetConfig),
}

/// Options of a network in addition to its shape.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Dropout before the linear layer.
    pub dropout: Option<Dropout>,
}

const HE: &str = "He et al., CIFAR";
const PUBLISHED: &str = "by-liu/MbLS";
const TORCHVISION: &str = "torchvision";

/// A row of the table below.
macro_rules! row {
    ($name:literal, $origin:expr, $kind:ident, |$classes:pat_param, $shape:pat_param| $config:expr) => {
        Entry {
            name: $name,
            origin: $origin,
            network: |$classes, $shape| {
                let config: Result<_> = $config;
                Ok(Network::$kind(config?.into()))
            },
        }
    };
}

/// All that have a name.
static TABLE: &[Entry] = &[
    row!("small-cnn", "this crate", SmallCnn, |n, shape| Ok(SmallCnnConfig::for_input(shape, n))),
    row!("resnet20", HE, ResNet, |n, _| Ok(CifarResNetConfig::resnet20(n))),
    row!("resnet32", HE, ResNet, |n, _| Ok(CifarResNetConfig::resnet32(n))),
    row!("resnet44", HE, ResNet, |n, _| Ok(CifarResNetConfig::resnet44(n))),
    row!("resnet56", HE, ResNet, |n, _| Ok(CifarResNetConfig::resnet56(n))),
    row!("resnet110", HE, ResNet, |n, _| Ok(CifarResNetConfig::resnet110(n))),
    row!("resnet18-cifar", PUBLISHED, ResNet, |n, _| ResNetConfig::cifar(18, n)),
    row!("resnet34-cifar", PUBLISHED, ResNet, |n, _| ResNetConfig::cifar(34, n)),
    row!("resnet50-cifar", PUBLISHED, ResNet, |n, _| ResNetConfig::cifar(50, n)),
    row!("resnet101-cifar", PUBLISHED, ResNet, |n, _| ResNetConfig::cifar(101, n)),
    row!("resnet110-cifar", PUBLISHED, ResNet, |n, _| ResNetConfig::cifar(110, n)),
    row!("resnet152-cifar", PUBLISHED, ResNet, |n, _| ResNetConfig::cifar(152, n)),
    row!("resnet18-tiny", PUBLISHED, ResNet, |n, _| ResNetConfig::tiny_imagenet(18, n)),
    row!("resnet34-tiny", PUBLISHED, ResNet, |n, _| ResNetConfig::tiny_imagenet(34, n)),
    row!("resnet50-tiny", PUBLISHED, ResNet, |n, _| ResNetConfig::tiny_imagenet(50, n)),
    row!("resnet101-tiny", PUBLISHED, ResNet, |n, _| ResNetConfig::tiny_imagenet(101, n)),
    row!("resnet110-tiny", PUBLISHED, ResNet, |n, _| ResNetConfig::tiny_imagenet(110, n)),
    row!("resnet152-tiny", PUBLISHED, ResNet, |n, _| ResNetConfig::tiny_imagenet(152, n)),
    row!("wrn-26-10", PUBLISHED, ResNet, |n, _| ResNetConfig::wide_cifar(26, 10, n)),
    row!("wrn-28-10", PUBLISHED, ResNet, |n, _| ResNetConfig::wide_cifar(28, 10, n)),
    row!("densenet121-cifar", PUBLISHED, DenseNet, |n, _| DenseNetConfig::cifar(121, n)),
    row!("densenet161-cifar", PUBLISHED, DenseNet, |n, _| DenseNetConfig::cifar(161, n)),
    row!("densenet169-cifar", PUBLISHED, DenseNet, |n, _| DenseNetConfig::cifar(169, n)),
    row!("densenet201-cifar", PUBLISHED, DenseNet, |n, _| DenseNetConfig::cifar(201, n)),
    row!("resnet18", TORCHVISION, ResNet, |n, _| ResNetConfig::torchvision(18, n)),
    row!("resnet34", TORCHVISION, ResNet, |n, _| ResNetConfig::torchvision(34, n)),
    row!("resnet50", TORCHVISION, ResNet, |n, _| ResNetConfig::torchvision(50, n)),
    row!("resnet101", TORCHVISION, ResNet, |n, _| ResNetConfig::torchvision(101, n)),
    row!("resnet152", TORCHVISION, ResNet, |n, _| ResNetConfig::torchvision(152, n)),
    row!("resnext50-32x4d", TORCHVISION, ResNet, |n, _| ResNetConfig::resnext(50, 32, 4, n)),
    row!("resnext101-32x8d", TORCHVISION, ResNet, |n, _| ResNetConfig::resnext(101, 32, 8, n)),
    row!("wide-resnet50-2", TORCHVISION, ResNet, |n, _| ResNetConfig::wide(50, 2, n)),
    row!("wide-resnet101-2", TORCHVISION, ResNet, |n, _| ResNetConfig::wide(101, 2, n)),
];

impl Architecture {
    /// Returns all named networks.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(Self)
    }

    /// Returns the name used in recipes, such as `resnet50-cifar`.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Returns the implementation whose parameter names the network uses, and whose checkpoints it
    /// can therefore load.
    pub fn origin(self) -> &'static str {
        self.0.origin
    }

    /// Returns the shape of the network for images of `shape` (channels, height, width).
    ///
    /// # Errors
    ///
    /// If `classes` or a part of `shape` is 0, or the images are too small for the network.
    pub fn network(self, classes: usize, shape: [usize; 3]) -> Result<Network> {
        let network = self.name();
        let invalid =
            |name, value, expected| mbls_nn::Error::Network { network, name, value, expected };
        let [channels, height, width] = shape;
        if classes == 0 {
            return Err(invalid("classes", "0".into(), "at least 1".into()));
        }
        if channels == 0 {
            return Err(invalid("channels", "0".into(), "at least 1".into()));
        }
        let mut network = (self.0.network)(classes, shape)?;
        let smallest = match &mut network {
            Network::SmallCnn(config) => config.smallest(),
            Network::ResNet(config) => {
                config.in_channels = channels;
                config.smallest()
            }
            Network::DenseNet(config) => {
                config.in_channels = channels;
                config.smallest()
            }
        };
        if height.min(width) < smallest {
            let (found, least) =
                (format!("{height}x{width}"), format!("at least {smallest}x{smallest}"));
            return Err(invalid("image size", found, least));
        }
        Ok(network)
    }

    /// Builds the network for images of `shape` (channels, height, width) with variables from `vb`.
    ///
    /// # Errors
    ///
    /// As for [`network`](Self::network), and if the builder does not have the tensors.
    pub fn build(
        self,
        classes: usize,
        shape: [usize; 3],
        options: Options,
        vb: VarBuilder,
    ) -> Result<Box<dyn ModuleT + Send + Sync>> {
        self.network(classes, shape)?.build(options, vb)
    }
}

impl Network {
    /// Builds the network of this shape with variables from `vb`.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if a size is 0 or too large; errors of candle if the builder
    /// does not have the tensors.
    pub fn build(self, options: Options, vb: VarBuilder) -> Result<Box<dyn ModuleT + Send + Sync>> {
        let Options { dropout } = options;
        Ok(match self {
            Self::SmallCnn(config) => Box::new(SmallCnn::new(config, vb)?.with_dropout(dropout)),
            Self::ResNet(config) => Box::new(ResNet::new(config, vb)?.with_dropout(dropout)),
            Self::DenseNet(config) => Box::new(DenseNet::new(config, vb)?.with_dropout(dropout)),
        })
    }

    /// Returns the name of the classifier layer, whose tensors are `{head}.weight` and
    /// `{head}.bias`.
    pub fn head(&self) -> &'static str {
        match self {
            Self::SmallCnn(_) | Self::ResNet(_) => "fc",
            Self::DenseNet(_) => "linear",
        }
    }
}

impl FromStr for Architecture {
    type Err = Error;

    fn from_str(name: &str) -> crate::Result<Self> {
        Ok(mbls_io::by_name("model", Self::all(), name)?)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Architecture({})", self.name())
    }
}

impl PartialEq for Architecture {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Architecture {}
