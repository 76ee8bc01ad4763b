//! Golden values of the published code, segmentation_models_pytorch, torchvision, albumentations and OpenCV: values that others
//! computed.
//!
//! `MBLS_GOLDEN_DIR=<folder> cargo test -p mbls-seg --test golden` puts another set of the same format in the place of the
//! repository's own.

mod keys;
mod metrics;
mod named;
mod procedural;
mod transforms;
