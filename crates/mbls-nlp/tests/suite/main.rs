//! Texts, their data sets and networks, used as other crates use them.
//!
//! One program for the whole crate: each program more would be linked with all of candle again.

/// Saved classifiers of texts: what they say, and what is refused.
mod classifier {
    mod bad_files;
    mod classify;
    mod support;
}
/// Labelled texts: readers, splits, duplicates, batches.
mod data {
    mod bad_input;
    mod batches;
    mod duplicates;
    mod labelled_files;
    mod newsgroups;
    mod splits;
    mod support;
}
/// Golden values of the published code and Keras: values that others computed.
///
/// `MBLS_GOLDEN_DIR=<folder> cargo test -p mbls-nlp --test suite golden::` puts another set of the
/// same format in the place of the repository's own.
mod golden {
    mod model;
    mod text;
}
mod models;
mod real_data;
/// Tokenizers, vocabularies, word vectors.
mod text {
    mod embedding;
    #[cfg(feature = "tokenizers")]
    mod subword;
    mod words;
}
#[cfg(feature = "transformers")]
mod transformer;
