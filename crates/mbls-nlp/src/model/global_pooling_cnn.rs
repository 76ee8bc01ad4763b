//! The text network of the published code.

use super::{SequenceNetwork, check_padding, check_size, check_vectors};
use candle_core::{Module, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::{Conv1dChannelsLast, ConvEpilogue, Dropout, DropoutLinear, Error, Linear, Relu};
use serde::{Deserialize, Serialize};

const NAME: &str = "GlobalPoolingCNN";

/// The widest pool that [`Conv1dChannelsLast`] supports.
const WIDEST_POOL: usize = 256;

/// Configuration of a [`GlobalPoolingCnn`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalPoolingCnnConfig {
    /// Dimension of a word vector.
    pub dim: usize,
    /// Number of channels of each convolution.
    pub channels: usize,
    /// Kernel size of each convolution.
    pub kernel: usize,
    /// Window size of the max pooling after the first and the second convolution, with stride 1; at
    /// most 256.
    pub pool: usize,
    /// Number of features between the two linear layers.
    pub hidden: usize,
    /// Number of logits per text, 1 to 65536.
    pub classes: usize,
}

impl GlobalPoolingCnnConfig {
    /// Returns the published configuration: 128 channels and features, kernels and pools of size 5.
    pub fn new(dim: usize, classes: usize) -> Self {
        Self { dim, channels: 128, kernel: 5, pool: 5, hidden: 128, classes }
    }

    /// Returns the minimum length of a sequence.
    pub fn shortest(&self) -> usize {
        3 * self.kernel.saturating_sub(1) + 2 * self.pool.saturating_sub(1) + 1
    }

    pub(super) fn validate(&self) -> mbls_nn::Result<()> {
        let fields = [
            ("dim", self.dim),
            ("channels", self.channels),
            ("kernel", self.kernel),
            ("pool", self.pool),
            ("hidden", self.hidden),
            ("classes", self.classes),
        ];
        fields.into_iter().try_for_each(|(field, value)| check_size(NAME, field, value))?;
        if self.pool > WIDEST_POOL {
            return Err(Error::network(
                NAME,
                "pool",
                self.pool,
                format_args!("1 to {WIDEST_POOL}"),
            ));
        }
        Ok(())
    }
}

/// Three 1d convolutions with ReLU, followed by two linear layers with ReLU between them. Max
/// pooling with windows of 5 follows the first two convolutions, global max pooling the third.
///
/// The pooling has stride 1, so a text of 1,000 words has 980 entries before the global pooling.
/// Padding is processed as zero vectors, as in the published code, also by
/// [`forward_padded`](SequenceNetwork::forward_padded).
///
/// # Shapes
///
/// `[N, L, dim]` to `[N, classes]`, L at least [`shortest`](GlobalPoolingCnnConfig::shortest) (21).
/// Parameters `conv1`, `conv2`, `conv3`, `fc1` and `fc2`, as in the published code. The word
/// vectors are not parameters of this network.
///
/// # References
///
/// Liu et al., The devil is in the margin, 2022: `GlobalPoolingCNN` of its code.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nlp::model::{GlobalPoolingCnn, GlobalPoolingCnnConfig};
/// use mbls_nn::ParamStore;
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let model =
///     GlobalPoolingCnn::new(GlobalPoolingCnnConfig::new(100, 20), store.var_builder())?;
/// let logits =
///     model.forward_t(&Tensor::zeros((2, 50, 100), DType::F32, &Device::Cpu)?, false)?;
/// assert_eq!(logits.dims(), [2, 20]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GlobalPoolingCnn {
    convolutions: [Conv1dChannelsLast; 3],
    fc1: Linear,
    fc2: DropoutLinear,
    config: GlobalPoolingCnnConfig,
}

impl GlobalPoolingCnn {
    /// Builds the network that `config` describes, with variables from `vb`.
    ///
    /// # Errors
    ///
    /// [`mbls_nn::Error::Network`] if a size is 0 or too large; the error of candle if `vb` has no
    /// such tensors.
    pub fn new(config: GlobalPoolingCnnConfig, vb: VarBuilder) -> mbls_nn::Result<Self> {
        config.validate()?;
        let GlobalPoolingCnnConfig { dim, channels, kernel, hidden, classes, .. } = config;
        let conv =
            |name: &str, inputs| Conv1dChannelsLast::new(inputs, channels, kernel, vb.pp(name));
        let convolutions =
            [conv("conv1", dim)?, conv("conv2", channels)?, conv("conv3", channels)?];
        let fc1 = Linear::new(channels, hidden, vb.pp("fc1"))?;
        let fc2 = DropoutLinear::new(hidden, classes, vb.pp("fc2"))?;
        Ok(Self { convolutions, fc1, fc2, config })
    }

    /// Returns the network with this dropout before its last layer, or without dropout. A clone of
    /// the [`Dropout`] shares the position in its stream of masks.
    #[must_use]
    pub fn with_dropout(self, dropout: impl Into<Option<Dropout>>) -> Self {
        Self { fc2: self.fc2.with_dropout(dropout), ..self }
    }

    /// Returns the configuration.
    pub fn config(&self) -> &GlobalPoolingCnnConfig {
        &self.config
    }
}

impl ModuleT for GlobalPoolingCnn {
    fn forward_t(&self, vectors: &Tensor, train: bool) -> Result<Tensor> {
        check_vectors(NAME, vectors, self.config.dim, self.config.shortest())?;
        let [first, second, third] = &self.convolutions;
        let pool = ConvEpilogue::ReluMaxPool(self.config.pool);
        let x = second.forward_with(&first.forward_with(vectors, pool)?, pool)?;
        let x = third.forward_with(&x, ConvEpilogue::ReluMax)?;
        let x = Relu.forward(&self.fc1.forward(&x)?)?;
        self.fc2.forward_t(&x, train)
    }
}

impl SequenceNetwork for GlobalPoolingCnn {
    fn forward_padded(&self, vectors: &Tensor, padding: &[usize], train: bool) -> Result<Tensor> {
        check_padding(NAME, vectors, padding)?;
        self.forward_t(vectors, train)
    }

    fn shortest(&self) -> usize {
        self.config.shortest()
    }
}
