//! Tokenisation: words, vocabularies and padding.
//!
//! A [`Tokenizer`] converts a text to a sequence of ids. [`WordTokenizer`] splits texts by a
//! [`WordRule`] and looks up the words in a [`Vocabulary`] counted over texts; with
//! [`WordRule::Keras`] it is the tokenizer of the published experiments. `SubwordTokenizer`
//! (feature `tokenizers`) uses a vocabulary of subwords. [`pad`] brings a sequence to a fixed
//! length; [`message`] removes the header of a message.

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
