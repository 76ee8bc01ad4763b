//! Networks: sequences of word numbers to logits.
//!
//! A [`TextClassifier`] looks word vectors up ([`WordTable`], frozen or trained) and hands them to
//! a [`SequenceNetwork`], which takes sequences of vectors `[N, L, D]` and gives logits `[N,
//! classes]`. [`Architecture`] makes networks by name. Sequences are padded in front with the
//! word number 0, whose vector is zeros; what a network makes of padding is said with each.

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

/// The word number of padding.
pub const PADDING: u32 = 0;

/// Wide enough for every network; keeps sums and products of sizes from overflowing.
const WIDEST: usize = 1 << 16;

/// A network over sequences of vectors: `[N, L, D]` to logits `[N, classes]`.
///
/// Its [`ModuleT`] takes every entry of a sequence for a word.
pub trait SequenceNetwork: ModuleT + Debug + Send + Sync {
    /// The logits of sequences of which the first `padding[n]` entries are none of the text's.
    ///
    /// # Errors
    ///
    /// Where the shapes do not fit.
    fn forward_padded(&self, vectors: &Tensor, padding: &[usize], train: bool) -> Result<Tensor>;

    /// The least number of entries of a sequence.
    fn shortest(&self) -> usize;
}

fn check_size(network: &'static str, field: &'static str, value: usize) -> mbls_nn::Result<()> {
    if !(1..=WIDEST).contains(&value) {
        return Err(Error::network(network, field, value, format_args!("1 to {WIDEST}")));
    }
    Ok(())
}

/// Checks that `vectors` are sequences of at least `shortest` vectors of `dim` numbers.
fn check_vectors(network: &str, vectors: &Tensor, dim: usize, shortest: usize) -> Result<()> {
    match vectors.dims() {
        &[_, length, found] if found == dim && length >= shortest => Ok(()),
        found => bail!(
            "{network}: vectors of shape {found:?}, expected [N, L, {dim}] with L at least {shortest}"
        ),
    }
}

/// Checks that there is a count for each of the `vectors`' sequences, and none is beyond its end.
fn check_padding(network: &str, vectors: &Tensor, padding: &[usize]) -> Result<()> {
    let (sequences, length, _) = vectors.dims3()?;
    if padding.len() != sequences || padding.iter().any(|&count| count > length) {
        bail!("{network}: padding = {padding:?}, expected {sequences} numbers of at most {length}");
    }
    Ok(())
}
