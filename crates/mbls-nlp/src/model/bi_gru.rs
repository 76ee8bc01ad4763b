//! A bidirectional recurrent network.

use super::{SequenceNetwork, check_size, check_vectors};
use candle_core::{Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{Dropout, DropoutLinear, Gru};
use serde::{Deserialize, Serialize};

const NAME: &str = "bidirectional GRU";

/// Configuration of a [`BiGru`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BiGruConfig {
    /// Dimension of a word vector.
    pub dim: usize,
    /// Dimension of the state of each direction.
    pub hidden: usize,
    /// Number of logits per text, 1 to 65536.
    pub classes: usize,
}

impl BiGruConfig {
    /// Returns the default configuration, with states of dimension 128.
    pub fn new(dim: usize, classes: usize) -> Self {
        Self { dim, hidden: 128, classes }
    }

    pub(super) fn validate(&self) -> mbls_nn::Result<()> {
        let fields = [("dim", self.dim), ("hidden", self.hidden), ("classes", self.classes)];
        fields.into_iter().try_for_each(|(field, value)| check_size(NAME, field, value))
    }
}

/// A bidirectional GRU layer, followed by dropout and a linear layer on the final states of both
/// directions.
///
/// [`forward_padded`](SequenceNetwork::forward_padded) skips padding: the forward direction starts
/// after it and the backward direction ends before it, so the logits do not depend on the length of
/// the padding. For a text that consists only of padding, the states are zeros and the logits are
/// the bias of the linear layer.
///
/// # Shapes
///
/// `[N, L, dim]` to `[N, classes]`. Parameters `gru` with PyTorch's names (see [`Gru`]) and `fc`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mbls_nlp::model::{BiGru, BiGruConfig, SequenceNetwork};
/// use mbls_nn::ParamStore;
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let model = BiGru::new(BiGruConfig::new(50, 20), store.var_builder())?;
/// let vectors = Tensor::ones((2, 7, 50), DType::F32, &Device::Cpu)?;
/// let logits = model.forward_padded(&vectors, &[0, 4], false)?;
/// assert_eq!(logits.dims(), [2, 20]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BiGru {
    gru: Gru,
    fc: DropoutLinear,
    config: BiGruConfig,
}

impl BiGru {
    /// Builds the network that `config` describes, with variables from `vb`.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if a size is 0 or too large; the error of candle if `vb` has no
    /// such tensors.
    pub fn new(config: BiGruConfig, vb: VarBuilder) -> mbls_nn::Result<Self> {
        config.validate()?;
        let gru = Gru::new(config.dim, config.hidden, true, vb.pp("gru"))?;
        let fc = DropoutLinear::new(2 * config.hidden, config.classes, vb.pp("fc"))?;
        Ok(Self { gru, fc, config })
    }

    /// Returns the network with this dropout before its linear layer, or without dropout. A clone
    /// of the [`Dropout`] shares the position in its stream of masks.
    #[must_use]
    pub fn with_dropout(self, dropout: impl Into<Option<Dropout>>) -> Self {
        Self { fc: self.fc.with_dropout(dropout), ..self }
    }

    /// Returns the configuration.
    pub fn config(&self) -> &BiGruConfig {
        &self.config
    }
}

impl ModuleT for BiGru {
    fn forward_t(&self, vectors: &Tensor, train: bool) -> Result<Tensor> {
        check_vectors(NAME, vectors, self.config.dim, 1)?;
        self.forward_padded(vectors, &vec![0; vectors.dim(0)?], train)
    }
}

impl SequenceNetwork for BiGru {
    fn forward_padded(&self, vectors: &Tensor, padding: &[usize], train: bool) -> Result<Tensor> {
        check_vectors(NAME, vectors, self.config.dim, 1)?;
        let x = self.gru.forward_padded(vectors, padding)?.last;
        self.fc.forward_t(&x, train)
    }

    fn shortest(&self) -> usize {
        1
    }
}
