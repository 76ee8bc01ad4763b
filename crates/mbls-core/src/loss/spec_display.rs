//! Names and settings of losses, as shown to readers.

use super::{AlphaSchedule, Anchor, ClassReduction, LossSpec, PenaltyShape, spec::MAX_ALPHA};
use std::fmt;

impl LossSpec {
    /// Returns the name of the loss in papers: `MbLS`, `cross-entropy`.
    pub fn title(&self) -> &'static str {
        match self {
            Self::CrossEntropy => "cross-entropy",
            Self::LabelSmoothing { .. } => "label smoothing",
            Self::Focal { .. } => "focal loss",
            Self::SampleDependentFocal { .. } => "sample-dependent focal loss",
            Self::DualFocal { .. } => "dual focal loss",
            Self::EntropyPenalty { .. } => "entropy penalty",
            Self::L1Penalty { .. } => "L1 penalty",
            Self::Brier => "Brier loss",
            Self::Mmce { .. } => "MMCE",
            Self::WeightedMmce { .. } => "weighted MMCE",
            Self::Mdca { .. } => "MDCA",
            Self::LogitNorm { .. } => "LogitNorm",
            Self::Margin { .. } => "MbLS",
            Self::Acls { .. } => "ACLS",
            Self::ClassAdaptive { .. } => "CALS-ALM",
            Self::SpatialLabelSmoothing { .. } => "SVLS",
            Self::NeighbourPenalty { .. } => "NACL",
        }
    }

    /// Returns the settings in words, `m = 10, α = 0.1`; empty for a loss without settings.
    pub fn settings(&self) -> String {
        Settings(self).to_string()
    }
}

impl fmt::Display for LossSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings();
        if settings.is_empty() {
            f.write_str(self.title())
        } else {
            write!(f, "{} ({settings})", self.title())
        }
    }
}

struct Settings<'a>(&'a LossSpec);

impl fmt::Display for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LossSpec::CrossEntropy | LossSpec::Brier => Ok(()),
            LossSpec::LabelSmoothing { alpha }
            | LossSpec::EntropyPenalty { alpha }
            | LossSpec::L1Penalty { alpha } => {
                write!(f, "α = {alpha}")
            }
            LossSpec::Focal { gamma }
            | LossSpec::SampleDependentFocal { gamma }
            | LossSpec::DualFocal { gamma } => {
                write!(f, "γ = {gamma}")
            }
            LossSpec::Mmce { lambda } | LossSpec::WeightedMmce { lambda } => {
                write!(f, "λ = {lambda}")
            }
            LossSpec::Mdca { gamma, beta } => write!(f, "γ = {gamma}, β = {beta}"),
            LossSpec::LogitNorm { tau } => write!(f, "τ = {tau}"),
            LossSpec::Margin {
                margin,
                alpha,
                anchor,
                detached_anchor,
                shape,
                class_reduction,
                schedule,
                max_alpha,
            } => {
                write!(f, "m = {margin}, α = {alpha}")?;
                if *anchor == Anchor::Target {
                    write!(f, ", from the label")?;
                }
                if *detached_anchor {
                    write!(f, ", detached")?;
                }
                match shape {
                    PenaltyShape::Linear => {}
                    PenaltyShape::Quadratic => write!(f, ", quadratic")?,
                    PenaltyShape::Huber { delta } => write!(f, ", Huber δ = {delta}")?,
                }
                if *class_reduction == ClassReduction::Sum {
                    write!(f, ", sum over classes")?;
                }
                let max_alpha = max_alpha.unwrap_or(MAX_ALPHA);
                match schedule {
                    AlphaSchedule::None => Ok(()),
                    AlphaSchedule::Add { mu } => {
                        write!(f, ", α + {mu} per epoch up to {max_alpha}")
                    }
                    AlphaSchedule::Multiply { mu } => {
                        write!(f, ", α × {mu} per epoch up to {max_alpha}")
                    }
                    AlphaSchedule::Step { mu, step_size } => {
                        write!(f, ", α × {mu} per {step_size} epochs up to {max_alpha}")
                    }
                }
            }
            LossSpec::Acls { margin, alpha, pos_lambda, neg_lambda } => {
                write!(f, "m = {margin}, α = {alpha}, λ₊ = {pos_lambda}, λ₋ = {neg_lambda}")
            }
            LossSpec::ClassAdaptive { margin, penalty } => {
                write!(f, "m = {margin}, {}", format!("{penalty:?}").to_uppercase())
            }
            LossSpec::SpatialLabelSmoothing { sigma } => write!(f, "σ = {sigma}"),
            LossSpec::NeighbourPenalty { alpha, norm } => write!(f, "α = {alpha}, {norm:?}"),
        }
    }
}
