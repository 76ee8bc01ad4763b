//! Writes the fuzzer's seed corpus: saved states of metrics without and with rows, and fitted
//! calibrators.

use mbls_core::Result;
use mbls_core::calibration::{
    CalibratorSpec, HistogramBins, HistogramEdges, MulticlassReduction, Odir, PlattTargets, SavedCalibrator, Scores,
};
use mbls_core::metric::{
    Accuracy, AdaptiveConvention, AdaptiveEce, BalancedAccuracy, Binning, BrierScore, CalibrationBins, CalibrationNorm,
    ClassificationMetrics, ClasswiseConvention, ClasswiseEce, ClippedNegativeLogLikelihood, ConfusionMatrix,
    GroupedReliability, GroupedRows, KernelEstimator, LogitDistanceTail, LogitDistances, LogitRows, LogitStatistics, Metric, MetricSet,
    MetricSpec, NegativeLogLikelihood, OodDetection, OodScores, Predictions, ProbabilityStatistics, ReliabilityBins,
    SegmentationBatch, SegmentationCalibration, SegmentationProtocol, SmoothConvention, Target, TopKAccuracy,
    TopLabelSamples, TopLabelStatistic, TopLabelStatistics,
};
use serde::Serialize;
use std::path::Path;

/// Three rows of three classes, one of which has a tie.
const LOGITS: [f32; 9] = [2.0, 0.5, -1.0, 0.0, 3.0, 3.0, -2.0, 1.0, 0.25];
const LABELS: [u32; 3] = [0, 2, 2];

fn write(target: &str, name: &str, seed: &impl Serialize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&folder).expect("a folder for the corpus");
    let json = serde_json::to_string(seed).expect("a state as JSON");
    std::fs::write(folder.join(format!("{name}.json")), json).expect("a seed");
}

/// Saves the state before and after an update.
fn save<M: Metric + Serialize>(name: &str, mut metric: M, input: M::Input<'_>) -> Result<()> {
    write("saved_states", &format!("{name}-empty"), &metric);
    metric.update(input)?;
    write("saved_states", &format!("{name}-full"), &metric);
    Ok(())
}

fn save_calibrators() -> Result<()> {
    // The rows are scattered enough that every calibrator has an optimum.
    let logits: Vec<f32> = (0..360).map(|i| (i * 7919 % 101) as f32 / 40.0).collect();
    let labels: Vec<u32> = (0..120u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) % 3).collect();
    let scores = Scores::from_logits(&logits, 3)?;
    let odir = Odir { off_diagonal: 0.1, intercept: 0.1 };
    let bins = HistogramBins { bins: 3, edges: HistogramEdges::EqualWidth };
    let mut specs = vec![
        CalibratorSpec::Temperature,
        CalibratorSpec::Vector,
        CalibratorSpec::Matrix { odir },
        CalibratorSpec::Dirichlet { odir },
    ];
    for reduction in [MulticlassReduction::OneVsRest, MulticlassReduction::TopLabel] {
        specs.extend([
            CalibratorSpec::Platt { reduction, targets: PlattTargets::Smoothed },
            CalibratorSpec::Beta { reduction },
            CalibratorSpec::Isotonic { reduction },
            CalibratorSpec::Histogram { reduction, bins },
        ]);
    }
    for (index, spec) in specs.iter().enumerate() {
        let fitted = SavedCalibrator::from(spec.fit(&scores, &labels)?);
        write("saved_calibrators", &format!("{index}"), &fitted);
    }
    Ok(())
}

