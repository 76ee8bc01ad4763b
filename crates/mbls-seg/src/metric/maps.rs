use super::accumulator::SegmentedImages;
use super::colours::class_colour;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use mbls_core::metric::{Labels, ScoreSlice, SegmentationBatch};
use mbls_data::Error;
use std::path::Path;

/// Maps of one image: labels, predictions, confidences and errors of its pixels.
///
/// The label and prediction maps have a colour for each class ([`class_colour`]); the others are
/// 8-bit grey with transparency. The confidence map has the grey value `round(255 confidence)`:
/// black is confidence 0, white confidence 1. In the error map, wrong pixels are white and correct
/// ones black. Void is transparent in all of them.
///
/// ```
/// use mbls_seg::metric::ImageMaps;
///
/// let maps =
///     ImageMaps::new(&[2.0, 0.0, 0.0, 0.0, 1.0, 0.0], [2, 1, 3], &[0, 0, 255], &[255])?;
/// assert_eq!(maps.confidences()[1], Some(0.731_058_6));
/// assert_eq!(maps.errors(), [Some(false), Some(true), None]);
/// let png = maps.error_png()?;
/// assert_eq!(&png[1..4], b"PNG");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ImageMaps {
    width: u32,
    height: u32,
    confidences: Vec<Option<f32>>,
    errors: Vec<Option<bool>>,
    labels: Vec<Option<u32>>,
    predictions: Vec<Option<u32>>,
}

