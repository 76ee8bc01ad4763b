//! Streaming segmentation metrics, and maps of single images.
//!
//! [`SegmentationMetrics`] adapts the exact accumulators of [`mbls_core::metric`] to images. One
//! pass, without keeping logits, computes overlap and calibration under the pooled and the
//! published protocol, and calibration per class, per image and by distance from the class
//! boundaries. [`ImageMaps`] visualises the confidences and errors of one image.

mod accumulator;
mod bands;
mod boundary;
mod colours;
mod maps;
mod parts;
mod preview;
mod report;
mod saved;
mod settings;
mod state;
mod summary;
mod tensors;

pub use accumulator::{SegmentationMetrics, SegmentedImages};
pub use bands::DistanceBands;
pub use boundary::{VoidEdges, boundary_distances};
pub use colours::class_colour;
pub use maps::ImageMaps;
pub use preview::{image_png, map_preview, photo_preview};
pub use report::{
    BandReport, ClassMean, ClassReport, ImageReport, OverlapReport, PooledReport, PublishedReport,
    SegmentationReport,
};
pub use settings::SegmentationSettings;
pub use summary::Quantiles;
