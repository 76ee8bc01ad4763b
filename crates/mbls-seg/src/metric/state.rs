use super::SegmentationSettings;
use super::parts::PixelState;
use mbls_core::Result;
use mbls_core::metric::{
    self, Metric, ReliabilityBins, SegmentationBatch, SegmentationCalibration, SegmentationProtocol,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// State of [`SegmentationMetrics`](super::SegmentationMetrics).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) settings: SegmentationSettings,
    pub(super) classes: usize,
    pub(super) parts: PixelState,
    /// Reliability bins of each image, by its index.
    #[serde(rename = "pictures")]
    pub(super) images: BTreeMap<u64, ReliabilityBins>,
    pub(super) void_pixels: u64,
    pub(super) published: Option<Published>,
}

/// State of the published protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    pub(super) calibration: SegmentationCalibration,
    /// Number of batches with a pixel that counts.
    pub(super) batches: u64,
    /// Number of batches without one.
    pub(super) empty_batches: u64,
}

impl metric::MetricState for State {
    const METRIC: &'static str = "segmentation-metrics";
}

impl Published {
    pub(super) fn new(bins: usize) -> Result<Self> {
        let calibration = SegmentationCalibration::new(bins, SegmentationProtocol::Reference)?;
        Ok(Self { calibration, batches: 0, empty_batches: 0 })
    }

    pub(super) fn empty(&self) -> Self {
        Self { calibration: self.calibration.empty(), batches: 0, empty_batches: 0 }
    }

    pub(super) fn update(&mut self, batch: SegmentationBatch<'_>) -> Result<()> {
        let before = self.calibration.n();
        self.calibration.update(batch)?;
        let batches =
            if self.calibration.n() > before { &mut self.batches } else { &mut self.empty_batches };
        *batches += 1;
        Ok(())
    }

    pub(super) fn merge(&mut self, other: Self) -> Result<()> {
        self.calibration.merge(other.calibration)?;
        self.batches = self.batches.saturating_add(other.batches);
        self.empty_batches = self.empty_batches.saturating_add(other.empty_batches);
        Ok(())
    }
}