fn main() -> Result<()> {
    save_calibrators()?;
    let rows = &Predictions::from_logits(&LOGITS, 3, &LABELS)?;
    let logits = LogitRows::new(&LOGITS, 3)?;
    let pixels = SegmentationBatch::new(&LOGITS, [3, 3, 1, 1], &LABELS, &[255])?;
    save("accuracy", Accuracy::new(), rows)?;
    save("top-k", TopKAccuracy::new(2)?, rows)?;
    save("balanced-accuracy", BalancedAccuracy::new(), rows)?;
    save("brier", BrierScore::new(), rows)?;
    save("nll", NegativeLogLikelihood::new(), rows)?;
    let huge = [0.0f64, 1e300];
    save("nll-large", NegativeLogLikelihood::new(), &Predictions::from_logits(&huge, 2, &[0])?)?;
    save("nll-clipped", ClippedNegativeLogLikelihood::new(1e-9)?, rows)?;
    let masked = LogitRows::new(&[1.0, 0.0, f32::NEG_INFINITY], 3)?;
    save("logits-masked", LogitStatistics::new(1.0)?, masked)?;
    save("reliability", ReliabilityBins::new(3)?, rows)?;
    save("grouped", GroupedReliability::new(2, 3)?, GroupedRows::new(rows, &[1, 0, 1])?)?;
    save("top-labels", TopLabelSamples::new(), rows)?;
    save("confusion", ConfusionMatrix::new(3)?, rows)?;
    let statistics = vec![
        TopLabelStatistic::SmoothEce { convention: SmoothConvention::Definition },
        TopLabelStatistic::KolmogorovSmirnov {},
        TopLabelStatistic::KernelCalibrationError { bandwidth: 0.5, estimator: KernelEstimator::Unbiased },
        TopLabelStatistic::CalibrationError { binning: Binning::EqualMass, bins: 2, norm: CalibrationNorm::L2 },
        TopLabelStatistic::Aurc {},
        TopLabelStatistic::ExcessAurc {},
    ];
    save("statistics", TopLabelStatistics::new(statistics.clone())?, rows)?;
    save("all-statistics", ClassificationMetrics::new(2)?.with_statistics(statistics)?, rows)?;
    let specs = [
        ("accuracy", MetricSpec::Accuracy {}),
        ("confusion", MetricSpec::ConfusionMatrix { classes: 3 }),
        ("probabilities", MetricSpec::ProbabilityStatistics {}),
    ];
    save("set", MetricSet::new(specs.map(|(name, spec)| (name.to_owned(), spec)))?, rows)?;
    save("probabilities", ProbabilityStatistics::new(), rows.unlabelled())?;
    save("logits", LogitStatistics::new(1.0)?, logits)?;
    save("logit-tail", LogitDistanceTail::new(0.5)?, logits)?;
    save("logit-distances", LogitDistances::new(Some(0.5))?, logits)?;
    save("ood", OodDetection::new(), OodScores::inside(&[1.0, -0.5])?)?;
    let mut inside = OodDetection::new();
    inside.update(OodScores::inside(&[1.0, -0.5])?)?;
    save("ood-inside", inside, OodScores::outside(&[-0.5, -3.0])?)?;
    for (name, adaptive, classwise) in [
        ("default", AdaptiveConvention::Definition, ClasswiseConvention::Definition),
        ("reference", AdaptiveConvention::Reference, ClasswiseConvention::Reference),
    ] {
        save(&format!("adaptive-{name}"), AdaptiveEce::new(3, adaptive)?, rows)?;
        save(&format!("classwise-{name}"), ClasswiseEce::new(2, classwise)?, rows)?;
        save(&format!("all-{name}"), ClassificationMetrics::with_conventions(2, adaptive, classwise)?, rows)?;
    }
    for (name, binning) in
        [("width", Binning::EqualWidth), ("ceil", Binning::EqualWidthCeil), ("mass", Binning::EqualMass)]
    {
        save(&format!("top-label-{name}"), CalibrationBins::new(Target::TopLabel, binning, 3)?, rows)?;
        save(&format!("per-class-{name}"), CalibrationBins::new(Target::Classwise, binning, 2)?, rows)?;
        let thresholded = Target::Thresholded { above: 0.25 };
        save(&format!("thresholded-{name}"), CalibrationBins::new(thresholded, binning, 2)?, rows)?;
    }
    save("pooled", SegmentationCalibration::new(2, SegmentationProtocol::Pooled)?, pixels)?;
    save("pooled-adaptive", SegmentationCalibration::with_adaptive_ece(2)?, pixels)?;
    save("segmentation", SegmentationCalibration::new(2, SegmentationProtocol::Reference)?, pixels)
}
