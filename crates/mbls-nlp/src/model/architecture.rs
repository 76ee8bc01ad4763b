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

/// A network by its name, such as `global-pooling-cnn`: what a recipe names and a program builds.
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
/// let logits = model.forward_t(&Tensor::zeros((2, 30, 100), DType::F32, &Device::Cpu)?, true)?;
/// assert_eq!(logits.dims(), [2, 20]);
/// assert!("text-rnn".parse::<Architecture>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// The published code's [`GlobalPoolingCnn`].
    GlobalPoolingCnn,
    /// Kim's [`TextCnn`].
    TextCnn,
    /// A [`BiGru`].
    BiGru,
}

/// The shape of a network that [`Architecture`] names; as JSON its name is the field `kind`.
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

/// What a network may have besides its shape.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Dropout before the last layer; [`Network::dropout`] says how much the original has.
    pub dropout: Option<Dropout>,
}

impl Architecture {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::GlobalPoolingCnn, Self::TextCnn, Self::BiGru].into_iter()
    }

    /// Returns the name that recipes have, such as `text-cnn`.
    pub fn name(self) -> &'static str {
        match self {
            Self::GlobalPoolingCnn => "global-pooling-cnn",
            Self::TextCnn => "text-cnn",
            Self::BiGru => "bi-gru",
        }
    }

    /// Its shape for word vectors of `dim` numbers.
    pub fn network(self, classes: usize, dim: usize) -> Network {
        match self {
            Self::GlobalPoolingCnn => {
                Network::GlobalPoolingCnn(GlobalPoolingCnnConfig::new(dim, classes))
            }
            Self::TextCnn => Network::TextCnn(TextCnnConfig::new(dim, classes)),
            Self::BiGru => Network::BiGru(BiGruConfig::new(dim, classes)),
        }
    }

    /// The network for word vectors of `dim` numbers, its variables from `vb`.
    ///
    /// # Errors
    ///
    /// As [`Network::build`].
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
    /// The network of this shape, its variables from `vb`.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] where a size is 0 or too large; what candle reports where the
    /// builder has no such tensors.
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

    /// Whether every size is one that a network can have.
    ///
    /// # Errors
    ///
    /// The size, its value and its range.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::GlobalPoolingCnn(config) => config.validate(),
            Self::TextCnn(config) => config.validate(),
            Self::BiGru(config) => config.validate(),
        }
    }

    /// Numbers of a word vector.
    pub fn dim(&self) -> usize {
        match self {
            Self::GlobalPoolingCnn(config) => config.dim,
            Self::TextCnn(config) => config.dim,
            Self::BiGru(config) => config.dim,
        }
    }

    /// Returns the number of logits for a text.
    pub fn classes(&self) -> usize {
        match self {
            Self::GlobalPoolingCnn(config) => config.classes,
            Self::TextCnn(config) => config.classes,
            Self::BiGru(config) => config.classes,
        }
    }

    /// The least number of entries of a sequence; of sizes that are [valid](Self::validate).
    pub fn shortest(&self) -> usize {
        match self {
            Self::GlobalPoolingCnn(config) => config.shortest(),
            Self::TextCnn(config) => config.shortest(),
            Self::BiGru(_) => 1,
        }
    }

    /// The most numbers that a layer makes of an entry of a sequence; of sizes that are
    /// [valid](Self::validate).
    pub(crate) fn widest(&self) -> usize {
        match self {
            Self::GlobalPoolingCnn(config) => config.dim.max(config.channels),
            Self::TextCnn(config) => config.dim.max(config.channels),
            // Three gates of each state.
            Self::BiGru(config) => config.dim.max(3 * config.hidden),
        }
    }

    /// The usual dropout; `None` where the original has none.
    pub fn dropout(&self) -> Option<f64> {
        match self {
            Self::GlobalPoolingCnn(_) => None,
            Self::TextCnn(_) | Self::BiGru(_) => Some(0.5),
        }
    }

    /// The name of its classifier, whose tensors are `{head}.weight` and `{head}.bias`.
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
