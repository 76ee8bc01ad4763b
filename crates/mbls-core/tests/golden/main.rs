//! Everything that the golden files hold, case by case: values that PyTorch computed by running the published code.
//!
//! `MBLS_GOLDEN_DIR=<folder> cargo test -p mbls-core --test golden` puts another set of the same format in the place of
//! the repository's own.

mod classification;
#[cfg(feature = "candle")]
mod losses;
mod metrics;
mod ood;
mod segmentation;
mod temperature;
