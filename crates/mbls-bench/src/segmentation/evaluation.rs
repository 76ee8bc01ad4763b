//! A trained network measured on pictures with masks, without keeping logits.

use super::pictures::{BatchResult, PictureResult};
use super::task::HostBatch;
use super::{Loader, SegmentationTask};
use crate::results::{SCHEMA, bound_sign};
use anyhow::{Context, Result, ensure};
use mbls_core::calibration::{TemperatureBound, TemperatureScaling};
use mbls_core::metric::{
    ConfusionMatrix, Metric, ReliabilityBins, SegmentationBatch, SegmentationCalibration, SegmentationProtocol,
};
use mbls_seg::dataset::VOID;
use mbls_seg::metric::{
    PictureMaps, Pictures, PooledReport, PublishedReport, SegmentationMetrics, SegmentationReport, SegmentationSettings,
};
use mbls_train::predict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const IGNORED: [i64; 1] = [VOID as i64];

/// `evaluation.json`: everything that was measured of a finished cell's test pictures.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EvaluationFile {
    /// [`SCHEMA`].
    pub(super) schema: u32,
    /// The classes' names.
    pub(super) classes: Vec<String>,
    /// The pictures' files.
    pub(super) names: Vec<String>,
    /// What was measured.
    #[serde(flatten)]
    pub(super) test: Evaluation,
}

/// What was measured of the pictures of one split.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    /// The temperature.
    pub(super) temperature: f64,
    /// The bound at which its fit stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) temperature_bound: Option<TemperatureBound>,
    /// As the network was trained.
    pub(super) before: SegmentationReport,
    /// After temperature scaling.
    pub(super) after: SegmentationReport,
    /// Picture by picture.
    pub(super) pictures: Vec<PictureResult>,
    /// Batch by batch; those without a pixel that counts are left out.
    pub(super) batches: Vec<BatchResult>,
}

impl EvaluationFile {
    pub(super) fn new(classes: Vec<String>, names: Vec<String>, test: Evaluation) -> Self {
        Self { schema: SCHEMA, classes, names, test }
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A file that is missing or no such result.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file: Self =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is no evaluation", path.display()))?;
        ensure!(file.schema == SCHEMA, "{}: schema: expected {SCHEMA}, found {}", path.display(), file.schema);
        Ok(file)
    }
}

/// What adds up over batches, at one temperature.
struct Measuring {
    inverse_temperature: f32,
    metrics: SegmentationMetrics,
    published: SegmentationCalibration,
}

/// What a batch added.
struct Added {
    /// Picture by picture.
    confusions: Vec<ConfusionMatrix>,
    /// Pixels and expected calibration error under the published protocol; `None` where no pixel counts.
    published: Option<(u64, f64)>,
}

impl Measuring {
    fn new(classes: usize, bins: usize, temperature: f64) -> Result<Self> {
        // The published protocol is measured beside, batch by batch.
        let settings = SegmentationSettings { bins, published: false, ..SegmentationSettings::default() };
        Ok(Self {
            inverse_temperature: (1.0 / temperature) as f32,
            metrics: SegmentationMetrics::new(classes, settings)?,
            published: SegmentationCalibration::new(bins, SegmentationProtocol::Reference)?,
        })
    }

    /// Adds a batch.
    fn add(&mut self, batch: Pictures) -> Result<Added> {
        let scaled: Vec<f32>;
        let logits = match self.inverse_temperature {
            1.0 => batch.logits,
            factor => {
                let logits = batch.logits.as_f32().context("logits that are not f32")?;
                scaled = logits.iter().map(|logit| logit * factor).collect();
                (&scaled).into()
            }
        };
        let [images, classes, height, width] = batch.shape;
        let area = height * width;
        let mut confusions = Vec::with_capacity(images);
        for image in 0..images {
            let picture = Pictures {
                logits: logits.range(image * classes * area..(image + 1) * classes * area),
                shape: [1, classes, height, width],
                labels: batch.labels.range(image * area..(image + 1) * area),
                indices: &batch.indices[image..=image],
            };
            let mut one = SegmentationMetrics::new(classes, self.metrics.settings().clone())?;
            one.update(picture)?;
            confusions.push(one.confusion().context("a picture is missing")?);
            self.metrics.merge(one)?;
        }
        let mut published = SegmentationCalibration::new(self.published.bins(), SegmentationProtocol::Reference)?;
        published.update(SegmentationBatch::new(logits, batch.shape, batch.labels, &IGNORED)?)?;
        let of_batch = published.value().map(|report| (report.n, report.ece));
        self.published.merge(published)?;
        Ok(Added { confusions, published: of_batch })
    }

    /// The report, and the bins of each picture.
    fn finish(self, batches: u64, empty_batches: u64) -> Result<(SegmentationReport, Vec<ReliabilityBins>)> {
        let mut report = self.metrics.value().context("there are no pictures to measure")?;
        report.published = Some(PublishedReport { calibration: self.published.value(), batches, empty_batches });
        Ok((report, self.metrics.picture_bins().map(|(_, bins)| bins.clone()).collect()))
    }
}

