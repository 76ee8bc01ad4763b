//! Cross-entropy plus a penalty on logits or probabilities.

pub(in crate::loss) mod acls;
pub(in crate::loss) mod alpha_schedule;
pub(in crate::loss) mod augmented_penalty;
pub(in crate::loss) mod auto_margin;
pub(in crate::loss) mod entropy_penalty;
pub(in crate::loss) mod l1_penalty;
pub(in crate::loss) mod logit_penalty;
pub(in crate::loss) mod margin;
pub(in crate::loss) mod margin_rule;
pub(in crate::loss) mod neighbour_penalty;

pub use acls::Acls;
pub use alpha_schedule::AlphaSchedule;
pub use augmented_penalty::AugmentedPenalty;
pub use auto_margin::AutoMargin;
pub use entropy_penalty::EntropyPenalty;
pub use l1_penalty::L1Penalty;
pub use logit_penalty::{Anchor, ClassReduction, LogitPenalty, Margin, PenaltyShape};
pub use margin::MarginLoss;
pub use margin_rule::{MarginChoice, MarginRule};
pub use neighbour_penalty::{NeighbourNorm, NeighbourPenalty};
