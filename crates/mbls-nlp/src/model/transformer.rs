//! A classifier on the features of a pretrained BERT or DistilBERT.

use candle_core::{DType, Device, IndexOp, Module, Result, Tensor, bail};
use candle_nn::{ModuleT, VarBuilder};
use candle_transformers::models::{bert, distilbert};
use mbls_data::Error;
use mbls_io::file::read_bounded;
use mbls_nn::checkpoint::StateDict;
use mbls_nn::{Checkpoint, Dropout, Linear, Relu, no_grad};
use serde_json::Value;
use std::fmt;
use std::path::Path;

const NAME: &str = "transformer";

/// Size of the largest `config.json` that is read.
const CONFIG_BYTES: u64 = 1 << 20;
/// Largest size in a configuration.
const MOST: usize = 1 << 24;

/// A BERT or DistilBERT of `candle-transformers` with frozen weights.
///
/// **It cannot be fine-tuned.** candle's layer normalisation has no backward pass and silently
/// drops the graph, so no layer before the last layer normalisation would ever be trained; a test
/// verifies this. The features are therefore detached from the graph, and the encoder has no
/// parameters.
///
/// # Shapes
///
/// Token ids (`u32`) `[N, L]`, padded at the end, to the features `[N, D]` of the first token,
/// which is `[CLS]` with the tokenizers of these models.
///
/// # References
///
/// Devlin et al., BERT, 2019; Sanh et al., DistilBERT, 2019.
pub struct FrozenEncoder {
    model: Model,
    dim: usize,
    words: usize,
    longest: usize,
    padding: u32,
    prefix: String,
}

/// Prints the sizes, because candle's models do not implement `Debug`.
impl fmt::Debug for FrozenEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dim, words, longest, padding, prefix, .. } = self;
        f.debug_struct("FrozenEncoder")
            .field("dim", dim)
            .field("words", words)
            .field("longest", longest)
            .field("padding", padding)
            .field("prefix", prefix)
            .finish_non_exhaustive()
    }
}

enum Model {
    Bert(Box<bert::BertModel>),
    DistilBert(Box<distilbert::DistilBertModel>),
}

impl FrozenEncoder {
    /// Loads an encoder in `f32` from the `config.json` and the safetensors file of a model.
    ///
    /// `model_type` selects `bert` or `distilbert`. Tensor names may have this prefix or not, and
    /// heads are skipped. Prefixes of wrappers (`module.`, `model.`, ..) are removed as in
    /// [`ParamStore::load`](mbls_nn::ParamStore::load); [`prefix`](Self::prefix) returns the
    /// removed prefix.
    ///
    /// # Errors
    ///
    /// An error if a file cannot be read, if a field of the configuration is out of range, or if a
    /// tensor is missing or has another shape.
    pub fn from_files(
        config: impl AsRef<Path>,
        weights: impl AsRef<Path>,
        device: &Device,
    ) -> mbls_data::Result<Self> {
        let (config, weights) = (config.as_ref(), weights.as_ref());
        let bytes = read_bounded(config, CONFIG_BYTES)?;
        let wrong = |error: serde_json::Error| {
            Error::format(config, "the whole", "a configuration in JSON", error)
        };
        let fields: Value = serde_json::from_slice(&bytes).map_err(wrong)?;
        let kind = fields["model_type"].as_str().unwrap_or("none").to_owned();
        let number = |field: &str| match fields[field].as_u64() {
            Some(value) if (1..=MOST as u64).contains(&value) => Ok(value as usize),
            _ => Err(Error::format(config, field, format!("1 to {MOST}"), &fields[field])),
        };
        let [dim, heads, layers, inner] = match kind.as_str() {
            "bert" => {
                ["hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size"]
                    .map(number)
            }
            "distilbert" => ["dim", "n_heads", "n_layers", "hidden_dim"].map(number),
            _ => return Err(Error::format(config, "model_type", "bert or distilbert", kind)),
        };
        let (dim, heads) = (dim?, heads?);
        (layers?, inner?);
        if !dim.is_multiple_of(heads) {
            return Err(Error::format(
                config,
                "the number of heads",
                format!("a divisor of {dim}"),
                heads,
            ));
        }
        let (words, longest) = (number("vocab_size")?, number("max_position_embeddings")?);
        let padding = match fields["pad_token_id"].as_u64() {
            Some(token) if token < words as u64 => token as u32,
            _ => {
                return Err(Error::format(
                    config,
                    "pad_token_id",
                    format!("less than {words}"),
                    &fields["pad_token_id"],
                ));
            }
        };
        let unreadable = |error: &dyn std::error::Error| {
            Error::format(
                weights,
                "the weights",
                format!("those of {kind}"),
                mbls_io::with_causes(error),
            )
        };
        let checkpoint = Checkpoint::read(weights).map_err(|error| unreadable(&error))?;
        let of_encoder = |name: &str| is_of_encoder(&kind, name);
        let (tensors, prefix) =
            checkpoint.state_dict_for(of_encoder).map_err(|error| unreadable(&error))?;
        let vb = VarBuilder::from_tensors(tensors.into_iter().collect(), DType::F32, device);
        let model = match kind.as_str() {
            "bert" => {
                let config: bert::Config = serde_json::from_value(fields.clone()).map_err(wrong)?;
                bert::BertModel::load(vb, &config).map(|model| Model::Bert(Box::new(model)))
            }
            _ => {
                let config: distilbert::Config =
                    serde_json::from_value(fields.clone()).map_err(wrong)?;
                distilbert::DistilBertModel::load(vb, &config)
                    .map(|model| Model::DistilBert(Box::new(model)))
            }
        };
        Ok(Self {
            model: model.map_err(|error| unreadable(&error))?,
            dim,
            words,
            longest,
            padding,
            prefix,
        })
    }

