//! Kim's convolutional network for sentence classification.

use super::{SequenceNetwork, check_padding, check_size, check_vectors};
use candle_core::{Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{Conv1dChannelsLast, ConvEpilogue, Dropout, DropoutLinear, Error};
use serde::{Deserialize, Serialize};

const NAME: &str = "TextCNN";

/// Configuration of a [`TextCnn`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextCnnConfig {
    /// Dimension of a word vector.
    pub dim: usize,
    /// Kernel size of each convolution, in words.
    pub kernels: Vec<usize>,
    /// Number of channels of each convolution.
    pub channels: usize,
    /// Number of logits per text, 1 to 65536.
    pub classes: usize,
}

impl TextCnnConfig {
    /// Returns the configuration of the paper: 100 channels each for kernels of 3, 4 and 5 words.
    pub fn new(dim: usize, classes: usize) -> Self {
        Self { dim, kernels: vec![3, 4, 5], channels: 100, classes }
    }

    /// Returns the minimum length of a sequence, which is the size of the widest kernel.
    pub fn shortest(&self) -> usize {
        self.kernels.iter().copied().max().unwrap_or(1)
    }

    pub(super) fn validate(&self) -> mbls_nn::Result<()> {
        if !(1..=16).contains(&self.kernels.len()) {
            let kernels = format!("{:?}", self.kernels);
            return Err(Error::network(NAME, "kernels", kernels, "1 to 16 kernels"));
        }
        let fields = [("dim", self.dim), ("channels", self.channels), ("classes", self.classes)];
        let kernels = self.kernels.iter().map(|&kernel| ("a kernel", kernel));
        fields
            .into_iter()
            .chain(kernels)
            .try_for_each(|(field, value)| check_size(NAME, field, value))
    }
}

/// Parallel convolutions of several widths, each with ReLU and global max pooling, followed by
/// dropout and a linear layer.
///
/// Padding is processed as zero vectors, also by
/// [`forward_padded`](SequenceNetwork::forward_padded).
///
/// # Shapes
///
/// `[N, L, dim]` to `[N, classes]`, L at least as long as the widest kernel. Parameters `convs.0`,
/// `convs.1`, .. and `fc`.
///
/// # References
///
/// Kim, Convolutional neural networks for sentence classification, 2014. The paper uses a dropout
/// of 0.5; its limit on the norm of the rows of the last layer is not implemented.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nlp::model::{TextCnn, TextCnnConfig};
/// use mbls_nn::ParamStore;
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let model = TextCnn::new(TextCnnConfig::new(100, 20), store.var_builder())?;
/// let logits =
///     model.forward_t(&Tensor::zeros((2, 50, 100), DType::F32, &Device::Cpu)?, false)?;
/// assert_eq!(logits.dims(), [2, 20]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TextCnn {
    convolutions: Vec<Conv1dChannelsLast>,
    fc: DropoutLinear,
    config: TextCnnConfig,
}

impl TextCnn {
    /// Builds the network that `config` describes, with variables from `vb`.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if a size is 0 or too large; the error of candle if `vb` has no
    /// such tensors.
    pub fn new(config: TextCnnConfig, vb: VarBuilder) -> mbls_nn::Result<Self> {
        config.validate()?;
        let conv = |(i, &kernel)| {
            Conv1dChannelsLast::new(config.dim, config.channels, kernel, vb.pp("convs").pp(i))
        };
        let convolutions =
            config.kernels.iter().enumerate().map(conv).collect::<Result<Vec<_>>>()?;
        let fc = DropoutLinear::new(
            config.kernels.len() * config.channels,
            config.classes,
            vb.pp("fc"),
        )?;
        Ok(Self { convolutions, fc, config })
    }

    /// Returns the network with this dropout before its linear layer, or without dropout. A clone
    /// of the [`Dropout`] shares the position in its stream of masks.
    #[must_use]
    pub fn with_dropout(self, dropout: impl Into<Option<Dropout>>) -> Self {
        Self { fc: self.fc.with_dropout(dropout), ..self }
    }

    /// Returns the configuration.
    pub fn config(&self) -> &TextCnnConfig {
        &self.config
    }
}

impl ModuleT for TextCnn {
    fn forward_t(&self, vectors: &Tensor, train: bool) -> Result<Tensor> {
        check_vectors(NAME, vectors, self.config.dim, self.config.shortest())?;
        let features =
            self.convolutions.iter().map(|conv| conv.forward_with(vectors, ConvEpilogue::ReluMax));
        let x = Tensor::cat(&features.collect::<Result<Vec<_>>>()?, 1)?;
        self.fc.forward_t(&x, train)
    }
}

impl SequenceNetwork for TextCnn {
    fn forward_padded(&self, vectors: &Tensor, padding: &[usize], train: bool) -> Result<Tensor> {
        check_padding(NAME, vectors, padding)?;
        self.forward_t(vectors, train)
    }

    fn shortest(&self) -> usize {
        self.config.shortest()
    }
}