impl ImageMaps {
    /// Computes the maps of one image.
    ///
    /// # Shapes
    ///
    /// `shape` is the shape `[C, H, W]` of `logits`; `labels` is `[H, W]`, of any integer type.
    ///
    /// # Errors
    ///
    /// The errors of [`SegmentationBatch::new`]; [`mbls_core::Error::Shape`] for an image without
    /// pixels, or with more than 2^32 - 1 rows or columns.
    pub fn new<'a>(
        logits: impl Into<ScoreSlice<'a>>,
        shape: [usize; 3],
        labels: impl Into<Labels<'a>>,
        void: &'a [i64],
    ) -> mbls_core::Result<Self> {
        let labels = labels.into();
        let [classes, height, width] = shape;
        let batch = SegmentationBatch::new(logits, [1, classes, height, width], labels, void)?;
        let (Ok(rows @ 1..), Ok(columns @ 1..)) = (u32::try_from(height), u32::try_from(width))
        else {
            let (expected, found) =
                ("from 1 to 2^32 - 1 rows and columns".into(), format!("{height} x {width}"));
            return Err(mbls_core::Error::Shape { what: "image", expected, found });
        };
        let (mut confidences, mut errors) = (vec![None; labels.len()], vec![None; labels.len()]);
        let (mut true_classes, mut predicted) =
            (vec![None; labels.len()], vec![None; labels.len()]);
        for chunk in batch.chunks() {
            let predictions = chunk.predictions()?;
            for (row, &pixel) in chunk.pixels.iter().enumerate() {
                confidences[pixel] = Some(predictions.confidence(row) as f32);
                errors[pixel] = Some(!predictions.correct(row));
                true_classes[pixel] = Some(predictions.label(row));
                predicted[pixel] = Some(predictions.predicted(row));
            }
        }
        let (labels, predictions) = (true_classes, predicted);
        Ok(Self { width: columns, height: rows, confidences, errors, labels, predictions })
    }

    /// Computes the maps of the images of a batch, in their order.
    ///
    /// # Errors
    ///
    /// The errors of [`new`](Self::new).
    pub fn of_batch(batch: SegmentedImages<'_>, void: &[i64]) -> mbls_core::Result<Vec<Self>> {
        let [images, classes, height, width] = batch.shape;
        SegmentationBatch::new(batch.logits, batch.shape, batch.labels, void)?;
        let area = height.saturating_mul(width);
        let of = |image: usize| {
            let scores = batch.logits.range(image * classes * area..(image + 1) * classes * area);
            Self::new(
                scores,
                [classes, height, width],
                batch.labels.range(image * area..(image + 1) * area),
                void,
            )
        };
        (0..images).map(of).collect()
    }

    /// Returns the confidence of each pixel `[H, W]`, `None` for void.
    pub fn confidences(&self) -> &[Option<f32>] {
        &self.confidences
    }

    /// Returns whether the prediction of each pixel `[H, W]` is wrong, `None` for void.
    pub fn errors(&self) -> &[Option<bool>] {
        &self.errors
    }

    /// Returns the labelled class of each pixel `[H, W]`, `None` for void.
    pub fn labels(&self) -> &[Option<u32>] {
        &self.labels
    }

    /// Returns the predicted class of each pixel `[H, W]`, `None` for void.
    pub fn predictions(&self) -> &[Option<u32>] {
        &self.predictions
    }

    /// Encodes the labels as a PNG file in the colours of [`class_colour`].
    ///
    /// # Errors
    ///
    /// The errors of [`confidence_png`](Self::confidence_png).
    pub fn mask_png(&self) -> mbls_data::Result<Vec<u8>> {
        self.class_png(&self.labels)
    }

    /// Encodes the predicted classes as a PNG file in the same colours.
    ///
    /// # Errors
    ///
    /// The errors of [`confidence_png`](Self::confidence_png).
    pub fn prediction_png(&self) -> mbls_data::Result<Vec<u8>> {
        self.class_png(&self.predictions)
    }

    /// Encodes the confidence map as a PNG file.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] if the image is too large for the format.
    pub fn confidence_png(&self) -> mbls_data::Result<Vec<u8>> {
        self.png(
            self.confidences.iter().map(|confidence| confidence.map(|p| (255.0 * p).round() as u8)),
        )
    }

    /// Encodes the error map as a PNG file.
    ///
    /// # Errors
    ///
    /// The errors of [`confidence_png`](Self::confidence_png).
    pub fn error_png(&self) -> mbls_data::Result<Vec<u8>> {
        self.png(self.errors.iter().map(|error| error.map(|wrong| if wrong { 255 } else { 0 })))
    }

    /// Writes `NAME.mask.png`, `NAME.prediction.png`, `NAME.confidence.png` and `NAME.errors.png`
    /// to a folder. Each file is written atomically.
    ///
    /// # Errors
    ///
    /// The errors of [`confidence_png`](Self::confidence_png) and of [`mbls_io::atomic::write`].
    pub fn write(&self, folder: &Path, name: &str) -> mbls_data::Result<()> {
        for (what, png) in [
            ("mask", self.mask_png()?),
            ("prediction", self.prediction_png()?),
            ("confidence", self.confidence_png()?),
            ("errors", self.error_png()?),
        ] {
            let path = folder.join(format!("{name}.{what}.png"));
            mbls_io::atomic::write(&path, &png).map_err(|error| Error::Other(Box::new(error)))?;
        }
        Ok(())
    }

    fn png(&self, grey: impl Iterator<Item = Option<u8>>) -> mbls_data::Result<Vec<u8>> {
        let pixels: Vec<u8> = grey
            .flat_map(|grey| [grey.unwrap_or(0), if grey.is_some() { 255 } else { 0 }])
            .collect();
        self.encode(&pixels, ExtendedColorType::La8)
    }

    fn class_png(&self, classes: &[Option<u32>]) -> mbls_data::Result<Vec<u8>> {
        let colour = |class: &Option<u32>| {
            class.map_or([0; 4], |class| {
                let [red, green, blue] = class_colour((class % 256) as u8);
                [red, green, blue, 255]
            })
        };
        self.encode(&classes.iter().flat_map(colour).collect::<Vec<u8>>(), ExtendedColorType::Rgba8)
    }

    fn encode(&self, pixels: &[u8], colour: ExtendedColorType) -> mbls_data::Result<Vec<u8>> {
        let mut file = Vec::new();
        let written =
            PngEncoder::new(&mut file).write_image(pixels, self.width, self.height, colour);
        written.map_err(|error| Error::Other(Box::new(error)))?;
        Ok(file)
    }
}
