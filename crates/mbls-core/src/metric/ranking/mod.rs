mod ood;
mod ood_score;
mod risk_coverage;

pub use ood::{OodDetection, OodReport, OodScores};
pub use ood_score::{OodScore, energy_scores};
pub use risk_coverage::{RiskCoverageCurve, RiskCoveragePoint};
