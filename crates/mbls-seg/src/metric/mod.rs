//! What is measured of dense predictions, image by image: no logits are kept.
//!
//! [`SegmentationMetrics`] adapts the exact accumulators of [`mbls_core::metric`] to images: one
//! pass gives overlap, calibration by the pooled and the published protocol, calibration by class,
//! by image and by distance from the class boundaries. [`PictureMaps`] shows one image's confidence
//! and errors.

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

pub use accumulator::{Pictures, SegmentationMetrics};
pub use bands::DistanceBands;
pub use boundary::{VoidEdges, boundary_distances};
pub use colours::class_colour;
pub use maps::PictureMaps;
pub use preview::{image_png, map_preview, photo_preview};
pub use report::{
    BandReport, ClassMean, ClassReport, OverlapReport, PictureReport, PooledReport,
    PublishedReport, SegmentationReport,
};
pub use settings::SegmentationSettings;
pub use summary::Quantiles;
