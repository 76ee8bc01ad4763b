use super::logit_rows::check_classes;
use super::{LogitRows, Predictions};
use crate::{Error, Result};

/// A validated batch of a segmentation: the logits of each pixel, its label, and the labels that do not count.
///
/// # Shapes
///
/// `logits` `[N, C, H, W]` and `labels` `[N, H, W]`, both in row-major order.
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
    logits: &'a [f32],
    classes: usize,
    /// Pixels per image.
    area: usize,
    labels: &'a [u32],
    ignored: &'a [u32],
}

/// Logits of this many pixels times classes are copied at a time.
const CHUNK: usize = 1 << 20;

/// Pixels of a segmentation as rows of a classifier, in the order of the labels.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelRows {
    /// Logits `[rows, classes]`, in row-major order.
    pub logits: Vec<f32>,
    /// The number of classes.
    pub classes: usize,
    /// The label of each row.
    pub labels: Vec<u32>,
}

impl PixelRows {
    /// The rows as predictions.
    ///
    /// # Errors
    ///
    /// Those of [`Predictions::from_logits`]; none for rows of a [`SegmentationBatch`].
    pub fn predictions(&self) -> Result<Predictions> {
        Predictions::from_logits(&self.logits, self.classes, &self.labels)
    }

    /// The rows without their labels.
    ///
    /// # Errors
    ///
    /// Those of [`LogitRows::new`]; none for rows of a [`SegmentationBatch`].
    pub fn logit_rows(&self) -> Result<LogitRows<'_>> {
        LogitRows::new(&self.logits, self.classes)
    }
}

impl<'a> SegmentationBatch<'a> {
    /// Checks a batch. Pixels of a label in `ignored` count nowhere, and their logits may be anything.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for fewer than two classes, [`Error::Shape`] where a length does not fit the shape, [`Error::Label`]
    /// for a label that is neither a class nor ignored, [`Error::Value`] for a logit that is not finite. Rows in the messages
    /// are indices of `labels`.
    pub fn new(logits: &'a [f32], shape: [usize; 4], labels: &'a [u32], ignored: &'a [u32]) -> Result<Self> {
        let [images, classes, height, width] = shape;
        check_classes(classes)?;
        let sizes = [("logits", &shape[..], logits.len()), ("labels", &[images, height, width], labels.len())];
        for (what, shape, found) in sizes {
            if shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size)) != Some(found) {
                let (expected, found) = (format!("{shape:?}"), format!("{found} values"));
                return Err(Error::Shape { what, expected, found });
            }
        }
        let batch = Self { logits, classes, area: height * width, labels, ignored };
        for (pixel, label) in batch.counted(0) {
            if label as usize >= classes {
                return Err(Error::Label { label: label.into(), row: pixel, classes });
            }
            if let Some((class, &value)) = batch.scores(pixel).enumerate().find(|(_, logit)| !logit.is_finite()) {
                let (value, expected) = (value.into(), "a finite number");
                return Err(Error::Value { what: "logit", value, row: pixel, class, expected });
            }
        }
        Ok(batch)
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The pixels that count, as rows. At most `2^20 / classes` rows (or one) are copied at a time, whatever the size of the
    /// batch.
    pub fn chunks(self) -> impl Iterator<Item = PixelRows> + 'a {
        self.chunks_where(|_| true)
    }

    /// The rows whose label meets a condition.
    pub(super) fn chunks_where(self, keep: impl Fn(u32) -> bool + 'a) -> impl Iterator<Item = PixelRows> + 'a {
        let most = (CHUNK / self.classes).max(1);
        let mut next = 0;
        std::iter::from_fn(move || {
            let mut rows = PixelRows { logits: Vec::new(), classes: self.classes, labels: Vec::new() };
            for (pixel, label) in self.counted(next).filter(|(_, label)| keep(*label)).take(most) {
                rows.logits.extend(self.scores(pixel));
                rows.labels.push(label);
                next = pixel + 1;
            }
            (!rows.labels.is_empty()).then_some(rows)
        })
    }

    /// Index and label of the pixels that count, from an index on.
    fn counted(self, from: usize) -> impl Iterator<Item = (usize, u32)> + 'a {
        let pixels = self.labels.iter().copied().enumerate().skip(from);
        pixels.filter(move |(_, label)| !self.ignored.contains(label))
    }

    /// The logits of a pixel, one per class.
    fn scores(&self, pixel: usize) -> impl Iterator<Item = &'a f32> + use<'a> {
        let (image, place) = (pixel / self.area, pixel % self.area);
        self.logits[image * self.classes * self.area + place..].iter().step_by(self.area).take(self.classes)
    }
}
