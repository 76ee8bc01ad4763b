use super::{SegmentationSettings, boundary_distances};
use mbls_core::metric::{
    ClasswiseConvention, ClasswiseEce, ConfusionMatrix, GroupedReliability, GroupedRows, Labels,
    Metric, NegativeLogLikelihood, PixelRows, ReliabilityBins, SegmentationBatch,
};
use mbls_core::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Pixel statistics over all images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PixelState {
    pub(super) nll: NegativeLogLikelihood,
    /// Present if the settings enable it.
    pub(super) classwise: Option<ClasswiseEce>,
    /// One matrix per band.
    pub(super) confusion: Vec<ConfusionMatrix>,
    /// Grouped by band and predicted class.
    pub(super) reliability: GroupedReliability,
}

/// The largest number of counts in all bands together, 128 MiB. It bounds the memory that a saved
/// state can make us allocate.
const MAX_COUNTS: usize = 1 << 24;

impl PixelState {
    pub(super) fn new(classes: usize, settings: &SegmentationSettings) -> Result<Self> {
        let bands = settings.bands.len();
        if classes.saturating_pow(2).saturating_mul(bands) > MAX_COUNTS {
            let (value, expected) =
                (format!("{bands} for {classes} classes"), "at most 2^24 / classes^2");
            return Err(Error::Setting { name: "distance bands", value, expected });
        }
        let confusion = ConfusionMatrix::new(classes)?;
        let classwise = || ClasswiseEce::new(settings.bins, ClasswiseConvention::Definition);
        Ok(Self {
            nll: NegativeLogLikelihood::new(),
            classwise: settings.classwise.then(classwise).transpose()?,
            confusion: vec![confusion; bands],
            reliability: GroupedReliability::new(bands * classes, settings.bins)?,
        })
    }

    pub(super) fn empty(&self) -> Self {
        Self {
            nll: self.nll.empty(),
            classwise: self.classwise.as_ref().map(Metric::empty),
            confusion: self.confusion.iter().map(Metric::empty).collect(),
            reliability: self.reliability.empty(),
        }
    }

    /// Returns the size of the parts in bytes, including their allocations.
    pub(super) fn allocated(&self) -> usize {
        let classwise = self.classwise.as_ref().map_or(0, Metric::size);
        let confusion: usize = self.confusion.iter().map(Metric::size).sum();
        self.nll.size() + classwise + confusion + self.reliability.size()
    }

    /// Computes the statistics of one image, on all threads of the current rayon pool. `first` is
    /// the index of its first pixel in the batch.
    pub(super) fn of_image(
        image: SegmentationBatch<'_>,
        labels: Labels<'_>,
        width: usize,
        settings: &SegmentationSettings,
        first: usize,
    ) -> Result<Self> {
        let empty = Self::new(image.classes(), settings)?;
        let distances = boundary_distances(labels, width, &settings.void, settings.void_edges)?;
        let bands: Vec<u8> =
            distances.into_iter().map(|distance| settings.bands.band(distance) as u8).collect();
        let add =
            |mut parts: Self, rows: PixelRows| parts.add(&rows, &bands, first).map(|()| parts);
        let merge = |mut a: Self, b: Self| a.merge(b).map(|()| a);
        let all =
            image.par_chunks().try_fold(|| empty.clone(), add).try_reduce(|| empty.clone(), merge);
        // With several errors the threads report an arbitrary one: the sequential pass reports the
        // first.
        all.or_else(|_| image.chunks().try_fold(empty.clone(), add))
    }

    fn add(&mut self, rows: &PixelRows, bands: &[u8], first: usize) -> Result<()> {
        let input = rows.predictions()?;
        self.nll.update(&input).map_err(|mut error| {
            if let Error::Value { row, .. } = &mut error {
                *row = first + rows.pixels[*row];
            }
            error
        })?;
        if let Some(classwise) = &mut self.classwise {
            classwise.update(&input)?;
        }
        let classes = rows.classes;
        let mut counts = vec![0; self.confusion.len() * classes * classes];
        let mut groups = Vec::with_capacity(rows.labels.len());
        for (row, (&pixel, &label)) in rows.pixels.iter().zip(&rows.labels).enumerate() {
            let (band, predicted) = (usize::from(bands[pixel]), input.predicted(row));
            counts[(band * classes + label as usize) * classes + predicted as usize] += 1;
            groups.push((band * classes) as u32 + predicted);
        }
        for (confusion, counts) in self.confusion.iter_mut().zip(counts.chunks(classes * classes)) {
            confusion.merge(ConfusionMatrix::from_counts(classes, counts)?)?;
        }
        self.reliability.update(GroupedRows::new(&input, &groups)?)
    }

    /// Adds statistics with the same settings. The parts that can fail, the sum of log-likelihoods
    /// and the number of pixels, are merged first, so an error leaves all parts consistent.
    pub(super) fn merge(&mut self, other: Self) -> Result<()> {
        self.nll.merge(other.nll)?;
        if let (Some(mine), Some(other)) = (&mut self.classwise, other.classwise) {
            mine.merge(other)?;
        }
        self.confusion
            .iter_mut()
            .zip(other.confusion)
            .try_for_each(|(mine, other)| mine.merge(other))?;
        self.reliability.merge(other.reliability)
    }

    /// Returns the confusion matrix summed over all bands.
    pub(super) fn whole_confusion(&self) -> Option<ConfusionMatrix> {
        let mut bands = self.confusion.iter().cloned();
        let first = bands.next()?;
        bands.try_fold(first, |mut sum, band| sum.merge(band).map(|()| sum)).ok()
    }

    /// Returns the reliability bins of the pixels of a band.
    pub(super) fn reliability_of_band(&self, band: usize) -> ReliabilityBins {
        let classes = self.reliability.groups() / self.confusion.len();
        self.reliability.of(|group| group / classes == band)
    }

    /// Returns the reliability bins of the pixels that are predicted as a class.
    pub(super) fn reliability_of_predicted(&self, class: usize) -> ReliabilityBins {
        let classes = self.reliability.groups() / self.confusion.len();
        self.reliability.of(|group| group % classes == class)
    }

    /// Returns the reliability bins of all pixels.
    pub(super) fn whole_reliability(&self) -> ReliabilityBins {
        self.reliability.of(|_| true)
    }
}
