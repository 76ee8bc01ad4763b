use super::SegmentationSettings;
use super::parts::PixelState;
use super::report::SegmentationReport;
use super::state::{Published, State};
use mbls_core::metric::{
    self, ConfusionMatrix, Labels, Metric, Reliability, ReliabilityBins, Saved, ScoreSlice,
    SegmentationBatch,
};
use mbls_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Streaming segmentation metrics: overlap and calibration under both protocols, per class, per
/// image and by distance from the class boundaries.
///
/// One pass over full-resolution logits is enough, and no logits are kept. The state is integers,
/// so it is bit-identical for any order of the images, any sharding, any number of threads and any
/// batch size. Only the published protocol depends on the batches, because it is defined per batch.
///
/// The state holds a few counts per class, band and bin, and a reliability diagram per image (about
/// 1 KB with 15 bins). An update also needs 20 bytes per pixel of one image.
///
/// Void pixels are ignored. An image with only void pixels is counted but has no metrics. The
/// published protocol treats a batch without labels above 0 the same way; the published code fails
/// on such a batch.
///
/// ```
/// use mbls_core::metric::Metric;
/// use mbls_seg::metric::{SegmentationMetrics, SegmentationSettings, SegmentedImages};
///
/// // One image of 1 x 3 pixels with two classes; the last pixel is void.
/// let logits = [2.0, 0.0, 0.0, 0.0, 1.0, 0.0];
/// let mut metrics = SegmentationMetrics::new(2, SegmentationSettings::default())?;
/// metrics.update(SegmentedImages {
///     logits: (&logits).into(),
///     shape: [1, 2, 1, 3],
///     labels: (&[0, 0, 255]).into(),
///     indices: &[0],
/// })?;
/// let report = metrics.value().expect("an image was added");
/// assert_eq!((report.images, report.pixels, report.void_pixels), (1, 2, 1));
/// assert_eq!(report.overlap.expect("two pixels count").pixel_accuracy, 0.5);
/// // No label is above 0, so the published protocol counts no pixel.
/// let published = report.published.expect("enabled by default");
/// assert_eq!((published.calibration, published.empty_batches), (None, 1));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct SegmentationMetrics {
    pub(super) state: State,
}

/// A batch of images: the logits and labels of their pixels, and the indices of the images.
///
/// # Shapes
///
/// `shape` is the shape `[N, C, H, W]` of `logits`; `labels` is `[N, H, W]` and `indices` `[N]`.
/// All are in row-major order.
#[derive(Clone, Copy, Debug)]
pub struct SegmentedImages<'a> {
    /// Full-resolution logits in f32, f64 or half precision: `(&logits).into()`.
    pub logits: ScoreSlice<'a>,
    /// Shape of the logits: `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// Class or void of each pixel, in any integer type: `(&labels).into()`.
    pub labels: Labels<'a>,
    /// Index of each image in the data set, which identifies it in reports. Each may occur once.
    pub indices: &'a [u64],
}

impl SegmentationMetrics {
    /// Creates empty metrics for a number of classes.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than 2 or more than 4096 classes, for 0 or more than 65536
    /// bins, if bands times classes times bins exceeds 2^22, or if bands times the square of the
    /// classes exceeds 2^24.
    pub fn new(classes: usize, settings: SegmentationSettings) -> Result<Self> {
        let parts = PixelState::new(classes, &settings)?;
        let published = settings.published.then(|| Published::new(settings.bins)).transpose()?;
        let images = BTreeMap::new();
        Ok(Self { state: State { settings, classes, parts, images, void_pixels: 0, published } })
    }

    /// Returns the settings.
    pub fn settings(&self) -> &SegmentationSettings {
        &self.state.settings
    }

    /// Returns C, the number of classes.
    pub fn classes(&self) -> usize {
        self.state.classes
    }

    /// Returns the number of images.
    pub fn images(&self) -> usize {
        self.state.images.len()
    }

    /// Returns the number of pixels that are not void.
    pub fn pixels(&self) -> u64 {
        self.state.parts.nll.n()
    }

    /// Returns the reliability diagram of the image with this index; `None` if the image was not
    /// added or has only void pixels.
    pub fn reliability_of(&self, image: u64) -> Option<Reliability> {
        self.state.images.get(&image)?.value()
    }

    /// Returns the confusion matrix of all pixels; `None` before the first image.
    pub fn confusion(&self) -> Option<ConfusionMatrix> {
        if self.state.images.is_empty() { None } else { self.state.parts.whole_confusion() }
    }

    /// Returns the reliability bins of each image with its index. They are empty for an image with
    /// only void pixels.
    pub fn image_bins(&self) -> impl Iterator<Item = (u64, &ReliabilityBins)> {
        self.state.images.iter().map(|(&index, bins)| (index, bins))
    }

