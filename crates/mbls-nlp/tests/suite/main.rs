//! Tests of the public interface: texts, data sets, networks and classifiers.
//!
//! There is one test program for the whole crate, because every program is linked with all of
//! candle.

/// Saved text classifiers: results and errors.
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
/// Golden values of the published code and Keras.
///
/// `MBLS_GOLDEN_DIR=<folder> cargo test -p mbls-nlp --test suite golden::` uses another golden set
/// of the same format.
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
