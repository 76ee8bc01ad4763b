//! Tests of data sets, transforms and networks for image classification through the public
//! interface.
//!
//! One program for the whole crate, because each program is linked with all of candle.

#[cfg(feature = "candle-datasets")]
mod candle_datasets;
mod classifier;
mod datasets;
mod files;
/// Compares the networks with the published code and torchvision: state keys, outputs, and training
/// continued from checkpoints.
mod golden {
    mod checkpoints;
    mod keys;
    mod named;
    mod procedural;
}
mod image_sets;
/// Image transforms, mixing and corruptions.
mod image_transforms {
    mod mixing;
    mod random;
    mod reference;
    mod settings;
}
mod listing;
mod models;
mod own_images;
mod published_splits;
mod real_data;
mod real_files;
mod svhn;
mod transforms;
