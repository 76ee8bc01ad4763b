mod ood;
mod ood_score;
mod risk_coverage;
mod top_label_statistics;

pub use ood::{OodDetection, OodReport, OodScores};
pub use ood_score::{OodScore, energy_scores};
pub use risk_coverage::{RiskCoverageCurve, RiskCoveragePoint};
pub use top_label_statistics::{TopLabelStatistic, TopLabelStatistics, TopLabelValue};
