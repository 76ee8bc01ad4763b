//! Images with masks: readers, samples, batches.
//!
//! A mask assigns a class or [`VOID`] to each pixel. Readers return [`SegmentationFiles`], a data
//! set of 8-bit [`SegmentationSample`]s. [`Transformed`] transforms image and mask jointly, and
//! [`SegmentationCollate`] converts samples to batches of normalised floats and labels.

mod batch;
mod class_list;
mod files;
pub mod folders;
mod mask_file;
mod mask_values;
mod sample;
mod transformed;
pub mod voc;
pub mod voc_layout;

pub use batch::{SegmentationBatch, SegmentationCollate};
pub use class_list::ClassList;
pub use files::{PairPaths, SegmentationConfig, SegmentationFiles};
pub use mask_file::decode_mask;
pub use mask_values::ClassCounts;
pub use sample::{Mask, SegmentationSample, VOID};
pub use transformed::Transformed;