    /// Returns the prefix that was removed from the tensor names of the file; empty if there was
    /// none.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the dimension of a feature vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Returns the maximum number of tokens of a text.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Returns the token id of padding.
    pub fn padding(&self) -> u32 {
        self.padding
    }
}

/// Returns whether a tensor with this name belongs to an encoder of this `model_type`, with or
/// without the type as prefix.
fn is_of_encoder(kind: &str, name: &str) -> bool {
    let bare = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
    ["embeddings.", "encoder.layer.", "transformer.layer.", "pooler."]
        .iter()
        .any(|part| bare.starts_with(part))
}

impl Module for FrozenEncoder {
    fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let fits = matches!(tokens.dims(), &[n, l] if n > 0 && (1..=self.longest).contains(&l));
        if !fits || tokens.dtype() != DType::U32 {
            let (shape, longest) = (tokens.shape(), self.longest);
            bail!(
                "{NAME}: {:?} of shape {shape:?}, expected tokens (U32) [N, L], L at most {longest}",
                tokens.dtype()
            );
        }
        let numbers = tokens.flatten_all()?.to_vec1::<u32>()?;
        if let Some(token) = numbers.into_iter().find(|&token| token as usize >= self.words) {
            bail!("{NAME}: token {token}, expected less than the {} words", self.words);
        }
        let features = no_grad(|| match &self.model {
            Model::Bert(model) => {
                model.forward(tokens, &tokens.zeros_like()?, Some(&tokens.ne(self.padding)?))
            }
            Model::DistilBert(model) => {
                // The mask of hidden tokens. The first token is never hidden, so each text has at
                // least one visible token.
                let (texts, length) = tokens.dims2()?;
                let mut hidden = tokens.eq(self.padding)?.to_vec2::<u8>()?;
                hidden.iter_mut().for_each(|row| row[0] = 0);
                let hidden =
                    Tensor::from_vec(hidden.concat(), (texts, 1, 1, length), tokens.device())?;
                model.forward(tokens, &hidden)
            }
        })?;
        Ok(features.i((.., 0))?.contiguous()?.detach())
    }
}

/// A classifier on the features of a [`FrozenEncoder`]: a linear layer with ReLU, dropout, and
/// another linear layer. Only these layers are trained.
///
/// # Shapes
///
/// Token ids (`u32`) `[N, L]` to logits `[N, classes]`. Parameters `pre_classifier` and
/// `classifier`, as in Hugging Face's `DistilBertForSequenceClassification`.
#[derive(Debug)]
pub struct TransformerClassifier {
    encoder: FrozenEncoder,
    pre_classifier: Linear,
    classifier: Linear,
    dropout: Option<Dropout>,
}

impl TransformerClassifier {
    /// Builds a head on `encoder`, with variables from `vb`.
    ///
    /// # Errors
    ///
    /// An error if `classes` is 0 or too large, or if `vb` has no such tensors.
    pub fn new(
        encoder: FrozenEncoder,
        classes: usize,
        dropout: Option<Dropout>,
        vb: VarBuilder,
    ) -> Result<Self> {
        super::check_size(NAME, "classes", classes)?;
        let pre_classifier = Linear::new(encoder.dim, encoder.dim, vb.pp("pre_classifier"))?;
        let classifier = Linear::new(encoder.dim, classes, vb.pp("classifier"))?;
        Ok(Self { encoder, pre_classifier, classifier, dropout })
    }

    /// Returns the encoder, which is not trained.
    pub fn encoder(&self) -> &FrozenEncoder {
        &self.encoder
    }

    /// Computes the logits from features of [`encoder`](Self::encoder). The features of a text can
    /// be computed once and reused.
    ///
    /// # Errors
    ///
    /// An error if the shapes do not match.
    pub fn classify(&self, features: &Tensor, train: bool) -> Result<Tensor> {
        let x = Relu.forward(&self.pre_classifier.forward(features)?)?;
        match &self.dropout {
            Some(dropout) => self.classifier.forward(&dropout.forward_t(&x, train)?),
            None => self.classifier.forward(&x),
        }
    }
}

impl ModuleT for TransformerClassifier {
    fn forward_t(&self, tokens: &Tensor, train: bool) -> Result<Tensor> {
        self.classify(&self.encoder.forward(tokens)?, train)
    }
}
