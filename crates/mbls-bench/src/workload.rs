//! The interface between the matrix or the report and a task.

use crate::cell::{CellPlan, Place, finished};
use crate::console::Console;
use crate::data::{ClassCounts, Facts, Sizes};
use crate::measure::{Measures, Resampled};
use crate::options::Selection;
use crate::results::Cell;
use crate::spec::{LossEntry, Scale, SplitRule, Suite};
use anyhow::Result;
use mbls_data::Seed;
use mbls_report::{FurtherTable, Gallery, LossReport};
use std::path::Path;

/// The data of a suite, read once for all of its runs, and the execution of a run on it.
pub(crate) trait Workload: Sync {
    /// Returns a hash of the data set.
    fn digest(&self) -> u64;

    /// Returns the number of samples of each split.
    ///
    /// # Errors
    ///
    /// If a split is empty or larger than the available data.
    fn sizes(&self, scale: &Scale) -> Result<Sizes>;

    /// Counts the classes in the parts of one seed.
    ///
    /// # Errors
    ///
    /// If the data set has too few samples, or masks cannot be read.
    fn class_counts(&self, rule: SplitRule, sizes: Sizes, seed: Seed) -> Result<ClassCounts>;

    /// Returns facts from the headers of images: sizes, channels, enlargement. Reads the headers.
    ///
    /// # Errors
    ///
    /// Files that are not images, with their names.
    fn facts(&self) -> Result<Facts> {
        Ok(Facts::default())
    }

    /// Returns how the data was read, and which of it is not used.
    fn notes(&self) -> &[String];

    /// Returns the finished run with the given identity in `folder`; `None` if any part is
    /// unfinished.
    ///
    /// # Errors
    ///
    /// If the result has another identity.
    fn finished(&self, folder: &Path, identity: &str) -> Result<Option<Cell>> {
        finished(folder, identity)
    }

    /// Completes the unfinished parts of a run and returns it.
    ///
    /// # Errors
    ///
    /// Errors of data, training and disk.
    fn run(&self, plan: &CellPlan, place: Place) -> Result<Cell>;
}

/// A task without its data: its metrics, and the report of its finished runs.
pub(crate) trait TaskFamily: Sync {
    /// Returns the task's metrics, which determine columns, notes and what a schedule may follow.
    fn measures(&self) -> &'static dyn Measures;

    /// Reads a suite's data from `folder`.
    ///
    /// # Errors
    ///
    /// Files that are missing or malformed, with their names.
    fn load<'a>(
        &self,
        suite: &'a Suite,
        folder: &Path,
        selection: &Selection,
        console: &Console,
    ) -> Result<Box<dyn Workload + 'a>>;

    /// Reports one loss over the runs of its seeds, at least one. Also returns its metrics on
    /// resampled test data.
    ///
    /// # Errors
    ///
    /// If files of the runs cannot be read.
    fn loss_report(
        &self,
        suite: &Suite,
        loss: &LossEntry,
        cells: &[&Cell],
        out: &Path,
    ) -> Result<(LossReport, Resampled)>;

    /// Returns additional tables for the report. `classes` are the names of the classes, if known.
    ///
    /// # Errors
    ///
    /// If files of the runs cannot be read.
    fn tables(
        &self,
        suite: &Suite,
        cells: &[&Cell],
        out: &Path,
        classes: &[String],
    ) -> Result<Vec<FurtherTable>>;

    /// Returns images for the HTML page.
    ///
    /// # Errors
    ///
    /// If files of the runs cannot be read.
    fn galleries(&self, _suite: &Suite, _cells: &[&Cell], _out: &Path) -> Result<Vec<Gallery>> {
        Ok(Vec::new())
    }
}