/// Measures a network before and after temperature scaling; draws maps of the first pictures into a folder where names are given.
///
/// # Errors
///
/// Pictures that cannot be read, logits that cannot be measured, a folder that cannot be written.
pub(super) fn evaluate(
    task: &SegmentationTask,
    pictures: &Loader,
    temperature: &TemperatureScaling,
    bins: usize,
    maps: Option<(&Path, &[String])>,
) -> Result<Evaluation> {
    let (temperature, temperature_bound) = (temperature.temperature(), temperature.bound());
    let mut before = Measuring::new(task.classes, bins, 1.0)?;
    let mut after = Measuring::new(task.classes, bins, temperature)?;
    let (mut confusions, mut batches, mut empty_batches) = (Vec::new(), Vec::new(), 0);
    if let Some((folder, names)) = maps.filter(|(_, names)| !names.is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {} of {} maps", folder.display(), names.len()))?;
    }
    predict(task, pictures, |predicted| -> Result<()> {
        let batch = HostBatch::of(predicted)?;
        draw(batch.pictures(), maps)?;
        let added = before.add(batch.pictures())?;
        confusions.extend(added.confusions);
        match (added.published, after.add(batch.pictures())?.published) {
            (Some((pixels, ece)), Some((_, ece_scaled))) => batches.push(BatchResult { pixels, ece, ece_scaled }),
            _ => empty_batches += 1,
        }
        Ok(())
    })?;
    let counts = (batches.len() as u64, empty_batches);
    let (before, bins_before) = before.finish(counts.0, counts.1)?;
    let (after, bins_after) = after.finish(counts.0, counts.1)?;
    let bins = bins_before.into_iter().zip(bins_after);
    let pictures = confusions.into_iter().zip(bins);
    let pictures = pictures.map(|(confusion, (before, after))| PictureResult { confusion, before, after });
    Ok(Evaluation { temperature, temperature_bound, before, after, pictures: pictures.collect(), batches })
}

/// Draws those pictures of a batch that have a name.
fn draw(batch: Pictures, maps: Option<(&Path, &[String])>) -> Result<()> {
    let Some((folder, names)) = maps else { return Ok(()) };
    let names = |index: u64| usize::try_from(index).ok().and_then(|index| names.get(index));
    if !batch.indices.iter().any(|&index| names(index).is_some()) {
        return Ok(());
    }
    for (maps, &index) in PictureMaps::of_batch(batch, &IGNORED)?.into_iter().zip(batch.indices) {
        if let Some(name) = names(index) {
            // A picture in a folder of its own.
            maps.write(folder, &name.replace(['/', '\\'], "-"))?;
        }
    }
    Ok(())
}

impl Evaluation {
    /// Every measure under its name in `results.json`; what is undefined has none.
    pub(super) fn measures(&self) -> BTreeMap<String, f64> {
        let overlap = self.before.overlap.as_ref();
        let published = |report: &SegmentationReport| report.published.as_ref()?.calibration.clone();
        let [before, after] = [&self.before, &self.after].map(|report| report.calibration.as_ref());
        let infinite = |report: Option<&PooledReport>| {
            report.map(|report| report.infinite_nll_pixels as f64).filter(|pixels| *pixels > 0.0)
        };
        let measures = [
            ("miou", overlap.and_then(|overlap| overlap.mean_iou.with_background)),
            ("miou_published", overlap.and_then(|overlap| overlap.mean_iou.published)),
            ("dice", overlap.and_then(|overlap| overlap.mean_dice.with_background)),
            ("accuracy", overlap.map(|overlap| overlap.pixel_accuracy)),
            ("accuracy_foreground", overlap.and_then(|overlap| overlap.foreground_accuracy)),
            ("accuracy_by_class", overlap.and_then(|overlap| overlap.mean_accuracy.with_background)),
            ("nll", before.map(|report| report.nll)),
            ("ece", before.map(|report| report.ece)),
            ("mce", before.map(|report| report.mce)),
            ("cece", before.and_then(|report| report.cece)),
            ("ece_per_batch", published(&self.before).map(|report| report.ece)),
            ("aece_per_batch", published(&self.before).and_then(|report| report.aece)),
            ("cece_per_batch", published(&self.before).map(|report| report.cece)),
            ("ece_of_pictures", self.before.picture_ece.map(|quantiles| quantiles.mean)),
            ("temperature", Some(self.temperature)),
            ("nll_scaled", after.map(|report| report.nll)),
            ("ece_scaled", after.map(|report| report.ece)),
            ("mce_scaled", after.map(|report| report.mce)),
            ("cece_scaled", after.and_then(|report| report.cece)),
            ("ece_per_batch_scaled", published(&self.after).map(|report| report.ece)),
            ("temperature_bound", self.temperature_bound.map(|bound| bound_sign(Some(bound)))),
            ("infinite_nll_rows", infinite(before)),
            ("infinite_nll_rows_scaled", infinite(after)),
        ];
        measures.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}
