//! Networks by name.

use super::{
    BiGru, BiGruConfig, GlobalPoolingCnn, GlobalPoolingCnnConfig, SequenceNetwork, TextCnn,
    TextCnnConfig,
};
use candle_nn::VarBuilder;
use mbls_data::Error;
use mbls_nn::{Dropout, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A network architecture, identified by its name in recipes, such as `global-pooling-cnn`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mbls_nlp::model::{Architecture, Options};
/// use mbls_nn::{Dropout, ParamStore};
///
/// let architecture: Architecture = "text-cnn".parse()?;
/// let network = architecture.network(20, 100);
/// let dropout = network.dropout().map(|p| Dropout::new(p, 7)).transpose()?;
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let model = network.build(Options { dropout }, store.var_builder())?;
/// let logits =
///     model.forward_t(&Tensor::zeros((2, 30, 100), DType::F32, &Device::Cpu)?, true)?;
/// assert_eq!(logits.dims(), [2, 20]);
/// assert!("text-rnn".parse::<Architecture>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// The [`GlobalPoolingCnn`] of the published code.
    GlobalPoolingCnn,
    /// Kim's [`TextCnn`].
    TextCnn,
    /// A [`BiGru`].
    BiGru,
}

/// The configuration of a network. In JSON, the field `kind` is the name of its architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Network {
    /// A [`GlobalPoolingCnn`].
    GlobalPoolingCnn(GlobalPoolingCnnConfig),
    /// A [`TextCnn`].
    TextCnn(TextCnnConfig),
    /// A [`BiGru`].
    BiGru(BiGruConfig),
}

/// Options of a network in addition to its configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Dropout before the last layer; [`Network::dropout`] returns the probability in the original.
    pub dropout: Option<Dropout>,
}

impl Architecture {
    /// Returns all architectures.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::GlobalPoolingCnn, Self::TextCnn, Self::BiGru].into_iter()
    }

    /// Returns the name in recipes, such as `text-cnn`.
    pub fn name(self) -> &'static str {
        match self {
            Self::GlobalPoolingCnn => "global-pooling-cnn",
            Self::TextCnn => "text-cnn",
            Self::BiGru => "bi-gru",
        }
    }

    /// Returns the default configuration for word vectors of dimension `dim`.
    pub fn network(self, classes: usize, dim: usize) -> Network {
        match self {
            Self::GlobalPoolingCnn => {
                Network::GlobalPoolingCnn(GlobalPoolingCnnConfig::new(dim, classes))
            }
            Self::TextCnn => Network::TextCnn(TextCnnConfig::new(dim, classes)),
            Self::BiGru => Network::BiGru(BiGruConfig::new(dim, classes)),
        }
    }

    /// Builds the network with its default configuration for word vectors of dimension `dim`, with
    /// variables from `vb`.
    ///
    /// # Errors
    ///
    /// The errors of [`Network::build`].
    pub fn build(
        self,
        classes: usize,
        dim: usize,
        options: Options,
        vb: VarBuilder,
    ) -> Result<Box<dyn SequenceNetwork>> {
        self.network(classes, dim).build(options, vb)
    }
}

impl Network {
    /// Builds the network, with variables from `vb`.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if a size is 0 or too large; the error of candle if `vb` has no
    /// such tensors.
    pub fn build(self, options: Options, vb: VarBuilder) -> Result<Box<dyn SequenceNetwork>> {
        let Options { dropout } = options;
        Ok(match self {
            Self::GlobalPoolingCnn(config) => {
                Box::new(GlobalPoolingCnn::new(config, vb)?.with_dropout(dropout))
            }
            Self::TextCnn(config) => Box::new(TextCnn::new(config, vb)?.with_dropout(dropout)),
            Self::BiGru(config) => Box::new(BiGru::new(config, vb)?.with_dropout(dropout)),
        })
    }

    /// Checks all sizes.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] with the name, the value and the range of a size that is out of
    /// range.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::GlobalPoolingCnn(config) => config.validate(),
            Self::TextCnn(config) => config.validate(),
            Self::BiGru(config) => config.validate(),
        }
    }

    /// Returns the dimension of a word vector.
    pub fn dim(&self) -> usize {
        match self {
            Self::GlobalPoolingCnn(config) => config.dim,
            Self::TextCnn(config) => config.dim,
            Self::BiGru(config) => config.dim,
        }
    }

    /// Returns the number of logits per text.
    pub fn classes(&self) -> usize {
        match self {
            Self::GlobalPoolingCnn(config) => config.classes,
            Self::TextCnn(config) => config.classes,
            Self::BiGru(config) => config.classes,
        }
    }

    /// Returns the minimum length of a sequence. The configuration must be
    /// [valid](Self::validate).
    pub fn shortest(&self) -> usize {
        match self {
            Self::GlobalPoolingCnn(config) => config.shortest(),
            Self::TextCnn(config) => config.shortest(),
            Self::BiGru(_) => 1,
        }
    }

    /// Returns the largest number of activations per sequence entry in any layer. The configuration
    /// must be [valid](Self::validate).
    pub(crate) fn widest(&self) -> usize {
        match self {
            Self::GlobalPoolingCnn(config) => config.dim.max(config.channels),
            Self::TextCnn(config) => config.dim.max(config.channels),
            // There are three gates per state.
            Self::BiGru(config) => config.dim.max(3 * config.hidden),
        }
    }

    /// Returns the usual dropout probability; `None` if the original has no dropout.
    pub fn dropout(&self) -> Option<f64> {
        match self {
            Self::GlobalPoolingCnn(_) => None,
            Self::TextCnn(_) | Self::BiGru(_) => Some(0.5),
        }
    }

    /// Returns the name of the classifier, whose tensors are `{head}.weight` and `{head}.bias`.
    pub fn head(&self) -> &'static str {
        match self {
            Self::GlobalPoolingCnn(_) => "fc2",
            Self::TextCnn(_) | Self::BiGru(_) => "fc",
        }
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
        f.write_str(self.name())
    }
}
