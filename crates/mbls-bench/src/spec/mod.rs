//! Definitions of benchmarks as plain data: suites with their data set, model, recipe and losses,
//! and the keys of their runs.
//!
//! Everything here is read from suite files or written to results. It uses the settings defined by
//! other crates, and does not depend on files, devices, training or reports.

mod cell;
mod class_weights;
mod data;
mod early_stopping;
mod images;
mod loss;
mod model;
mod precision;
mod recipe;
mod scale;
mod schedule;
mod segmentation;
mod shift;
mod suite;
#[cfg(test)]
mod tests;
mod texts;

pub use cell::CellKey;
pub use class_weights::{ClassWeightRule, ClassWeights};
pub use data::{CandleOrigin, CandleSet, DataSpec, FolderParts, TaskKind};
pub use early_stopping::StoppingRecipe;
pub use images::ImageRecipe;
pub use loss::LossEntry;
pub use model::ModelName;
pub use precision::Precision;
pub use recipe::{Recipe, TaskRecipe};
pub use scale::{Amount, Scale, SplitRule};
pub use schedule::RecipeSchedule;
pub use segmentation::{Score, SegmentationRecipe};
pub use shift::ShiftSpec;
pub use suite::{DEFAULT_PROFILE, Suite};
pub use texts::TextRecipe;
