//! Resizing of images and masks.

use super::step::checked;
use crate::dataset::{Mask, SegmentationSample};
use mbls_data::{Result, Seed};
use mbls_vision::transform::{ImageTransform, Resize, Size};

/// Resizes a sample: the image with bilinear interpolation (without antialiasing), the mask with
/// nearest-neighbour sampling.
pub(super) fn resize(
    name: &str,
    sample: SegmentationSample,
    size: [usize; 2],
) -> Result<SegmentationSample> {
    checked(name, size)?;
    if size == sample.size() {
        return Ok(sample);
    }
    let bilinear = ImageTransform::from(Resize { size: Size::HeightWidth(size), antialias: false });
    // The resize does not use the seed.
    let image = bilinear.apply(&sample.image, Seed(0))?;
    Ok(SegmentationSample { image, mask: nearest(&sample.mask, size) })
}

/// Samples row `floor(y * scale)` for row `y` of the result, with `scale = 1 / (to / from)` in f64,
/// like OpenCV's `INTER_NEAREST`. Columns are sampled in the same way.
fn nearest(mask: &Mask, [height, width]: [usize; 2]) -> Mask {
    let (rows, columns) = (places(mask.height, height), places(mask.width, width));
    let mut classes = Vec::with_capacity(height * width);
    for y in rows {
        let row = &mask.classes[y * mask.width..(y + 1) * mask.width];
        classes.extend(columns.iter().map(|&x| row[x]));
    }
    Mask { height, width, classes }
}

fn places(from: usize, to: usize) -> Vec<usize> {
    let scale = 1.0 / (to as f64 / from as f64);
    (0..to).map(|place| ((place as f64 * scale) as usize).min(from - 1)).collect()
}
