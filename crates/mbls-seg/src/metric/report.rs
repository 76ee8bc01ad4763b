use super::Quantiles;
use super::state::State;
use mbls_core::metric::{
    AbsentClasses, Background, ClasswiseEce, ConfusionMatrix, Metric, Overlap, Reliability,
    ReliabilityBins, SegmentationCalibrationReport,
};
use mbls_core::number::is_zero;
use serde::{Deserialize, Serialize};

/// The segmentation metrics of a data set. A metric without pixels to define it is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationReport {
    /// Number of images.
    #[serde(rename = "pictures")]
    pub images: u64,
    /// Number of images with only void pixels. They contribute to no other field but `images`,
    /// `void_pixels` and `by_image`.
    #[serde(rename = "void_pictures")]
    pub void_images: u64,
    /// Number of pixels that are not void.
    pub pixels: u64,
    /// Number of void pixels.
    pub void_pixels: u64,
    /// Overlap of predictions and labels.
    pub overlap: Option<OverlapReport>,
    /// Calibration of all pixels in one histogram, with the default conventions.
    pub calibration: Option<PooledReport>,
    /// The published protocol, if it was enabled.
    pub published: Option<PublishedReport>,
    /// Metrics per class, in the order of the classes.
    pub classes: Vec<ClassReport>,
    /// Metrics by distance from the class boundaries.
    pub bands: Vec<BandReport>,
    /// Distribution of the expected calibration errors of single images.
    #[serde(rename = "picture_ece")]
    pub image_ece: Option<Quantiles>,
    /// Metrics per image, in the order of their indices.
    #[serde(rename = "by_picture")]
    pub by_image: Vec<ImageReport>,
}

/// Overlap of predictions and labels, averaged over classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverlapReport {
    /// Fraction of pixels that are predicted correctly.
    pub pixel_accuracy: f64,
    /// Pixel accuracy over pixels whose label is not 0.
    pub foreground_accuracy: Option<f64>,
    /// Mean intersection over union.
    pub mean_iou: ClassMean,
    /// Mean Dice coefficient.
    pub mean_dice: ClassMean,
    /// Mean class accuracy (recall).
    pub mean_accuracy: ClassMean,
}

/// A mean over classes, in three conventions of which classes it includes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassMean {
    /// Over all classes with a score.
    pub with_background: Option<f64>,
    /// Over the classes from 1 on with a score.
    pub without_background: Option<f64>,
    /// Over all classes from 1 on, a class without a score counting as 0. The published results of
    /// MbLS use this convention.
    pub published: Option<f64>,
}

/// Calibration of all pixels in one histogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PooledReport {
    /// Mean negative log-likelihood of the labels; infinite if a label has probability 0.
    #[serde(with = "mbls_core::number")]
    pub nll: f64,
    /// Number of pixels whose label has probability 0; saved only if there are any.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub infinite_nll_pixels: u64,
    /// Expected calibration error.
    pub ece: f64,
    /// Maximum calibration error.
    pub mce: f64,
    /// Classwise expected calibration error over all classes, if it was enabled.
    pub cece: Option<f64>,
    /// Confidence and accuracy in bins.
    pub reliability: Reliability,
}

/// The published protocol: calibration per batch without the pixels of label 0, averaged over
/// batches with the number of their pixels as weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedReport {
    /// The means; `None` if no batch had a pixel that counts.
    pub calibration: Option<SegmentationCalibrationReport>,
    /// Number of batches in the means.
    pub batches: u64,
    /// Number of omitted batches without a pixel that counts. The published code fails on them.
    pub empty_batches: u64,
}

/// Metrics of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Number of pixels with this label.
    pub labelled: u64,
    /// Number of pixels that are predicted as this class.
    pub predicted: u64,
    /// Intersection over union.
    pub iou: Option<f64>,
    /// Dice coefficient.
    pub dice: Option<f64>,
    /// Fraction of the pixels with this label that are predicted correctly.
    pub accuracy: Option<f64>,
    /// Expected calibration error of the probability of this class over all pixels, if the
    /// classwise error was enabled. Its mean over the classes is the classwise error.
    pub ece: Option<f64>,
    /// Expected calibration error of the confidence where this class is predicted.
    pub predicted_ece: Option<f64>,
    /// Confidence and accuracy in bins where this class is predicted.
    pub reliability: Option<Reliability>,
}

/// Metrics of the pixels in one range of distances from the class boundaries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BandReport {
    /// The range, as text.
    pub name: String,
    /// Smallest distance in pixels.
    pub from: u32,
    /// Largest distance in pixels; `None` if there is no upper end.
    pub to: Option<u32>,
    /// Number of pixels.
    pub pixels: u64,
    /// Fraction that is predicted correctly.
    pub accuracy: Option<f64>,
    /// Mean confidence.
    pub confidence: Option<f64>,
    /// Expected calibration error of the confidence.
    pub ece: Option<f64>,
    /// Intersection over union within the band, averaged over the classes that occur in it.
    pub mean_iou: Option<f64>,
    /// Confidence and accuracy in bins.
    pub reliability: Option<Reliability>,
}

