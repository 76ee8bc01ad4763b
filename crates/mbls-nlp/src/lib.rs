//! Text classification: tokenizers, word vectors, networks and data sets.

pub mod model;
pub mod text;
