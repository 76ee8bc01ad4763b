//! Golden values of the published code and Keras: values that others computed.
//!
//! `MBLS_GOLDEN_DIR=<folder> cargo test -p mbls-nlp --test golden` puts another set of the same format in the place of the
//! repository's own.

mod model;
mod text;
