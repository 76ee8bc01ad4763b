//! Another size, for images and masks.

use super::step::checked;
use crate::dataset::{Mask, SegmentationSample};
use mbls_data::{Result, Seed};
use mbls_vision::transform::{ImageTransform, Resize, Size};

/// The sample in another size: the image with bilinear interpolation between four neighbours, the
/// mask with the nearest one.
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
    // Nothing in it is random.
    let image = bilinear.apply(&sample.image, Seed(0))?;
    Ok(SegmentationSample { image, mask: nearest(&sample.mask, size) })
}

/// Row `y` of the result is row `floor(y * scale)`, `scale = 1 / (to / from)` in f64, as OpenCV's
/// `INTER_NEAREST`; columns alike.
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
