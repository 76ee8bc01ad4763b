//! Image classification: data sets, transforms and networks, used as other crates use them.
//!
//! One program for the whole crate: each program more would be linked with all of candle again.

#[cfg(feature = "candle-datasets")]
mod candle_datasets;
mod classifier;
mod datasets;
mod files;
/// The networks against the published code and torchvision: keys of their state, outputs, and
/// training continued from checkpoints.
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
mod own_pictures;
mod published_splits;
mod real_data;
mod real_files;
mod svhn;
mod transforms;
