//! The common parts of image and text classification: training, prediction, evaluation and
//! reporting.

mod class_tables;
mod evaluation;
mod loss_report;
mod measures;
mod predictions;
mod task;

pub(crate) use class_tables::class_tables;
pub(crate) use evaluation::evaluate;
pub(crate) use loss_report::loss_report;
pub(crate) use measures::{MEASURES, report};
pub(crate) use predictions::{LabelledLogits, SavedPredictions, predict};
pub(crate) use task::ClassificationTask;
