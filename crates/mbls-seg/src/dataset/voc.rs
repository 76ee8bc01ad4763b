//! The segmentation part of PASCAL VOC 2012: 1,464 images for training and 1,449 for validation, of
//! about 500x375 pixels.
//!
//! # References
//!
//! Everingham, Van Gool, Williams, Winn, Zisserman: The PASCAL Visual Object Classes (VOC)
//! Challenge (IJCV 2010).

use super::{ClassList, SegmentationConfig, SegmentationFiles, voc_layout};
use mbls_data::Result;
use std::path::Path;

/// Loads a split (`train`, `val` or `trainval`) of VOC 2012 from `dir`, `dir/VOC2012` or
/// `dir/VOCdevkit/VOC2012`.
///
/// # Errors
///
/// The errors of [`voc_layout::load`].
pub fn load(
    dir: impl AsRef<Path>,
    split: &str,
    config: SegmentationConfig,
) -> Result<SegmentationFiles> {
    let dir = dir.as_ref();
    let nested = ["VOC2012", "VOCdevkit/VOC2012"]
        .map(|inner| dir.join(inner))
        .into_iter()
        .find(|dir| dir.is_dir());
    voc_layout::load(nested.as_deref().unwrap_or(dir), split, ClassList::voc(), config)
}
