//! PASCAL VOC 2012, segmentation: 1,464 images for training, 1,449 for validation, of about
//! 500x375.
//!
//! # References
//!
//! Everingham, Van Gool, Williams, Winn, Zisserman: The PASCAL Visual Object Classes (VOC)
//! Challenge (IJCV 2010).

use super::{ClassList, SegmentationConfig, SegmentationFiles, voc_layout};
use mbls_data::Result;
use std::path::Path;

/// The split (`train`, `val`, `trainval`) of VOC 2012 in `dir`, `dir/VOC2012` or
/// `dir/VOCdevkit/VOC2012`.
///
/// # Errors
///
/// As [`voc_layout::load`].
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
