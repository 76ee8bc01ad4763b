//! Tokenizers, vocabularies, word vectors.

mod embedding;
#[cfg(feature = "tokenizers")]
mod subword;
mod words;
