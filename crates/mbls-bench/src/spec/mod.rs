//! What a benchmark is, as plain data: suites with their data set, model, recipe and losses, and
//! the keys of their runs.
//!
//! Everything here is read from a suite file or written into a result. It knows the settings that
//! the other crates define, and nothing of files, devices, training or reports.

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