/// Metrics of one image.
/// [`SegmentationMetrics::reliability_of`](super::SegmentationMetrics::reliability_of) returns its
/// reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageReport {
    /// Index of the image in the data set.
    pub index: u64,
    /// Number of pixels that are not void.
    pub pixels: u64,
    /// Fraction that is predicted correctly.
    pub accuracy: Option<f64>,
    /// Mean confidence.
    pub confidence: Option<f64>,
    /// Expected calibration error of the confidence.
    pub ece: Option<f64>,
}

impl SegmentationReport {
    pub(super) fn of(state: &State) -> Self {
        let by_image: Vec<ImageReport> =
            state.images.iter().map(|(&index, bins)| ImageReport::of(index, bins)).collect();
        let overlap = state.parts.whole_confusion().and_then(|confusion| confusion.value());
        let errors: Vec<f64> = by_image.iter().filter_map(|image| image.ece).collect();
        Self {
            images: by_image.len() as u64,
            void_images: by_image.iter().filter(|image| image.pixels == 0).count() as u64,
            pixels: state.parts.nll.n(),
            void_pixels: state.void_pixels,
            overlap: overlap.as_ref().and_then(OverlapReport::of),
            calibration: pooled(state),
            published: state.published.as_ref().map(|published| PublishedReport {
                calibration: published.calibration.value(),
                batches: published.batches,
                empty_batches: published.empty_batches,
            }),
            classes: classes(state, overlap.as_ref()),
            bands: (0..state.settings.bands.len())
                .map(|band| BandReport::of(state, band))
                .collect(),
            image_ece: Quantiles::of(&errors),
            by_image,
        }
    }
}

fn pooled(state: &State) -> Option<PooledReport> {
    let reliability = state.parts.whole_reliability().value()?;
    Some(PooledReport {
        nll: state.parts.nll.value()?,
        infinite_nll_pixels: state.parts.nll.infinite(),
        ece: reliability.ece(),
        mce: reliability.mce(),
        cece: state.parts.classwise.as_ref().and_then(Metric::value),
        reliability,
    })
}

fn classes(state: &State, overlap: Option<&Overlap>) -> Vec<ClassReport> {
    let diagrams = state.parts.classwise.as_ref().map(ClasswiseEce::diagrams).unwrap_or_default();
    let class = |class: usize| {
        let areas = overlap.map(|overlap| overlap.classes[class]);
        let reliability = state.parts.reliability_of_predicted(class).value();
        ClassReport {
            labelled: areas.map_or(0, |areas| areas.labelled),
            predicted: areas.map_or(0, |areas| areas.predicted),
            iou: areas.and_then(|areas| areas.iou()),
            dice: areas.and_then(|areas| areas.dice()),
            accuracy: areas.and_then(|areas| areas.recall()),
            ece: diagrams.get(class).map(Reliability::ece),
            predicted_ece: reliability.as_ref().map(Reliability::ece),
            reliability,
        }
    };
    (0..state.classes).map(class).collect()
}

impl OverlapReport {
    fn of(overlap: &Overlap) -> Option<Self> {
        let mean = |of: fn(&Overlap, Background, AbsentClasses) -> Option<f64>| ClassMean {
            with_background: of(overlap, Background::Included, AbsentClasses::Omitted),
            without_background: of(overlap, Background::Excluded, AbsentClasses::Omitted),
            published: of(overlap, Background::Excluded, AbsentClasses::Reference),
        };
        let foreground = overlap.classes.iter().skip(1);
        let (right, all) =
            foreground.fold((0, 0), |(i, l), class| (i + class.intersection, l + class.labelled));
        Some(Self {
            pixel_accuracy: overlap.pixel_accuracy()?,
            foreground_accuracy: (all > 0).then(|| right as f64 / all as f64),
            mean_iou: mean(Overlap::mean_iou),
            mean_dice: mean(Overlap::mean_dice),
            mean_accuracy: mean(Overlap::mean_recall),
        })
    }
}

impl BandReport {
    fn of(state: &State, band: usize) -> Self {
        let (bands, reliability) =
            (&state.settings.bands, state.parts.reliability_of_band(band).value());
        let (from, to) = bands.range(band);
        let overlap = state.parts.confusion.get(band).and_then(ConfusionMatrix::value);
        Self {
            name: bands.name(band),
            from,
            to,
            pixels: reliability.as_ref().map_or(0, |reliability| reliability.n),
            accuracy: reliability.as_ref().map(Reliability::accuracy),
            confidence: reliability.as_ref().map(Reliability::mean_confidence),
            ece: reliability.as_ref().map(Reliability::ece),
            mean_iou: overlap
                .and_then(|o| o.mean_iou(Background::Included, AbsentClasses::Omitted)),
            reliability,
        }
    }
}

impl ImageReport {
    fn of(index: u64, bins: &ReliabilityBins) -> Self {
        let reliability = bins.value();
        Self {
            index,
            pixels: bins.n(),
            accuracy: reliability.as_ref().map(Reliability::accuracy),
            confidence: reliability.as_ref().map(Reliability::mean_confidence),
            ece: reliability.as_ref().map(Reliability::ece),
        }
    }
}
