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

/// The metrics of a segmentation, in one pass over full-resolution logits that are not kept:
/// overlap, calibration by both protocols, by class, by image and by distance from the class
/// boundaries.
///
/// The state is integers: the same bits for any order of the images, any sharding, any number of
/// threads and, but for the published protocol, which is about batches, any batch size. Beside a
/// few counts per class, band and bin it keeps a reliability diagram per image, about 1 KB in 15
/// bins; updating needs 20 bytes per pixel of one image more.
///
/// A pixel whose label is void counts nowhere. An image of void alone is counted, skipped and
/// undefined; so is, for the published protocol, a batch without a pixel of a label above 0, on
/// which published code fails.
///
/// ```
/// use mbls_core::metric::Metric;
/// use mbls_seg::metric::{Pictures, SegmentationMetrics, SegmentationSettings};
///
/// // One image of 1 x 3 pixels with two classes; the last pixel is void.
/// let logits = [2.0, 0.0, 0.0, 0.0, 1.0, 0.0];
/// let mut metrics = SegmentationMetrics::new(2, SegmentationSettings::default())?;
/// metrics.update(Pictures { logits: (&logits).into(), shape: [1, 2, 1, 3], labels: (&[0, 0, 255]).into(), indices: &[0] })?;
/// let report = metrics.value().expect("a picture was added");
/// assert_eq!((report.pictures, report.pixels, report.void_pixels), (1, 2, 1));
/// assert_eq!(report.overlap.expect("two pixels count").pixel_accuracy, 0.5);
/// // No label above 0: nothing that the published protocol would count.
/// let published = report.published.expect("asked for by default");
/// assert_eq!((published.calibration, published.empty_batches), (None, 1));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved<State>", into = "Saved<State>")]
pub struct SegmentationMetrics {
    pub(super) state: State,
}

/// A batch of images: the logits and labels of their pixels, and which of the data set they are.
///
/// # Shapes
///
/// `shape` is `[N, C, H, W]`, that of `logits`; `labels` `[N, H, W]`; `indices` `[N]`. All in
/// row-major order.
#[derive(Clone, Copy, Debug)]
pub struct Pictures<'a> {
    /// Full-resolution logits, of f32, f64 or half precision: `(&logits).into()`.
    pub logits: ScoreSlice<'a>,
    /// Their shape: `[N, C, H, W]`.
    pub shape: [usize; 4],
    /// Classes and void, of any integer type: `(&labels).into()`.
    pub labels: Labels<'a>,
    /// The image's place in the data set, by which it is reported: each may come once.
    pub indices: &'a [u64],
}

impl SegmentationMetrics {
    /// No images yet, of a number of classes.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than 2 classes and more than 4096, for no bins and more than
    /// 65536, where bands times classes times bins are more than 2^22, and where bands times
    /// the square of the classes are more than 2^24.
    pub fn new(classes: usize, settings: SegmentationSettings) -> Result<Self> {
        let parts = PixelState::new(classes, &settings)?;
        let published = settings.published.then(|| Published::new(settings.bins)).transpose()?;
        let pictures = BTreeMap::new();
        Ok(Self { state: State { settings, classes, parts, pictures, void_pixels: 0, published } })
    }

    /// Returns what is measured, and with how many bins.
    pub fn settings(&self) -> &SegmentationSettings {
        &self.state.settings
    }

    /// Returns C, the number of classes.
    pub fn classes(&self) -> usize {
        self.state.classes
    }

    /// The number of images.
    pub fn pictures(&self) -> usize {
        self.state.pictures.len()
    }

    /// The number of pixels that count.
    pub fn pixels(&self) -> u64 {
        self.state.parts.nll.n()
    }

    /// The reliability diagram of an image, by its index; `None` for an image that was not added,
    /// or is void.
    pub fn reliability_of(&self, picture: u64) -> Option<Reliability> {
        self.state.pictures.get(&picture)?.value()
    }

    /// How often each label was given each prediction; `None` before the first image.
    pub fn confusion(&self) -> Option<ConfusionMatrix> {
        if self.state.pictures.is_empty() { None } else { self.state.parts.whole_confusion() }
    }

    /// What the reliability diagrams of images are made of, by their index: for an image of void
    /// alone, of nothing.
    pub fn picture_bins(&self) -> impl Iterator<Item = (u64, &ReliabilityBins)> {
        self.state.pictures.iter().map(|(&index, bins)| (index, bins))
    }

