use super::{DistanceBands, VoidEdges};
use serde::{Deserialize, Serialize};

/// Settings of [`SegmentationMetrics`](super::SegmentationMetrics).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationSettings {
    /// Number of confidence bins; usually 15.
    pub bins: usize,
    /// Labels whose pixels are ignored, any integers such as 255 or -100. Their logits may have any
    /// value.
    pub void: Vec<i64>,
    /// Ranges of distances from the class boundaries.
    pub bands: DistanceBands,
    /// Whether the border of void counts as a class boundary.
    pub void_edges: VoidEdges,
    /// Whether to compute the classwise calibration error, which takes as long as everything else.
    pub classwise: bool,
    /// Whether to compute the published protocol in addition to the pooled one, which needs another
    /// pass over the pixels whose label is not 0.
    pub published: bool,
}

/// 15 bins, void label 255 whose border is not a boundary, the bands of
/// [`DistanceBands::default`], the classwise error and both protocols.
impl Default for SegmentationSettings {
    fn default() -> Self {
        Self {
            bins: 15,
            void: vec![255],
            bands: DistanceBands::default(),
            void_edges: VoidEdges::default(),
            classwise: true,
            published: true,
        }
    }
}
