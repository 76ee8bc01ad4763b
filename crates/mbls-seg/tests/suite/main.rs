//! Segmentation: data sets, transforms, networks and metrics, used as other crates use them.
//!
//! One program for the whole crate: each program more would be linked with all of candle again.

mod data;
/// Golden values of the published code, segmentation_models_pytorch, torchvision, albumentations
/// and OpenCV: values that others computed.
///
/// `MBLS_GOLDEN_DIR=<folder> cargo test -p mbls-seg --test suite golden::` puts another set of the
/// same format in the place of the repository's own.
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
