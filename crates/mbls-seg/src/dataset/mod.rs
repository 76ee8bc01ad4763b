//! Images with masks: readers, samples, batches.
//!
//! A mask is a class for each pixel, or [`VOID`]. Readers give [`SegmentationFiles`], a data set of
//! 8-bit [`SegmentationSample`]s; [`Transformed`] changes image and mask together;
//! [`SegmentationCollate`] makes normalised floats and labels of them.

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
