//! Text classifier on word ids.

use super::{PADDING, SequenceNetwork, WordTable};
use candle_core::{DType, Module, Result, Tensor, bail};
use candle_nn::ModuleT;

/// A [`WordTable`] followed by a [`SequenceNetwork`] on its vectors.
///
/// Leading zeros of a text are padding. A 0 after the first word is a word with a zero vector.
///
/// # Shapes
///
/// Word ids (`u32`) `[N, L]` to logits `[N, classes]`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nlp::model::{Architecture, Options, TextClassifier, WordTable};
/// use mbls_nn::ParamStore;
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let words = WordTable::trained(2000, 50, store.var_builder().pp("embedding"))?;
/// let network = "text-cnn".parse::<Architecture>()?.build(
///     20,
///     words.dim(),
///     Options::default(),
///     store.var_builder(),
/// )?;
/// let model = TextClassifier::new(words, network);
/// let texts = Tensor::new(&[[0u32, 0, 0, 7, 1999], [5, 4, 3, 2, 1]], &Device::Cpu)?;
/// assert_eq!(model.forward_t(&texts, false)?.dims(), [2, 20]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TextClassifier {
    words: WordTable,
    network: Box<dyn SequenceNetwork>,
}

impl TextClassifier {
    /// Creates a classifier from its parts.
    pub fn new(words: WordTable, network: Box<dyn SequenceNetwork>) -> Self {
        Self { words, network }
    }

    /// Returns the word vectors.
    pub fn words(&self) -> &WordTable {
        &self.words
    }

    /// Returns the network on the word vectors.
    pub fn network(&self) -> &dyn SequenceNetwork {
        &*self.network
    }
}

impl ModuleT for TextClassifier {
    fn forward_t(&self, texts: &Tensor, train: bool) -> Result<Tensor> {
        self.network.forward_padded(&self.words.forward(texts)?, &padding(texts)?, train)
    }
}

/// Returns the number of leading zeros of each text.
fn padding(texts: &Tensor) -> Result<Vec<usize>> {
    if texts.dtype() != DType::U32 || texts.rank() != 2 {
        bail!(
            "texts in {:?} of shape {:?}, expected word numbers (U32) [N, L]",
            texts.dtype(),
            texts.shape()
        );
    }
    let rows = texts.to_vec2::<u32>()?;
    Ok(rows.iter().map(|words| words.iter().take_while(|&&word| word == PADDING).count()).collect())
}
