use super::Quantiles;
use super::state::State;
use mbls_core::metric::{
    AbsentClasses, Background, ClasswiseEce, ConfusionMatrix, Metric, Overlap, Reliability,
    ReliabilityBins, SegmentationCalibrationReport,
};
use mbls_core::number::is_zero;
use serde::{Deserialize, Serialize};

/// The metrics of a segmentation on a data set. What is undefined, since no pixel says anything of
/// it, is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationReport {
    /// Number of images.
    pub pictures: u64,
    /// Images of void alone: they are in nothing else.
    pub void_pictures: u64,
    /// Number of pixels that count.
    pub pixels: u64,
    /// Number of void pixels.
    pub void_pixels: u64,
    /// How far predictions and labels overlap.
    pub overlap: Option<OverlapReport>,
    /// Calibration of all pixels in one histogram, in the default conventions.
    pub calibration: Option<PooledReport>,
    /// The published protocol, where it was asked for.
    pub published: Option<PublishedReport>,
    /// What was measured of each class, in their order.
    pub classes: Vec<ClassReport>,
    /// By distance from the class boundaries.
    pub bands: Vec<BandReport>,
    /// Expected calibration errors of single images.
    pub picture_ece: Option<Quantiles>,
    /// By image, in the order of their indices.
    pub by_picture: Vec<PictureReport>,
}

/// How far predictions and labels overlap, in means over classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverlapReport {
    /// The share of pixels that are predicted right.
    pub pixel_accuracy: f64,
    /// The same of pixels whose label is not 0.
    pub foreground_accuracy: Option<f64>,
    /// Mean intersection over union.
    pub mean_iou: ClassMean,
    /// Mean Dice coefficient.
    pub mean_dice: ClassMean,
    /// Mean class accuracy, which is recall.
    pub mean_accuracy: ClassMean,
}

/// A mean over classes, by the classes that are in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassMean {
    /// All classes that have a score.
    pub with_background: Option<f64>,
    /// Those from 1 on.
    pub without_background: Option<f64>,
    /// Those from 1 on, where a class without a score counts as 0: as published numbers of MbLS
    /// are.
    pub published: Option<f64>,
}

/// The calibration of all pixels in one histogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PooledReport {
    /// Mean negative log-likelihood of the labels; infinite where one has the probability 0.
    #[serde(with = "mbls_core::number")]
    pub nll: f64,
    /// The pixels whose label has the probability 0; saved where there are any.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub infinite_nll_pixels: u64,
    /// Expected calibration error.
    pub ece: f64,
    /// Maximum calibration error.
    pub mce: f64,
    /// Classwise expected calibration error over all classes, where it was asked for.
    pub cece: Option<f64>,
    /// Confidence and accuracy in bins.
    pub reliability: Reliability,
}

/// The published protocol: calibration per batch, without pixels of label 0, averaged over batches
/// by their pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedReport {
    /// The means; `None` where no batch had a pixel that counts.
    pub calibration: Option<SegmentationCalibrationReport>,
    /// Batches in the means.
    pub batches: u64,
    /// Batches without a pixel that counts, which were left out: published code fails on them.
    pub empty_batches: u64,
}

/// What was measured of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Pixels of this label.
    pub labelled: u64,
    /// Pixels that were predicted as it.
    pub predicted: u64,
    /// Intersection over union.
    pub iou: Option<f64>,
    /// Dice coefficient.
    pub dice: Option<f64>,
    /// The share of its pixels that are predicted right.
    pub accuracy: Option<f64>,
    /// Expected calibration error of its probability over all pixels, whose mean over the classes
    /// is the classwise error, where that was asked for.
    pub ece: Option<f64>,
    /// Expected calibration error of the confidence where it is predicted.
    pub predicted_ece: Option<f64>,
    /// Confidence and accuracy where it is predicted.
    pub reliability: Option<Reliability>,
}

/// The pixels of one range of distances from the class boundaries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BandReport {
    /// The range, as text.
    pub name: String,
    /// Its least distance in pixels.
    pub from: u32,
    /// Its largest one, `None` for no end.
    pub to: Option<u32>,
    /// Number of pixels.
    pub pixels: u64,
    /// The share that is predicted right.
    pub accuracy: Option<f64>,
    /// Their mean confidence.
    pub confidence: Option<f64>,
    /// Expected calibration error of the confidence.
    pub ece: Option<f64>,
    /// Intersection over union within the band, averaged over the classes that are in it.
    pub mean_iou: Option<f64>,
    /// Confidence and accuracy in bins.
    pub reliability: Option<Reliability>,
}

/// One image. [`SegmentationMetrics::reliability_of`](super::SegmentationMetrics::reliability_of)
/// has its diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureReport {
    /// Its place in the data set.
    pub index: u64,
    /// Number of pixels that count.
    pub pixels: u64,
    /// The share that is predicted right.
    pub accuracy: Option<f64>,
    /// Their mean confidence.
    pub confidence: Option<f64>,
    /// Expected calibration error of the confidence.
    pub ece: Option<f64>,
}

impl SegmentationReport {
    pub(super) fn of(state: &State) -> Self {
        let by_picture: Vec<PictureReport> =
            state.pictures.iter().map(|(&index, bins)| PictureReport::of(index, bins)).collect();
        let overlap = state.parts.whole_confusion().and_then(|confusion| confusion.value());
        let errors: Vec<f64> = by_picture.iter().filter_map(|picture| picture.ece).collect();
        Self {
            pictures: by_picture.len() as u64,
            void_pictures: by_picture.iter().filter(|picture| picture.pixels == 0).count() as u64,
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
            picture_ece: Quantiles::of(&errors),
            by_picture,
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

impl PictureReport {
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
