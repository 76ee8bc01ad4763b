use super::accumulator::Pictures;
use super::colours::class_colour;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use mbls_core::metric::{Labels, ScoreSlice, SegmentationBatch};
use mbls_data::Error;
use std::path::Path;

/// The classes of an image's pixels and those predicted, where the network was sure, and where it
/// was wrong.
///
/// The maps of classes have a colour for each class ([`class_colour`]), the others are 8-bit grey
/// with transparency. In the map of confidences grey is `round(255 confidence)`, so that black is
/// sure of nothing and white of all; in the map of errors white is wrong and black right. Void is
/// transparent in all.
///
/// ```
/// use mbls_seg::metric::PictureMaps;
///
/// let maps = PictureMaps::new(&[2.0, 0.0, 0.0, 0.0, 1.0, 0.0], [2, 1, 3], &[0, 0, 255], &[255])?;
/// assert_eq!(maps.confidences()[1], Some(0.731_058_6));
/// assert_eq!(maps.errors(), [Some(false), Some(true), None]);
/// let png = maps.error_png()?;
/// assert_eq!(&png[1..4], b"PNG");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PictureMaps {
    width: u32,
    height: u32,
    confidences: Vec<Option<f32>>,
    errors: Vec<Option<bool>>,
    labels: Vec<Option<u32>>,
    predictions: Vec<Option<u32>>,
}

impl PictureMaps {
    /// The maps of one image.
    ///
    /// # Shapes
    ///
    /// `shape` is `[C, H, W]`, that of `logits`; `labels` `[H, W]` of any integer type.
    ///
    /// # Errors
    ///
    /// Those of [`SegmentationBatch::new`]; [`mbls_core::Error::Shape`] for an image without
    /// pixels, or of more than 2^32 - 1 rows or columns.
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
            return Err(mbls_core::Error::Shape { what: "picture", expected, found });
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

    /// The maps of the images of a batch, in their order.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn of_batch(pictures: Pictures<'_>, void: &[i64]) -> mbls_core::Result<Vec<Self>> {
        let [images, classes, height, width] = pictures.shape;
        SegmentationBatch::new(pictures.logits, pictures.shape, pictures.labels, void)?;
        let area = height.saturating_mul(width);
        let of = |image: usize| {
            let scores =
                pictures.logits.range(image * classes * area..(image + 1) * classes * area);
            Self::new(
                scores,
                [classes, height, width],
                pictures.labels.range(image * area..(image + 1) * area),
                void,
            )
        };
        (0..images).map(of).collect()
    }

    /// The confidence of each pixel `[H, W]`, `None` for void.
    pub fn confidences(&self) -> &[Option<f32>] {
        &self.confidences
    }

    /// Whether each pixel `[H, W]` is predicted wrong, `None` for void.
    pub fn errors(&self) -> &[Option<bool>] {
        &self.errors
    }

    /// The class of each pixel `[H, W]`, `None` for void.
    pub fn labels(&self) -> &[Option<u32>] {
        &self.labels
    }

    /// The predicted class of each pixel `[H, W]`, `None` for void.
    pub fn predictions(&self) -> &[Option<u32>] {
        &self.predictions
    }

    /// The mask as a PNG file in the colours of [`class_colour`].
    ///
    /// # Errors
    ///
    /// As [`confidence_png`](Self::confidence_png).
    pub fn mask_png(&self) -> mbls_data::Result<Vec<u8>> {
        self.class_png(&self.labels)
    }

    /// The predicted classes as a PNG file, in the same colours.
    ///
    /// # Errors
    ///
    /// As [`confidence_png`](Self::confidence_png).
    pub fn prediction_png(&self) -> mbls_data::Result<Vec<u8>> {
        self.class_png(&self.predictions)
    }

    /// The map of confidences as a PNG file.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] where the file would be too large for the format.
    pub fn confidence_png(&self) -> mbls_data::Result<Vec<u8>> {
        self.png(
            self.confidences.iter().map(|confidence| confidence.map(|p| (255.0 * p).round() as u8)),
        )
    }

    /// The map of errors as a PNG file.
    ///
    /// # Errors
    ///
    /// As [`confidence_png`](Self::confidence_png).
    pub fn error_png(&self) -> mbls_data::Result<Vec<u8>> {
        self.png(self.errors.iter().map(|error| error.map(|wrong| if wrong { 255 } else { 0 })))
    }

    /// Writes `NAME.mask.png`, `NAME.prediction.png`, `NAME.confidence.png` and `NAME.errors.png`
    /// to a folder, each whole or not at all.
    ///
    /// # Errors
    ///
    /// Those of [`confidence_png`](Self::confidence_png) and of [`mbls_io::atomic::write`].
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
