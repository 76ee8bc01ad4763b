use super::{DistanceBands, VoidEdges};
use serde::{Deserialize, Serialize};

/// What a [`SegmentationMetrics`](super::SegmentationMetrics) measures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationSettings {
    /// Bins of confidence; 15 is usual.
    pub bins: usize,
    /// Labels whose pixels count nowhere, any integers such as 255 or -100; whatever the logits
    /// say there.
    pub void: Vec<i64>,
    /// Distances from the class boundaries that are told apart.
    pub bands: DistanceBands,
    /// Whether the border of void is a boundary.
    pub void_edges: VoidEdges,
    /// Whether the probabilities of all classes are compared with their labels, which takes as
    /// long as all else.
    pub classwise: bool,
    /// Whether the published protocol is computed beside the pooled one, for another look at the
    /// pixels whose label is not 0.
    pub published: bool,
}

/// 15 bins, 255 is void and its border no boundary, the bands of [`DistanceBands::default`], all
/// classes and both protocols.
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
