mod distance_tail;
mod distances;
mod probability_statistics;
mod statistics;

pub use distance_tail::LogitDistanceTail;
pub use distances::{DistanceReport, LogitDistances};
pub use probability_statistics::{ProbabilityReport, ProbabilityStatistics};
pub(in crate::metric) use probability_statistics::{REFERENCE_EPSILON, entropy};
pub use statistics::{LogitReport, LogitStatistics};