    /// Adds the image at position `image` of a batch.
    fn add_image(
        &mut self,
        batch: SegmentationBatch<'_>,
        image: usize,
        input: SegmentedImages<'_>,
    ) -> Result<()> {
        let State { settings, parts, images, void_pixels, .. } = &mut self.state;
        let index = input.indices[image];
        let Entry::Vacant(place) = images.entry(index) else { return Err(twice(index)) };
        let [_, _, height, width] = input.shape;
        let area = height * width;
        let labels = input.labels.range(image * area..(image + 1) * area);
        let added =
            PixelState::of_image(batch.image(image), labels, width, settings, image * area)?;
        *void_pixels += area as u64 - added.nll.n();
        place.insert(added.whole_reliability());
        parts.merge(added)
    }
}

fn twice(image: u64) -> Error {
    Error::Setting {
        name: "image",
        value: image.to_string(),
        expected: "one that was not added before",
    }
}

/// Returns an error if a setting of two accumulators differs.
fn same<T: PartialEq + std::fmt::Debug>(name: &'static str, left: &T, right: &T) -> Result<()> {
    if left == right {
        return Ok(());
    }
    Err(Error::Merge { name, left: format!("{left:?}"), right: format!("{right:?}") })
}

impl Metric for SegmentationMetrics {
    type Input<'a> = SegmentedImages<'a>;
    type Value = SegmentationReport;

    fn name(&self) -> &'static str {
        <State as metric::MetricState>::METRIC
    }

    fn version(&self) -> u32 {
        <State as metric::MetricState>::VERSION
    }

    fn empty(&self) -> Self {
        let State { settings, classes, parts, published, .. } = &self.state;
        let published = published.as_ref().map(Published::empty);
        let (settings, parts) = (settings.clone(), parts.empty());
        let state = State {
            settings,
            classes: *classes,
            parts,
            images: BTreeMap::new(),
            void_pixels: 0,
            published,
        };
        Self { state }
    }

    /// Adds a batch of images, on all threads of the current rayon pool.
    ///
    /// # Errors
    ///
    /// The errors of [`SegmentationBatch::new`]; [`Error::Shape`] for another number of classes, or
    /// if the numbers of indices and images differ; [`Error::Setting`] for an image that was added
    /// before.
    fn update(&mut self, input: SegmentedImages<'_>) -> Result<()> {
        let void = self.state.settings.void.clone();
        let batch = SegmentationBatch::new(input.logits, input.shape, input.labels, &void)?;
        let shape = |what, expected, found| Err(Error::Shape { what, expected, found });
        if batch.classes() != self.state.classes {
            let (expected, found) =
                (format!("{} classes", self.state.classes), format!("{} classes", batch.classes()));
            return shape("logits", expected, found);
        }
        if batch.images() != input.indices.len() {
            let (expected, found) =
                (format!("{} images", batch.images()), format!("{} indices", input.indices.len()));
            return shape("indices", expected, found);
        }
        if input.indices.is_empty() {
            return Ok(());
        }
        if let Some(&index) =
            input.indices.iter().find(|index| self.state.images.contains_key(index))
        {
            return Err(twice(index));
        }
        let mut added = self.empty();
        (0..batch.images()).try_for_each(|image| added.add_image(batch, image, input))?;
        if let Some(published) = &mut added.state.published {
            published.update(batch)?;
        }
        self.merge(added)
    }

    /// Adds the images of `other`.
    ///
    /// # Errors
    ///
    /// [`Error::Merge`] if the classes or settings differ, [`Error::Setting`] if an image is in
    /// both.
    fn merge(&mut self, other: Self) -> Result<()> {
        let (mine, other) = (&mut self.state, other.state);
        same("classes", &mine.classes, &other.classes)?;
        same("settings", &mine.settings, &other.settings)?;
        if let Some(&index) = other.images.keys().find(|index| mine.images.contains_key(index)) {
            return Err(twice(index));
        }
        // The published protocol counts fewer pixels than the parts: if those do not overflow, it
        // does not either.
        mine.parts.merge(other.parts)?;
        if let (Some(mine), Some(other)) = (&mut mine.published, other.published) {
            mine.merge(other)?;
        }
        mine.void_pixels = mine.void_pixels.saturating_add(other.void_pixels);
        mine.images.extend(other.images);
        Ok(())
    }

    /// Returns the report; `None` before the first image.
    fn value(&self) -> Option<SegmentationReport> {
        (!self.state.images.is_empty()).then(|| SegmentationReport::of(&self.state))
    }

    fn size(&self) -> usize {
        let State { settings, parts, images, published, .. } = &self.state;
        let of_images: usize = images.values().map(|bins| size_of::<u64>() + bins.size()).sum();
        let published = published.as_ref().map_or(0, |published| published.calibration.size());
        size_of_val(self)
            + settings.void.capacity() * size_of::<i64>()
            + parts.allocated()
            + of_images
            + published
    }
}
