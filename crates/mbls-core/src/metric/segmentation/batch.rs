use crate::metric::input::{
    Label, Labels, LogitRows, Predictions, ScoreSlice, ScoreType, StoredScores, check_classes,
    check_row, not_a_class, of_type, softmax, with_scores, with_slice,
};
use crate::{Error, Result};
use rayon::prelude::*;
use std::ops::Range;

/// A validated batch of a segmentation: the logits and the label of each pixel, and the ignored
/// labels.
///
/// # Shapes
///
/// `logits` `[N, C, H, W]` and `labels` `[N, H, W]`, both in row-major order. Logits may be of any
/// [`ScoreType`](crate::metric::ScoreType), labels of any integer type, see [`Label`]. Neither is
/// copied.
///
/// ```
/// use mbls_core::metric::{Accuracy, Metric, SegmentationBatch};
///
/// // One image of 1 x 3 pixels with two classes; the last pixel is ignored.
/// let logits = [2.0, 0.0, 0.0, 0.0, 1.0, 0.0];
/// let batch = SegmentationBatch::new(&logits, [1, 2, 1, 3], &[0, 0, 255], &[255])?;
/// let mut accuracy = Accuracy::new();
/// for rows in batch.chunks() {
///     accuracy.update(&rows.predictions()?)?;
/// }
/// assert_eq!((accuracy.n(), accuracy.value()), (2, Some(0.5)));
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SegmentationBatch<'a> {
    logits: ScoreSlice<'a>,
    images: usize,
    classes: usize,
    /// Pixels per image.
    area: usize,
    labels: Labels<'a>,
    ignored: &'a [i64],
}

/// The number of pixels times classes in a block: small enough for the cache of a core, large
/// enough to divide a batch among threads.
const BLOCK: usize = 1 << 18;

/// Pixels of a segmentation as rows of a classifier, in the order of the labels.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelRows {
    /// `[rows, classes]`, in row-major order.
    logits: StoredScores<'static>,
    /// The number of classes.
    pub classes: usize,
    /// The label of each row.
    pub labels: Vec<u32>,
    /// The index of each row among the labels of the batch.
    pub pixels: Vec<usize>,
}

impl PixelRows {
    /// Returns the logits `[rows, classes]` in row-major order; half precision is returned as f32.
    pub fn logits(&self) -> ScoreSlice<'_> {
        match &self.logits {
            StoredScores::None => ScoreSlice::from(&[0f32; 0]),
            StoredScores::F32(logits) => ScoreSlice::from(&**logits),
            StoredScores::F64(logits) => ScoreSlice::from(&**logits),
        }
    }

    /// Returns the rows as predictions.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Predictions::from_logits`]; rows of a [`SegmentationBatch`] have
    /// none.
    pub fn predictions(&self) -> Result<Predictions<'_>> {
        match &self.logits {
            StoredScores::None => Predictions::from_logits::<f32>(&[], self.classes, &self.labels),
            StoredScores::F32(logits) => {
                Predictions::from_logits(logits, self.classes, &self.labels)
            }
            StoredScores::F64(logits) => {
                Predictions::from_logits(logits, self.classes, &self.labels)
            }
        }
    }

    /// Returns the rows without their labels.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`LogitRows::new`]; rows of a [`SegmentationBatch`] have none.
    pub fn logit_rows(&self) -> Result<LogitRows<'_>> {
        LogitRows::new(self.logits(), self.classes)
    }
}

impl<'a> SegmentationBatch<'a> {
    /// Validates a batch. Pixels whose label is in `ignored` are excluded, and their logits may
    /// have any value.
    ///
    /// # Errors
    ///
    /// - [`Error::Setting`] for fewer than two classes.
    /// - [`Error::Shape`] if a length does not match the shape.
    /// - [`Error::Label`] for a label that is neither a class nor ignored.
    /// - [`Error::Value`] for a logit that is NaN or plus infinity, and for a pixel whose logits
    ///   are all minus infinity.
    ///
    /// Rows in the messages are indices of `labels`.
    pub fn new(
        logits: impl Into<ScoreSlice<'a>>,
        shape: [usize; 4],
        labels: impl Into<Labels<'a>>,
        ignored: &'a [i64],
    ) -> Result<Self> {
        let (logits, labels) = (logits.into(), labels.into());
        let [images, classes, height, width] = shape;
        check_classes(classes)?;
        let sizes = [
            ("logits", &shape[..], logits.len()),
            ("labels", &[images, height, width], labels.len()),
        ];
        for (what, shape, found) in sizes {
            if shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
                != Some(found)
            {
                let (expected, found) = (format!("{shape:?}"), format!("{found} values"));
                return Err(Error::Shape { what, expected, found });
            }
        }
        // Height times width. Without images the product may overflow and is not needed.
        let area = labels.len().checked_div(images).unwrap_or(0);
        let batch = Self { logits, images, classes, area, labels, ignored };
        with_slice!(labels, labels => batch.check(labels))?;
        Ok(batch)
    }

