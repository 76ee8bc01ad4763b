//! What the cells of a suite are trained and measured on: one implementation for each task.

use crate::cell::{self, CellPlan, Place};
use crate::classification::Classification;
use crate::console::Console;
use crate::data::{ClassCounts, Sizes, Source, TaskKind, locate, missing};
use crate::options::Selection;
use crate::results::Cell;
use crate::segmentation::Segmentation;
use crate::shift::ShiftSource;
use crate::suite::{Scale, SplitRule, Suite};
use crate::texts::Texts;
use anyhow::{Context, Result};
use mbls_data::Seed;
use std::path::Path;

/// A suite's data, read once for all of its cells, and how a cell is made from it.
pub(crate) trait Workload: Sync {
    /// A number that tells data sets apart.
    fn digest(&self) -> u64;

    /// How many samples each split takes.
    ///
    /// # Errors
    ///
    /// More than there are, or none.
    fn sizes(&self, scale: &Scale) -> Result<Sizes>;

    /// How much of each class the parts of one seed have.
    ///
    /// # Errors
    ///
    /// Sizes that the data set does not have; what reading masks reports.
    fn class_counts(&self, suite: &Suite, rule: SplitRule, sizes: Sizes, seed: Seed) -> Result<ClassCounts>;

    /// What the readers of the data say of it: how it was read, and what of it is not used.
    fn notes(&self) -> &[String];

    /// The cell of that identity in `folder`; `None` where anything of it is still to be done.
    ///
    /// # Errors
    ///
    /// The result of another identity.
    fn finished(&self, folder: &Path, identity: &str) -> Result<Option<Cell>> {
        cell::finished(folder, identity)
    }

    /// Does what is still to be done of a cell, and returns it.
    ///
    /// # Errors
    ///
    /// What data, training and disk report.
    fn run(&self, plan: &CellPlan, place: Place) -> Result<Cell>;
}

/// Reads a suite's data.
///
/// # Errors
///
/// Data that is not at hand or not as it should be.
pub(crate) fn load<'a>(suite: &'a Suite, selection: &Selection, console: &Console) -> Result<Box<dyn Workload + 'a>> {
    let (spec, data) = (&suite.data, selection.data.as_deref());
    let folder = locate(spec, data).with_context(|| format!("{}: {}", suite.name, missing(spec, data)))?;
    match spec.task() {
        TaskKind::Segmentation => return Ok(Box::new(Segmentation::load(spec, &folder, selection.pairs())?)),
        TaskKind::Texts => return Ok(Box::new(Texts::load(suite, spec, &folder, data, selection.on_error())?)),
        TaskKind::Pictures => {}
    }
    let files = selection.files();
    let source = Source::load(spec, &folder, files)?;
    let shift = match &suite.shift {
        Some(shift) => Some(ShiftSource::load(shift, &suite.name, data, files, console)?),
        None => None,
    };
    Ok(Box::new(Classification { source, shift }))
}
