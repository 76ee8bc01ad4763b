//! Networks that map sequences of word ids to logits.
//!
//! A [`TextClassifier`] looks up word vectors in a [`WordTable`] (frozen or trained) and passes
//! them to a [`SequenceNetwork`], which maps sequences of vectors `[N, L, D]` to logits
//! `[N, classes]`. [`Architecture`] selects networks by name. Sequences are padded at the front
//! with the word id 0, whose vector is zeros. Each network documents how it treats padding.

mod architecture;
mod bi_gru;
mod classifier;
mod global_pooling_cnn;
mod text_cnn;
#[cfg(feature = "transformers")]
mod transformer;
mod words;

pub use architecture::{Architecture, Network, Options};
pub use bi_gru::{BiGru, BiGruConfig};
pub use classifier::TextClassifier;
pub use global_pooling_cnn::{GlobalPoolingCnn, GlobalPoolingCnnConfig};
pub use text_cnn::{TextCnn, TextCnnConfig};
#[cfg(feature = "transformers")]
pub use transformer::{FrozenEncoder, TransformerClassifier};
pub use words::WordTable;

use candle_core::{Result, Tensor, bail};
use candle_nn::ModuleT;
use mbls_nn::Error;
use std::fmt::Debug;

/// The word id of padding.
pub const PADDING: u32 = 0;

/// Largest size of a layer. It is large enough for every network and keeps sums and products of
/// sizes from overflowing.
const WIDEST: usize = 1 << 16;

/// A network on sequences of vectors: `[N, L, D]` to logits `[N, classes]`.
///
/// The [`ModuleT`] implementation assumes that there is no padding.
pub trait SequenceNetwork: ModuleT + Debug + Send + Sync {
    /// Computes the logits of sequences whose first `padding[n]` entries are padding.
    ///
    /// # Errors
    ///
    /// An error if the shapes do not match.
    fn forward_padded(&self, vectors: &Tensor, padding: &[usize], train: bool) -> Result<Tensor>;

    /// Returns the minimum length of a sequence.
    fn shortest(&self) -> usize;
}

fn check_size(network: &'static str, field: &'static str, value: usize) -> mbls_nn::Result<()> {
    if !(1..=WIDEST).contains(&value) {
        return Err(Error::network(network, field, value, format_args!("1 to {WIDEST}")));
    }
    Ok(())
}

/// Checks that `vectors` are sequences of at least `shortest` vectors of dimension `dim`.
fn check_vectors(network: &str, vectors: &Tensor, dim: usize, shortest: usize) -> Result<()> {
    match vectors.dims() {
        &[_, length, found] if found == dim && length >= shortest => Ok(()),
        found => bail!(
            "{network}: vectors of shape {found:?}, expected [N, L, {dim}] with L at least {shortest}"
        ),
    }
}

/// Checks that there is one count per sequence in `vectors`, and that none exceeds its length.
fn check_padding(network: &str, vectors: &Tensor, padding: &[usize]) -> Result<()> {
    let (sequences, length, _) = vectors.dims3()?;
    if padding.len() != sequences || padding.iter().any(|&count| count > length) {
        bail!("{network}: padding = {padding:?}, expected {sequences} numbers of at most {length}");
    }
    Ok(())
}