    /// Adds the image at `image` of a batch.
    fn add_picture(
        &mut self,
        batch: SegmentationBatch<'_>,
        image: usize,
        input: Pictures<'_>,
    ) -> Result<()> {
        let State { settings, parts, pictures, void_pixels, .. } = &mut self.state;
        let index = input.indices[image];
        let Entry::Vacant(place) = pictures.entry(index) else { return Err(twice(index)) };
        let [_, _, height, width] = input.shape;
        let area = height * width;
        let labels = input.labels.range(image * area..(image + 1) * area);
        let picture =
            PixelState::of_picture(batch.image(image), labels, width, settings, image * area)?;
        *void_pixels += area as u64 - picture.nll.n();
        place.insert(picture.whole_reliability());
        parts.merge(picture)
    }
}

fn twice(picture: u64) -> Error {
    Error::Setting {
        name: "picture",
        value: picture.to_string(),
        expected: "one that was not added before",
    }
}

/// An error where a setting of two accumulators differs.
fn same<T: PartialEq + std::fmt::Debug>(name: &'static str, left: &T, right: &T) -> Result<()> {
    if left == right {
        return Ok(());
    }
    Err(Error::Merge { name, left: format!("{left:?}"), right: format!("{right:?}") })
}

impl Metric for SegmentationMetrics {
    type Input<'a> = Pictures<'a>;
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
            pictures: BTreeMap::new(),
            void_pixels: 0,
            published,
        };
        Self { state }
    }

    /// Adds a batch of images, on all threads of the current rayon pool.
    ///
    /// # Errors
    ///
    /// Those of [`SegmentationBatch::new`]; [`Error::Shape`] for another number of classes, or of
    /// indices than of images; [`Error::Setting`] for an image that was added before.
    fn update(&mut self, input: Pictures<'_>) -> Result<()> {
        let void = self.state.settings.void.clone();
        let batch = SegmentationBatch::new(input.logits, input.shape, input.labels, &void)?;
        let shape = |what, expected, found| Err(Error::Shape { what, expected, found });
        if batch.classes() != self.state.classes {
            let (expected, found) =
                (format!("{} classes", self.state.classes), format!("{} classes", batch.classes()));
            return shape("logits", expected, found);
        }
        if batch.images() != input.indices.len() {
            let (expected, found) = (
                format!("{} pictures", batch.images()),
                format!("{} indices", input.indices.len()),
            );
            return shape("indices", expected, found);
        }
        if input.indices.is_empty() {
            return Ok(());
        }
        if let Some(&index) =
            input.indices.iter().find(|index| self.state.pictures.contains_key(index))
        {
            return Err(twice(index));
        }
        let mut added = self.empty();
        (0..batch.images()).try_for_each(|image| added.add_picture(batch, image, input))?;
        if let Some(published) = &mut added.state.published {
            published.update(batch)?;
        }
        self.merge(added)
    }

    /// Adds what another saw.
    ///
    /// # Errors
    ///
    /// [`Error::Merge`] where classes or settings differ, [`Error::Setting`] where both saw an
    /// image.
    fn merge(&mut self, other: Self) -> Result<()> {
        let (mine, other) = (&mut self.state, other.state);
        same("classes", &mine.classes, &other.classes)?;
        same("settings", &mine.settings, &other.settings)?;
        if let Some(&index) = other.pictures.keys().find(|index| mine.pictures.contains_key(index))
        {
            return Err(twice(index));
        }
        // The published protocol sees fewer pixels than the parts: where these fit, it fits.
        mine.parts.merge(other.parts)?;
        if let (Some(mine), Some(other)) = (&mut mine.published, other.published) {
            mine.merge(other)?;
        }
        mine.void_pixels = mine.void_pixels.saturating_add(other.void_pixels);
        mine.pictures.extend(other.pictures);
        Ok(())
    }

    /// `None` before the first image.
    fn value(&self) -> Option<SegmentationReport> {
        (!self.state.pictures.is_empty()).then(|| SegmentationReport::of(&self.state))
    }

    fn size(&self) -> usize {
        let State { settings, parts, pictures, published, .. } = &self.state;
        let of_pictures: usize = pictures.values().map(|bins| size_of::<u64>() + bins.size()).sum();
        let published = published.as_ref().map_or(0, |published| published.calibration.size());
        size_of_val(self)
            + settings.void.capacity() * size_of::<i64>()
            + parts.allocated()
            + of_pictures
            + published
    }
}
