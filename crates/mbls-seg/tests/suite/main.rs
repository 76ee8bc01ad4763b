//! Tests of the public interface: data sets, transforms, networks, metrics and segmenters.
//!
//! There is one test program for the whole crate, because every program is linked with all of
//! candle.

mod data;
/// Golden values of the published code, segmentation_models_pytorch, torchvision, albumentations
/// and OpenCV.
///
/// `MBLS_GOLDEN_DIR=<folder> cargo test -p mbls-seg --test suite golden::` uses another golden set
/// of the same format.
mod golden {
    mod keys;
    mod metrics;
    mod named;
    mod procedural;
    mod transforms;
}
mod joint_transforms;
mod metrics;
mod models;
mod real_data;
mod segmenter;
