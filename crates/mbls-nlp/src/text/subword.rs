//! Vocabularies of subwords.

use super::Tokenizer;
use mbls_data::{Error, Result};
use mbls_io::file::read_bounded;
use std::path::Path;

/// Size of the largest `tokenizer.json` that is read; the largest ones in use have 30 MiB.
const MAX_BYTES: u64 = 256 << 20;

/// A subword tokenizer from a `tokenizer.json` file of Hugging Face.
///
/// The truncation and padding of the file are disabled, because sequences are padded when they are
/// collated. The special tokens of its template are added.
///
/// ```no_run
/// use mbls_nlp::text::{SubwordTokenizer, Tokenizer};
///
/// let tokenizer = SubwordTokenizer::read("bert/tokenizer.json", "[PAD]")?;
/// assert!(tokenizer.encode("unaffable")?.iter().all(|&id| (id as usize) < tokenizer.ids()));
/// # Ok::<(), mbls_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SubwordTokenizer {
    inner: tokenizers::Tokenizer,
    padding: u32,
    ids: usize,
}

impl SubwordTokenizer {
    /// Reads a file; `padding` is the token to pad with.
    ///
    /// # Errors
    ///
    /// [`Error::Format`](mbls_io::Error::Format) for a file that does not describe a tokenizer or
    /// has no token `padding`; [`Error::TooLarge`](mbls_io::Error::TooLarge) above 256 MiB;
    /// [`Error::Io`](mbls_io::Error::Io).
    pub fn read(path: impl AsRef<Path>, padding: &str) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read_bounded(path, MAX_BYTES)?;
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|error| Error::format(path, "content", "the JSON of a tokenizer", error))?;
        inner.with_padding(None);
        // Disabling truncation cannot fail.
        let _ = inner.with_truncation(None);
        let Some(padding) = inner.token_to_id(padding) else {
            return Err(Error::format(
                path,
                "vocabulary",
                format!("the token {padding:?}"),
                "no such token",
            ));
        };
        // The ids of added tokens may have gaps.
        let largest = inner.get_vocab(true).into_values().max().unwrap_or(0);
        Ok(Self { inner, padding, ids: largest as usize + 1 })
    }
}

impl Tokenizer for SubwordTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, true).map_err(Error::Other)?;
        Ok(encoding.get_ids().to_vec())
    }

    fn ids(&self) -> usize {
        self.ids
    }

    fn padding(&self) -> u32 {
        self.padding
    }
}
