//! The measures that there are, under the names that results carry. A key has one meaning in all
//! tasks.

use super::{Description, Shown};
use mbls_core::calibration::TemperatureBound;
use mbls_report::Direction::{Higher, Neither};

pub(crate) const MIOU: Description = Description::percent(
    "miou",
    "mIoU",
    "Intersection over union of predicted and true pixels, averaged over the classes.",
)
.better(Higher)
.shown(Shown::Headline);

pub(crate) const MIOU_PUBLISHED: Description = Description::percent(
    "miou_published",
    "mIoU without class 0",
    "The same without class 0, which published numbers take for the background; a class that is nowhere counts as 0.",
)
.better(Higher)
.shown(Shown::Page);

pub(crate) const DICE: Description = Description::percent(
    "dice",
    "Dice",
    "Dice coefficient of predicted and true pixels, averaged over the classes.",
)
.better(Higher)
.shown(Shown::Results);

pub(crate) const ACCURACY: Description = Description::percent(
    "accuracy",
    "Accuracy",
    "Share of samples whose most probable class is the right one.",
)
.better(Higher)
.shown(Shown::Headline);

pub(crate) const ACCURACY_FOREGROUND: Description = Description::percent(
    "accuracy_foreground",
    "Accuracy without class 0",
    "Accuracy of the pixels whose class is not class 0.",
)
.better(Higher)
.shown(Shown::Results);

pub(crate) const ACCURACY_BY_CLASS: Description = Description::percent(
    "accuracy_by_class",
    "Accuracy by class",
    "Accuracy of each class, averaged over the classes.",
)
.better(Higher)
.shown(Shown::Results);

pub(crate) const NLL: Description =
    Description::plain("nll", "NLL", "Negative log-likelihood: mean of -ln p(right class).");

pub(crate) const BRIER: Description = Description::plain(
    "brier",
    "Brier",
    "Brier score: mean squared distance between the probabilities and the one-hot label, from 0 to 2.",
)
.shown(Shown::Page);

pub(crate) const ECE: Description = Description::percent(
    "ece",
    "ECE",
    "Expected calibration error: the gap between confidence and accuracy, averaged over equally wide bins of the \
     confidence by their share of samples.",
)
.shown(Shown::Headline);

pub(crate) const ECE_PER_BATCH: Description = Description::percent(
    "ece_per_batch",
    "ECE per batch",
    "ECE as published for segmentation: of each batch of images by itself, without class 0, averaged over the batches by \
     their pixels. It depends on the batch size.",
);

pub(crate) const AECE_PER_BATCH: Description = Description::percent(
    "aece_per_batch",
    "AECE per batch",
    "AECE in the way of the ECE per batch.",
)
.shown(Shown::Results);

pub(crate) const CECE_PER_BATCH: Description = Description::percent(
    "cece_per_batch",
    "CECE per batch",
    "CECE in the way of the ECE per batch.",
)
.shown(Shown::Results);

pub(crate) const ECE_OF_IMAGES: Description = Description::percent(
    "ece_of_pictures",
    "ECE of images",
    "ECE of each image by itself, averaged over the images.",
)
.shown(Shown::Results);

pub(crate) const AECE: Description = Description::percent(
    "aece",
    "AECE",
    "Adaptive ECE: the same gap over bins that hold equally many samples.",
);

pub(crate) const CECE: Description = Description::percent(
    "cece",
    "CECE",
    "Classwise ECE: the same gap for the probability of every class, averaged over the classes.",
)
.digits(3);

pub(crate) const MCE: Description = Description::percent(
    "mce",
    "MCE",
    "Maximum calibration error: the largest gap of a bin, which is often a bin of few samples.",
)
.digits(1);

pub(crate) const TEMPERATURE: Description = Description::plain(
    "temperature",
    "T",
    "Temperature that scaling divides the logits by: above 1 it lowers an overconfident model's confidence, \
     below 1 it raises an underconfident model's.",
)
.better(Neither)
.digits(2);

