//! What the golden files say of segmentation: values that PyTorch computed by running the published code.
//!
//! `MBLS_GOLDEN_DIR=<folder> cargo test -p mbls-seg --test golden` puts another set of the same format in the place of
//! the repository's own.

mod metrics;
