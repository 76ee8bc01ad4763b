//! The metrics of images with masks.

use super::evaluation::Evaluation;
use super::pictures::{batch_mean, mean_iou, overlap, reliability};
use crate::epoch_metrics::EpochReport;
use crate::measure::{Measure, Resampling, Subject, described};
use mbls_core::metric::SegmentationCalibrationReport;
use mbls_seg::metric::{PooledReport, SegmentationReport};

/// Images with masks.
pub(crate) struct Masks;

impl Subject for Masks {
    type Epoch = EpochReport<SegmentationReport>;
    type Finished = Evaluation;
    type Resampled = Evaluation;
}

/// The metrics, in the order of the report.
pub(crate) static MEASURES: [Measure<Masks>; 28] = [
    Measure {
        is: described::MIOU,
        epoch: Some(|epoch| epoch.report.overlap?.mean_iou.with_background),
        finished: |run| run.before.overlap?.mean_iou.with_background,
        resampled: images(|run, indices| mean_iou(&run.pictures, indices, false)),
    },
    Measure {
        is: described::MIOU_PUBLISHED,
        epoch: None,
        finished: |run| run.before.overlap?.mean_iou.published,
        resampled: images(|run, indices| mean_iou(&run.pictures, indices, true)),
    },
    Measure {
        is: described::DICE,
        epoch: None,
        finished: |run| run.before.overlap?.mean_dice.with_background,
        resampled: None,
    },
    Measure {
        is: described::ACCURACY,
        epoch: Some(|epoch| Some(epoch.report.overlap?.pixel_accuracy)),
        finished: |run| Some(run.before.overlap?.pixel_accuracy),
        resampled: images(|run, indices| overlap(&run.pictures, indices)?.pixel_accuracy()),
    },
    Measure {
        is: described::ACCURACY_FOREGROUND,
        epoch: None,
        finished: |run| run.before.overlap?.foreground_accuracy,
        resampled: None,
    },
    Measure {
        is: described::ACCURACY_BY_CLASS,
        epoch: None,
        finished: |run| run.before.overlap?.mean_accuracy.with_background,
        resampled: None,
    },
    Measure {
        is: described::NLL,
        epoch: Some(|epoch| Some(pooled(&epoch.report)?.nll)),
        finished: |run| Some(pooled(&run.before)?.nll),
        resampled: None,
    },
    Measure {
        is: described::ECE,
        epoch: Some(|epoch| Some(pooled(&epoch.report)?.ece)),
        finished: |run| Some(pooled(&run.before)?.ece),
        resampled: images(|run, indices| {
            Some(reliability(&run.pictures, indices, |p| &p.before)?.ece())
        }),
    },
    Measure {
        is: described::ECE_PER_BATCH,
        epoch: None,
        finished: |run| Some(published(&run.before)?.ece),
        resampled: Some(Resampling {
            units: |run| run.batches.len(),
            value: |run, indices| batch_mean(&run.batches, indices, |batch| batch.ece),
        }),
    },
    Measure {
        is: described::AECE_PER_BATCH,
        epoch: None,
        finished: |run| published(&run.before)?.aece,
        resampled: None,
    },
    Measure {
        is: described::CECE_PER_BATCH,
        epoch: None,
        finished: |run| Some(published(&run.before)?.cece),
        resampled: None,
    },
    Measure {
        is: described::CECE,
        epoch: None,
        finished: |run| pooled(&run.before)?.cece,
        resampled: None,
    },
    Measure {
        is: described::MCE,
        epoch: None,
        finished: |run| Some(pooled(&run.before)?.mce),
        resampled: None,
    },
    Measure {
        is: described::ECE_OF_IMAGES,
        epoch: None,
        finished: |run| Some(run.before.image_ece.as_ref()?.mean),
        resampled: None,
    },
    // Fitted on the validation part, so resampling the test part does not apply.
    Measure {
        is: described::TEMPERATURE,
        epoch: None,
        finished: |run| Some(run.temperature),
        resampled: None,
    },
    Measure {
        is: described::NLL_SCALED,
        epoch: None,
        finished: |run| Some(pooled(&run.after)?.nll),
        resampled: None,
    },
    Measure {
        is: described::ECE_SCALED,
        epoch: None,
        finished: |run| Some(pooled(&run.after)?.ece),
        resampled: images(|run, indices| {
            Some(reliability(&run.pictures, indices, |p| &p.after)?.ece())
        }),
    },
    Measure {
        is: described::CECE_SCALED,
        epoch: None,
        finished: |run| pooled(&run.after)?.cece,
        resampled: None,
    },
    Measure {
        is: described::MCE_SCALED,
        epoch: None,
        finished: |run| Some(pooled(&run.after)?.mce),
        resampled: None,
    },
    Measure {
        is: described::ECE_PER_BATCH_SCALED,
        epoch: None,
        finished: |run| Some(published(&run.after)?.ece),
        resampled: None,
    },
    Measure {
        is: described::TEMPERATURE_BOUND,
        epoch: None,
        finished: |run| run.temperature_bound.map(described::bound_sign),
        resampled: None,
    },
    Measure {
        is: described::INFINITE_NLL_ROWS,
        epoch: None,
        finished: |run| described::count(pooled(&run.before)?.infinite_nll_pixels),
        resampled: None,
    },
    Measure {
        is: described::INFINITE_NLL_ROWS_SCALED,
        epoch: None,
        finished: |run| described::count(pooled(&run.after)?.infinite_nll_pixels),
        resampled: None,
    },
    Measure {
        is: described::DISTANCE_BEYOND_MARGIN,
        epoch: Some(|epoch| epoch.distances?.fraction_beyond_margin),
        finished: |run| run.distances?.fraction_beyond_margin,
        resampled: None,
    },
    Measure {
        is: described::DISTANCE_MEDIAN,
        epoch: Some(|epoch| Some(epoch.distances?.median)),
        finished: |run| Some(run.distances?.median),
        resampled: None,
    },
    Measure {
        is: described::DISTANCE_P90,
        epoch: Some(|epoch| Some(epoch.distances?.quantile_90)),
        finished: |run| Some(run.distances?.quantile_90),
        resampled: None,
    },
    Measure {
        is: described::DISTANCE_P99,
        epoch: Some(|epoch| Some(epoch.distances?.quantile_99)),
        finished: |run| Some(run.distances?.quantile_99),
        resampled: None,
    },
    Measure {
        is: described::DISTANCE_LARGEST,
        epoch: Some(|epoch| Some(epoch.distances?.largest)),
        finished: |run| Some(run.distances?.largest),
        resampled: None,
    },
];

/// Resamples test images rather than pixels, because the pixels of an image are correlated.
const fn images(value: fn(&Evaluation, &[u32]) -> Option<f64>) -> Option<Resampling<Evaluation>> {
    Some(Resampling { units: |run| run.pictures.len(), value })
}

/// Returns the calibration over all pixels.
fn pooled(report: &SegmentationReport) -> Option<&PooledReport> {
    report.calibration.as_ref()
}

/// Returns the calibration under the published protocol.
fn published(report: &SegmentationReport) -> Option<&SegmentationCalibrationReport> {
    report.published.as_ref()?.calibration.as_ref()
}