    fn check(&self, labels: &[impl Label]) -> Result<()> {
        // The usual case; otherwise only pixels that are not ignored are checked.
        let all_ordinary = with_scores!(self.logits, logits => softmax::all_ordinary(logits));
        for (pixel, label) in self.counted(labels, 0..labels.len()) {
            if label.class(self.classes).is_none() {
                return Err(not_a_class(label, pixel, self.classes));
            }
            if !all_ordinary {
                with_scores!(self.logits, logits => check_row(pixel, self.scores(logits, pixel)))?;
            }
        }
        Ok(())
    }

    /// Returns C, the number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Returns N, the number of images.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Returns a batch with a single image.
    ///
    /// # Panics
    ///
    /// Panics if `image` is not below [`images`](Self::images).
    #[must_use]
    pub fn image(&self, image: usize) -> Self {
        let (area, scores) = (self.area, self.area * self.classes);
        let labels = self.labels.range(image * area..(image + 1) * area);
        Self {
            logits: self.logits.range(image * scores..(image + 1) * scores),
            images: 1,
            labels,
            ..*self
        }
    }

    /// Iterates over the pixels that are not ignored, as rows: at most `2^18 / classes` (or one) at
    /// a time, for any batch size.
    pub fn chunks(self) -> impl Iterator<Item = PixelRows> + 'a {
        (0..self.blocks())
            .map(move |block| self.block(block, |_| true))
            .filter(|rows| !rows.labels.is_empty())
    }

    /// Like [`chunks`](Self::chunks), on all threads of the current rayon pool.
    pub fn par_chunks(self) -> impl ParallelIterator<Item = PixelRows> + 'a {
        let chunks =
            (0..self.blocks()).into_par_iter().map(move |block| self.block(block, |_| true));
        chunks.filter(|rows| !rows.labels.is_empty())
    }

    /// Returns the number of blocks of pixels.
    pub(in crate::metric) fn blocks(&self) -> usize {
        self.labels.len().div_ceil(self.block_pixels())
    }

    fn block_pixels(&self) -> usize {
        (BLOCK / self.classes).max(1)
    }

    /// Returns the pixels of a block that are not ignored and whose label satisfies a condition.
    pub(in crate::metric) fn block(self, block: usize, keep: impl Fn(u32) -> bool) -> PixelRows {
        let first = block * self.block_pixels();
        let last = (first + self.block_pixels()).min(self.labels.len());
        let (pixels, labels) =
            with_slice!(self.labels, labels => self.classes_of(labels, first..last, keep));
        let logits = with_scores!(self.logits, logits => self.rows_of(logits, &pixels));
        PixelRows { logits, classes: self.classes, labels, pixels }
    }

    /// Returns the logits of pixels, row by row.
    ///
    /// A few pixels at a time are processed class by class: the distance between planes is often a
    /// multiple of 4096 bytes, so reading one pixel from all planes would evict their cache lines.
    fn rows_of<T: ScoreType>(&self, logits: &[T], pixels: &[usize]) -> StoredScores<'static> {
        const TILE: usize = 256;
        let mut rows = vec![T::ZERO; pixels.len() * self.classes];
        let mut places = Vec::with_capacity(TILE);
        for (pixels, rows) in pixels.chunks(TILE).zip(rows.chunks_mut(TILE * self.classes)) {
            places.clear();
            places.extend(
                pixels
                    .iter()
                    .map(|pixel| pixel / self.area * self.classes * self.area + pixel % self.area),
            );
            let (first, last) = (places[0], places[places.len() - 1]);
            for class in 0..self.classes {
                let logits = &logits[class * self.area..];
                let rows = rows.chunks_exact_mut(self.classes);
                if last - first < places.len() {
                    // No ignored pixels among them, the usual case.
                    rows.zip(&logits[first..=last]).for_each(|(row, logit)| row[class] = *logit);
                } else {
                    rows.zip(&places).for_each(|(row, &place)| row[class] = logits[place]);
                }
            }
        }
        T::keep_owned(rows)
    }

    /// Returns index and class of the pixels in a range that are not ignored and whose class
    /// satisfies a condition.
    fn classes_of(
        &self,
        labels: &[impl Label],
        range: Range<usize>,
        keep: impl Fn(u32) -> bool,
    ) -> (Vec<usize>, Vec<u32>) {
        // All labels that are not ignored are classes, as checked by `check`.
        let classes = self
            .counted(labels, range)
            .filter_map(|(pixel, label)| Some((pixel, label.class(self.classes)?)));
        classes.filter(|(_, class)| keep(*class)).unzip()
    }

    /// Iterates over index and label of the pixels in a range that are not ignored.
    fn counted<L: Label>(
        &self,
        labels: &[L],
        range: Range<usize>,
    ) -> impl Iterator<Item = (usize, L)> {
        let ignored = of_type(self.ignored);
        let pixels = range.clone().zip(labels[range].iter().copied());
        pixels.filter(move |(_, label)| !ignored.contains(label))
    }

    /// Returns the logits of a pixel, one per class.
    fn scores<'b, T: ScoreType>(
        &self,
        logits: &'b [T],
        pixel: usize,
    ) -> impl Iterator<Item = f64> + use<'b, T> {
        let (image, place) = (pixel / self.area, pixel % self.area);
        logits[image * self.classes * self.area + place..]
            .iter()
            .step_by(self.area)
            .take(self.classes)
            .map(|&logit| logit.into())
    }
}
