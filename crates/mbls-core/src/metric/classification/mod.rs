mod accuracy;
mod balanced_accuracy;
mod top_k;
mod usual;

pub use accuracy::{Accuracy, CorrectRows};
pub use balanced_accuracy::BalancedAccuracy;
pub use top_k::TopKAccuracy;
pub use usual::{ClassificationMetrics, ClassificationReport};
