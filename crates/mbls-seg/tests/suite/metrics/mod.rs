//! Segmentation metrics against slow reference implementations, other libraries and other orders of
//! the same data.

mod boundaries;
mod definitions;
mod input;
mod labels;
mod maps;
mod peers;
mod state;

use mbls_core::metric::Metric;
use mbls_seg::metric::{SegmentationMetrics, SegmentedImages};
use proptest::prelude::*;

const VOID: u32 = 255;

/// A data set of images of the same size.
#[derive(Clone, Debug)]
struct Set {
    classes: usize,
    height: usize,
    width: usize,
    /// Logits `[C, H, W]` and labels `[H, W]` of each image.
    images: Vec<(Vec<f32>, Vec<u32>)>,
}

impl Set {
    fn area(&self) -> usize {
        self.height * self.width
    }

    /// Adds the images at `indices` as one batch.
    fn add(&self, metrics: &mut SegmentationMetrics, indices: &[u64]) -> mbls_core::Result<()> {
        let images = || indices.iter().map(|&index| &self.images[index as usize]);
        let logits: Vec<f32> = images().flat_map(|(logits, _)| logits).copied().collect();
        let labels: Vec<u32> = images().flat_map(|(_, labels)| labels).copied().collect();
        let shape = [indices.len(), self.classes, self.height, self.width];
        metrics.update(SegmentedImages {
            logits: (&logits).into(),
            shape,
            labels: (&labels).into(),
            indices,
        })
    }

    fn indices(&self) -> Vec<u64> {
        (0..self.images.len() as u64).collect()
    }
}

/// Generates the labels of an image: regions of classes and void, so there are distances from
/// boundaries. Some images have only void pixels, some a single class.
fn labels(classes: usize, height: usize, width: usize) -> impl Strategy<Value = Vec<u32>> {
    let label = move || prop_oneof![4 => 0..classes as u32, 1 => Just(VOID)];
    let spots = prop::collection::vec((0..height, 0..width, 1usize..4, label()), 0..5);
    (label(), spots).prop_map(move |(ground, spots)| {
        let mut labels = vec![ground; height * width];
        for (y, x, size, label) in spots {
            for y in y..(y + size).min(height) {
                labels[y * width + x..y * width + (x + size).min(width)].fill(label);
            }
        }
        labels
    })
}

fn sets(images: std::ops::Range<usize>) -> impl Strategy<Value = Set> {
    (2usize..6, 1usize..14, 1usize..14, images).prop_flat_map(|(classes, height, width, images)| {
        let logits = prop::collection::vec(
            (-400i16..400).prop_map(|l| f32::from(l) / 64.0),
            classes * height * width,
        );
        let images = prop::collection::vec((logits, labels(classes, height, width)), images);
        images.prop_map(move |images| Set { classes, height, width, images })
    })
}
