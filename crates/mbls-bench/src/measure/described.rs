//! The available metrics with the keys used in results. A key has the same meaning in all tasks.

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
    "mIoU without class 0, which published results treat as background; a class that never occurs counts as 0.",
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
    "Share of samples whose most probable class is correct.",
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
    Description::plain("nll", "NLL", "Negative log-likelihood: mean of -ln p(correct class).");

pub(crate) const BRIER: Description = Description::plain(
    "brier",
    "Brier",
    "Brier score: mean squared distance between the probabilities and the one-hot label, from 0 to 2.",
)
.shown(Shown::Page);

pub(crate) const ECE: Description = Description::percent(
    "ece",
    "ECE",
    "Expected calibration error: the gap between confidence and accuracy, averaged over equal-width bins of the \
     confidence, weighted by their numbers of samples.",
)
.shown(Shown::Headline);

pub(crate) const ECE_PER_BATCH: Description = Description::percent(
    "ece_per_batch",
    "ECE per batch",
    "ECE as published for segmentation: computed for each batch of images without class 0, averaged over the batches weighted by \
     their numbers of pixels. It depends on the batch size.",
);

pub(crate) const AECE_PER_BATCH: Description = Description::percent(
    "aece_per_batch",
    "AECE per batch",
    "AECE, computed per batch like the ECE per batch.",
)
.shown(Shown::Results);

pub(crate) const CECE_PER_BATCH: Description = Description::percent(
    "cece_per_batch",
    "CECE per batch",
    "CECE, computed per batch like the ECE per batch.",
)
.shown(Shown::Results);

pub(crate) const ECE_OF_IMAGES: Description = Description::percent(
    "ece_of_pictures",
    "ECE of images",
    "ECE computed for each image, averaged over the images.",
)
.shown(Shown::Results);

pub(crate) const AECE: Description = Description::percent(
    "aece",
    "AECE",
    "Adaptive ECE: the same gap over bins with equal numbers of samples.",
);

pub(crate) const CECE: Description = Description::percent(
    "cece",
    "CECE",
    "Classwise ECE: the same gap for the probability of each class, averaged over the classes.",
)
.digits(3);

pub(crate) const MCE: Description = Description::percent(
    "mce",
    "MCE",
    "Maximum calibration error: the largest gap of any bin, often one with few samples.",
)
.digits(1);

pub(crate) const TEMPERATURE: Description = Description::plain(
    "temperature",
    "T",
    "Temperature by which temperature scaling divides the logits: above 1 it lowers the confidence of an overconfident model, \
     below 1 it raises that of an underconfident one.",
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

/// -1 or 1; absent if the fit converged to an optimum.
pub(crate) const TEMPERATURE_BOUND: Description = Description::plain(
    "temperature_bound",
    "Bound of T",
    "-1 if the temperature is at its lower bound, 1 if at its upper bound.",
)
.better(Neither)
.shown(Shown::Results)
.note(|sign| {
    let bound = if sign < 0.0 { TemperatureBound::Lower } else { TemperatureBound::Upper };
    format!("the temperature is {bound}.")
});

/// Absent if there are none.
pub(crate) const INFINITE_NLL_ROWS: Description = Description::plain(
    "infinite_nll_rows",
    "Rows with infinite NLL",
    "Number of samples whose label has probability 0.",
)
.shown(Shown::Results)
.note(|rows| format!("the NLL of {rows} test samples is infinite: their label has probability 0."));

/// Absent if there are none.
pub(crate) const INFINITE_NLL_ROWS_SCALED: Description = Description::plain(
    "infinite_nll_rows_scaled",
    "Rows with infinite NLL after scaling",
    "Number of samples whose label has probability 0 after temperature scaling.",
)
.shown(Shown::Results);

/// Absent if the loss has no margin.
pub(crate) const DISTANCE_BEYOND_MARGIN: Description = Description::percent(
    "distance_beyond_margin",
    "Beyond the margin",
    "Share of the distances from the top logit to the others that exceed the loss's margin.",
)
.better(Neither)
.shown(Shown::Results);

pub(crate) const DISTANCE_MEDIAN: Description = distance(
    "distance_median",
    "Median distance",
    "Median of the distances from the top logit to the others.",
);

pub(crate) const DISTANCE_P90: Description = distance(
    "distance_p90",
    "90 % of distances",
    "90th percentile of the distances from the top logit to the others.",
);

pub(crate) const DISTANCE_P99: Description = distance(
    "distance_p99",
    "99 % of distances",
    "99th percentile of the distances from the top logit to the others.",
);

pub(crate) const DISTANCE_LARGEST: Description = distance(
    "distance_largest",
    "Largest distance",
    "Largest distance from the top logit to another.",
);

/// A metric that describes logit distances, which are reported in a separate table.
const fn distance(key: &'static str, title: &'static str, meaning: &'static str) -> Description {
    Description::plain(key, title, meaning).better(Neither).digits(2).shown(Shown::Results)
}

/// Returns the value of [`TEMPERATURE_BOUND`].
pub(crate) fn bound_sign(bound: TemperatureBound) -> f64 {
    match bound {
        TemperatureBound::Lower => -1.0,
        TemperatureBound::Upper => 1.0,
    }
}

/// Returns the value of a count, which is absent if 0.
pub(crate) fn count(rows: u64) -> Option<f64> {
    (rows > 0).then_some(rows as f64)
}
