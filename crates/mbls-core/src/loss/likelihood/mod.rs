//! Losses of the predicted probabilities.

pub(in crate::loss) mod brier;
pub(in crate::loss) mod cross_entropy;
pub(in crate::loss) mod dual_focal;
pub(in crate::loss) mod focal;
pub(in crate::loss) mod label_smoothing;
pub(in crate::loss) mod logit_norm;
pub(in crate::loss) mod sample_dependent_focal;
pub(in crate::loss) mod spatial_label_smoothing;

pub use brier::BrierLoss;
pub use cross_entropy::CrossEntropy;
pub use dual_focal::DualFocal;
pub use focal::Focal;
pub use label_smoothing::LabelSmoothing;
pub use logit_norm::LogitNorm;
pub use sample_dependent_focal::SampleDependentFocal;
pub use spatial_label_smoothing::SpatialLabelSmoothing;