pub(crate) const NLL_SCALED: Description =
    Description::plain("nll_scaled", "NLL after scaling", "NLL after temperature scaling.")
        .shown(Shown::Results);

pub(crate) const BRIER_SCALED: Description = Description::plain(
    "brier_scaled",
    "Brier after scaling",
    "Brier score after temperature scaling.",
)
.shown(Shown::Results);

pub(crate) const ECE_SCALED: Description =
    Description::percent("ece_scaled", "ECE after scaling", "ECE after temperature scaling.");

pub(crate) const ECE_PER_BATCH_SCALED: Description = Description::percent(
    "ece_per_batch_scaled",
    "ECE per batch after scaling",
    "ECE per batch after temperature scaling.",
)
.shown(Shown::Results);

pub(crate) const AECE_SCALED: Description =
    Description::percent("aece_scaled", "AECE after scaling", "AECE after temperature scaling.")
        .shown(Shown::Results);

pub(crate) const CECE_SCALED: Description =
    Description::percent("cece_scaled", "CECE after scaling", "CECE after temperature scaling.")
        .shown(Shown::Results);

pub(crate) const MCE_SCALED: Description =
    Description::percent("mce_scaled", "MCE after scaling", "MCE after temperature scaling.")
        .shown(Shown::Results);

/// -1 or 1; absent where the fit found an optimum.
pub(crate) const TEMPERATURE_BOUND: Description = Description::plain(
    "temperature_bound",
    "Bound of T",
    "-1 where the temperature stopped at its lower bound, 1 where it stopped at the upper.",
)
.better(Neither)
.shown(Shown::Results)
.note(|sign| {
    let bound = if sign < 0.0 { TemperatureBound::Lower } else { TemperatureBound::Upper };
    format!("the temperature is {bound}.")
});

/// Absent where there are none.
pub(crate) const INFINITE_NLL_ROWS: Description = Description::plain(
    "infinite_nll_rows",
    "Rows of infinite NLL",
    "Number of samples whose label has the probability 0.",
)
.shown(Shown::Results)
.note(|rows| {
    format!("the NLL of {rows} test samples is infinite: their label has the probability 0.")
});

/// Absent where there are none.
pub(crate) const INFINITE_NLL_ROWS_SCALED: Description = Description::plain(
    "infinite_nll_rows_scaled",
    "Rows of infinite NLL after scaling",
    "Number of samples whose label has the probability 0 after temperature scaling.",
)
.shown(Shown::Results);

/// Absent where the loss has no margin.
pub(crate) const DISTANCE_BEYOND_MARGIN: Description = Description::percent(
    "distance_beyond_margin",
    "Beyond the margin",
    "Share of the distances from other logits to the top one that are greater than the loss's margin.",
)
.better(Neither)
.shown(Shown::Results);

pub(crate) const DISTANCE_MEDIAN: Description = distance(
    "distance_median",
    "Median distance",
    "Median of the distances from other logits to the top one.",
);

pub(crate) const DISTANCE_P90: Description = distance(
    "distance_p90",
    "90 % of distances",
    "The distance to the top logit that 90 % do not exceed.",
);

pub(crate) const DISTANCE_P99: Description = distance(
    "distance_p99",
    "99 % of distances",
    "The distance to the top logit that 99 % do not exceed.",
);

pub(crate) const DISTANCE_LARGEST: Description = distance(
    "distance_largest",
    "Largest distance",
    "The largest distance of a logit to the top one.",
);

/// They describe logits, and stand in a table of their own.
const fn distance(key: &'static str, title: &'static str, meaning: &'static str) -> Description {
    Description::plain(key, title, meaning).better(Neither).digits(2).shown(Shown::Results)
}

/// The value of [`TEMPERATURE_BOUND`].
pub(crate) fn bound_sign(bound: TemperatureBound) -> f64 {
    match bound {
        TemperatureBound::Lower => -1.0,
        TemperatureBound::Upper => 1.0,
    }
}

/// The value of a count that is absent where it is 0.
pub(crate) fn count(rows: u64) -> Option<f64> {
    (rows > 0).then_some(rows as f64)
}
