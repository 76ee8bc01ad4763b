//! The inputs of losses: batches, labels, masks, and operations on their tensors.

pub(in crate::loss) mod batch;
pub(in crate::loss) mod host;
pub(in crate::loss) mod mask;
pub(in crate::loss) mod measured;
pub(in crate::loss) mod neighbourhood;
pub(in crate::loss) mod ops;
pub(in crate::loss) mod output;
pub(in crate::loss) mod setting;
pub(in crate::loss) mod targets;

pub use batch::{LogitBatch, Reduction};
pub use output::{LossOutput, Term};
