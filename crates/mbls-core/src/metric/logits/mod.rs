mod distance_tail;
mod probability_statistics;
mod statistics;

pub use distance_tail::LogitDistanceTail;
pub use probability_statistics::{ProbabilityReport, ProbabilityStatistics};
pub(in crate::metric) use probability_statistics::{REFERENCE_EPSILON, entropy};
pub use statistics::{LogitReport, LogitStatistics};
