//! The measures of samples with one class each.

use crate::epoch_metrics::EpochReport;
use crate::measure::{Measure, Resampling, Subject, described};
use anyhow::{Context, Result};
use mbls_core::calibration::{TemperatureBound, TemperatureScaling};
use mbls_core::metric::{
    Accuracy, AdaptiveConvention, AdaptiveEce, BrierScore, ClassificationMetrics,
    ClassificationReport, ClasswiseConvention, ClasswiseEce, DistanceReport, Metric,
    NegativeLogLikelihood, PredictionMetric, Predictions, ReliabilityBins,
};

/// Samples with one class each.
pub(crate) struct Labelled;

impl Subject for Labelled {
    type Epoch = EpochReport<ClassificationReport>;
    type Finished = Scaled;
    type Resampled = TestPredictions;
}

/// The metrics of one part before and after temperature scaling.
pub(crate) struct Scaled {
    before: ClassificationReport,
    after: ClassificationReport,
    temperature: f64,
    bound: Option<TemperatureBound>,
    distances: Option<DistanceReport>,
}

/// The test predictions of a run before and after temperature scaling, with the empty metrics of a
/// resample.
pub(crate) struct TestPredictions {
    before: Predictions<'static>,
    after: Predictions<'static>,
    reliability: ReliabilityBins,
    adaptive: AdaptiveEce,
    classwise: ClasswiseEce,
}

/// What is measured, in the order of the report.
pub(crate) static MEASURES: [Measure<Labelled>; 22] = [
    Measure {
        is: described::ACCURACY,
        epoch: Some(|epoch| Some(epoch.report.accuracy)),
        finished: |part| Some(part.before.accuracy),
        resampled: samples(|test, rows| value(Accuracy::new(), &test.before, rows)),
    },
    Measure {
        is: described::NLL,
        epoch: Some(|epoch| Some(epoch.report.nll)),
        finished: |part| Some(part.before.nll),
        resampled: samples(|test, rows| value(NegativeLogLikelihood::new(), &test.before, rows)),
    },
    Measure {
        is: described::BRIER,
        epoch: Some(|epoch| Some(epoch.report.brier)),
        finished: |part| Some(part.before.brier),
        resampled: samples(|test, rows| value(BrierScore::new(), &test.before, rows)),
    },
    Measure {
        is: described::ECE,
        epoch: Some(|epoch| Some(epoch.report.ece)),
        finished: |part| Some(part.before.ece),
        resampled: samples(|test, rows| {
            Some(value(test.reliability.clone(), &test.before, rows)?.ece())
        }),
    },
    Measure {
        is: described::AECE,
        epoch: None,
        finished: |part| Some(part.before.aece),
        resampled: samples(|test, rows| value(test.adaptive.clone(), &test.before, rows)),
    },
    Measure {
        is: described::CECE,
        epoch: None,
        finished: |part| Some(part.before.cece),
        resampled: samples(|test, rows| value(test.classwise.clone(), &test.before, rows)),
    },
    Measure {
        is: described::MCE,
        epoch: None,
        finished: |part| Some(part.before.mce),
        resampled: samples(|test, rows| {
            Some(value(test.reliability.clone(), &test.before, rows)?.mce())
        }),
    },
    // Fitted on the validation part: resampling the test part says nothing of it.
    Measure {
        is: described::TEMPERATURE,
        epoch: None,
        finished: |part| Some(part.temperature),
        resampled: None,
    },
    Measure {
        is: described::NLL_SCALED,
        epoch: None,
        finished: |part| Some(part.after.nll),
        resampled: None,
    },
    Measure {
        is: described::BRIER_SCALED,
        epoch: None,
        finished: |part| Some(part.after.brier),
        resampled: None,
    },
    Measure {
        is: described::ECE_SCALED,
        epoch: None,
        finished: |part| Some(part.after.ece),
        resampled: samples(|test, rows| {
            Some(value(test.reliability.clone(), &test.after, rows)?.ece())
        }),
    },
    Measure {
        is: described::AECE_SCALED,
        epoch: None,
        finished: |part| Some(part.after.aece),
        resampled: None,
    },
    Measure {
        is: described::CECE_SCALED,
        epoch: None,
        finished: |part| Some(part.after.cece),
        resampled: None,
    },
    Measure {
        is: described::MCE_SCALED,
        epoch: None,
        finished: |part| Some(part.after.mce),
        resampled: None,
    },
    Measure {
        is: described::TEMPERATURE_BOUND,
        epoch: None,
        finished: |part| part.bound.map(described::bound_sign),
        resampled: None,
    },
    Measure {
        is: described::INFINITE_NLL_ROWS,
        epoch: None,
        finished: |part| described::count(part.before.infinite_nll_rows),
        resampled: None,
    },
    Measure {
        is: described::INFINITE_NLL_ROWS_SCALED,
        epoch: None,
        finished: |part| described::count(part.after.infinite_nll_rows),
        resampled: None,
    },
    Measure {
        is: described::DISTANCE_BEYOND_MARGIN,
        epoch: Some(|epoch| epoch.distances?.fraction_beyond_margin),
        finished: |part| part.distances?.fraction_beyond_margin,
        resampled: None,
    },
    Measure {
        is: described::DISTANCE_MEDIAN,
        epoch: Some(|epoch| Some(epoch.distances?.median)),
        finished: |part| Some(part.distances?.median),
        resampled: None,
    },
    Measure {
        is: described::DISTANCE_P90,
        epoch: Some(|epoch| Some(epoch.distances?.quantile_90)),
        finished: |part| Some(part.distances?.quantile_90),
        resampled: None,
    },
    Measure {
        is: described::DISTANCE_P99,
        epoch: Some(|epoch| Some(epoch.distances?.quantile_99)),
        finished: |part| Some(part.distances?.quantile_99),
        resampled: None,
    },
    Measure {
        is: described::DISTANCE_LARGEST,
        epoch: Some(|epoch| Some(epoch.distances?.largest)),
        finished: |part| Some(part.distances?.largest),
        resampled: None,
    },
];

