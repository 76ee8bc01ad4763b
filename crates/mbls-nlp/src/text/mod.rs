//! From texts to sequences of numbers: words, vocabularies, padding.
//!
//! A [`Tokenizer`] makes numbers of a text. [`WordTokenizer`] looks up words, found by a
//! [`WordRule`], in a [`Vocabulary`] counted over texts; with [`WordRule::Keras`] it is the
//! tokenizer of the published experiments. `SubwordTokenizer` (feature `tokenizers`) takes a
//! vocabulary of subwords. [`pad`] makes sequences of one length; [`message`] takes the header off
//! a message.

mod counting;
pub mod message;
mod pad;
#[cfg(feature = "tokenizers")]
mod subword;
mod tokenizer;
mod vocabulary;
mod word_rule;

pub use pad::{PadConfig, pad};
#[cfg(feature = "tokenizers")]
pub use subword::SubwordTokenizer;
pub use tokenizer::{Tokenizer, WordTokenizer};
pub use vocabulary::Vocabulary;
pub use word_rule::WordRule;
