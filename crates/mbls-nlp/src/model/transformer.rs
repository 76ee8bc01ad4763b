//! A classifier on the features of a BERT or DistilBERT that others trained.

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

/// The largest `config.json`, and the most of anything it may ask for.
const CONFIG_BYTES: u64 = 1 << 20;
const MOST: usize = 1 << 24;

/// A BERT or DistilBERT of `candle-transformers` whose weights stay as they are.
///
/// **It cannot be fine-tuned.** candle's layer normalisation has no backward pass and drops the
/// graph without a word, so that nothing before the last of them would ever learn; a test shows it.
/// The features are therefore handed out without a graph, and nothing of the encoder is a
/// parameter.
///
/// # Shapes
///
/// Token numbers (`u32`) `[N, L]`, padded behind, to the features of the first token `[N, D]`,
/// which is `[CLS]` in texts of their tokenizers.
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

/// The sizes; candle's models say nothing of themselves.
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
    /// The encoder that the `config.json` and the safetensors file of a model describe, in `f32`.
    ///
    /// `model_type` decides between `bert` and `distilbert`. Names with and without that prefix are
    /// understood, and heads are left out. What wrappers put before the names (`module.`,
    /// `model.`, ..) is taken off as [`ParamStore::load`](mbls_nn::ParamStore::load) does;
    /// [`prefix`](Self::prefix) says what was.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read, the configuration has a field out of its range, or a tensor is
    /// missing or of another shape.
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

    /// What was taken off the names of the file's tensors; empty where nothing was.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Numbers of a feature vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The most tokens of a text.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The token number of padding.
    pub fn padding(&self) -> u32 {
        self.padding
    }
}

/// Whether a tensor of that name belongs to an encoder of that `model_type`, with or without the
/// type before it.
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
                // Says what is not to be seen. The first token is, so that there is something to
                // see.
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

/// A classifier on a [`FrozenEncoder`]'s features: a linear layer with ReLU, dropout, a linear
/// layer. These are all that is trained.
///
/// # Shapes
///
/// Token numbers (`u32`) `[N, L]` to logits `[N, classes]`. Parameters `pre_classifier` and
/// `classifier`, as in Hugging Face's `DistilBertForSequenceClassification`.
#[derive(Debug)]
pub struct TransformerClassifier {
    encoder: FrozenEncoder,
    pre_classifier: Linear,
    classifier: Linear,
    dropout: Option<Dropout>,
}

impl TransformerClassifier {
    /// A new head on `encoder`, its variables from `vb`.
    ///
    /// # Errors
    ///
    /// Where `classes` is 0 or too large, or the builder has no such tensors.
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

    /// Returns the part that is not trained.
    pub fn encoder(&self) -> &FrozenEncoder {
        &self.encoder
    }

    /// The logits of features that [`encoder`](Self::encoder) gave, which need be computed only
    /// once for a text.
    ///
    /// # Errors
    ///
    /// Where the shapes do not fit.
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