/// Test samples are resampled.
const fn samples(
    value: fn(&TestPredictions, &[u32]) -> Option<f64>,
) -> Option<Resampling<TestPredictions>> {
    Some(Resampling { units: |test| test.before.rows(), value })
}

/// The value of a metric on some rows; `None` where it is undefined.
fn value<M: PredictionMetric>(
    mut metric: M,
    predictions: &Predictions,
    rows: &[u32],
) -> Option<M::Value> {
    metric.update(&predictions.select(rows)).ok()?;
    metric.value()
}

impl Scaled {
    /// Measures predictions before and after temperature scaling; takes the distances between their
    /// logits.
    ///
    /// # Errors
    ///
    /// Empty predictions.
    pub(crate) fn of(
        predictions: &[Predictions; 2],
        temperature: &TemperatureScaling,
        bins: usize,
        distances: Option<DistanceReport>,
    ) -> Result<Self> {
        let [before, after] = predictions;
        Ok(Self {
            before: report(before, bins)?,
            after: report(after, bins)?,
            temperature: temperature.temperature(),
            bound: temperature.bound(),
            distances,
        })
    }
}

impl TestPredictions {
    /// Takes test predictions before and after temperature scaling.
    ///
    /// # Errors
    ///
    /// A number of bins that metrics refuse.
    pub(crate) fn new(predictions: [Predictions<'static>; 2], bins: usize) -> Result<Self> {
        let [before, after] = predictions;
        Ok(Self {
            before,
            after,
            reliability: ReliabilityBins::new(bins)?,
            adaptive: AdaptiveEce::new(bins, AdaptiveConvention::Definition)?,
            classwise: ClasswiseEce::new(bins, ClasswiseConvention::Definition)?,
        })
    }

    /// Returns the predictions before and after temperature scaling.
    pub(crate) fn pair(&self) -> [&Predictions<'static>; 2] {
        [&self.before, &self.after]
    }
}

/// Computes all classification metrics of predictions.
///
/// # Errors
///
/// Empty predictions.
pub(crate) fn report(predictions: &Predictions, bins: usize) -> Result<ClassificationReport> {
    let mut metrics = ClassificationMetrics::new(bins)?;
    metrics.update(predictions)?;
    metrics.value().context("there are no predictions to measure")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{self, Measures};
    use crate::results::{Cell, CellFile, CorruptedTest, SCHEMA, Shift};
    use crate::spec::CellKey;

    /// A label of probability 0 makes the NLL infinite, which JSON has no number for.
    #[test]
    fn infinite_measures_are_read_back() {
        let labels = [0, 1];
        let predictions = || {
            Predictions::from_logits(&[3.0, f32::NEG_INFINITY, 2.0, f32::NEG_INFINITY], 2, &labels)
        };
        let temperature =
            TemperatureScaling::fit_logits(&[3.0, 0.0, 2.0, 0.0], 2, &[0, 0]).unwrap();
        let scaled =
            Scaled::of(&[predictions().unwrap(), predictions().unwrap()], &temperature, 15, None)
                .unwrap();
        let measured = measure::finished(&MEASURES, &scaled);
        assert_eq!((measured["nll"], measured["infinite_nll_rows"]), (f64::INFINITY, 1.0));
        assert_eq!(measured["temperature_bound"], -1.0);
        let notes = MEASURES.notes(&measured);
        assert_eq!(notes[0], format!("the temperature is {}.", TemperatureBound::Lower));
        assert!(notes[1].starts_with("the NLL of 1 test samples is infinite"), "{notes:?}");
        let test = CorruptedTest {
            kind: "none".to_owned(),
            severity: 0,
            accuracy: 0.5,
            nll: f64::INFINITY,
            ece: 0.5,
            aece: 0.5,
        };
        let cell = Cell {
            key: CellKey {
                suite: "digits".into(),
                model: "resnet20".parse().unwrap(),
                loss: "ce".into(),
                candidate: None,
                seed: 0,
            },
            split: "test".to_owned(),
            n: 2,
            seconds: 1.0,
            epochs: 1,
            stopped: None,
            best_epoch: 0,
            metrics: measured.clone(),
            validation: measured.clone(),
            margin: None,
            shift: Some(Shift { pictures: 2, corrupted: vec![test], outside: Vec::new() }),
        };
        let text =
            serde_json::to_string(&CellFile { schema: SCHEMA, identity: String::new(), cell })
                .unwrap();
        assert!(text.contains(r#""nll":"inf""#), "{text}");
        let read: CellFile = serde_json::from_str(&text).unwrap();
        assert_eq!((&read.cell.metrics, &read.cell.validation), (&measured, &measured));
        assert_eq!(read.cell.shift.unwrap().corrupted[0].nll, f64::INFINITY);
        // What older files lack is not there.
        let plain =
            TemperatureScaling::fit_logits(&[3.0, 0.0].repeat(4), 2, &[0, 0, 0, 1]).unwrap();
        let finite = || Predictions::from_logits(&[3.0, 0.0, 2.0, 0.0], 2, &labels).unwrap();
        let measured = measure::finished(
            &MEASURES,
            &Scaled::of(&[finite(), finite()], &plain, 15, None).unwrap(),
        );
        assert_eq!(measured.len(), 14, "{measured:?}");
        assert!(MEASURES.notes(&measured).is_empty());
    }
}
