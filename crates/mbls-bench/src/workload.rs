//! What the matrix and the report have to know of a task.

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

/// The data of a suite, read once for all of its runs, and how a run is made from it.
pub(crate) trait Workload: Sync {
    /// Returns a number that differs between data sets.
    fn digest(&self) -> u64;

    /// Returns the number of samples of each split.
    ///
    /// # Errors
    ///
    /// More than there are, or none.
    fn sizes(&self, scale: &Scale) -> Result<Sizes>;

    /// Counts how much of each class the parts of one seed have.
    ///
    /// # Errors
    ///
    /// Sizes that the data set does not have; what reading masks reports.
    fn class_counts(&self, rule: SplitRule, sizes: Sizes, seed: Seed) -> Result<ClassCounts>;

    /// Returns what headers of images say, which is read now: sizes, channels, enlargement.
    ///
    /// # Errors
    ///
    /// Files that are no images, each named.
    fn facts(&self) -> Result<Facts> {
        Ok(Facts::default())
    }

    /// Returns how the data was read, and what of it is not used.
    fn notes(&self) -> &[String];

    /// Returns the run of that identity in `folder`; `None` where anything of it is still to be
    /// done.
    ///
    /// # Errors
    ///
    /// The result of another identity.
    fn finished(&self, folder: &Path, identity: &str) -> Result<Option<Cell>> {
        finished(folder, identity)
    }

    /// Does what is still to be done of a run, and returns it.
    ///
    /// # Errors
    ///
    /// What data, training and disk report.
    fn run(&self, plan: &CellPlan, place: Place) -> Result<Cell>;
}

/// A task without its data: what it measures, and how its finished runs are reported.
pub(crate) trait TaskFamily: Sync {
    /// Returns what is measured: it decides columns, notes and what a schedule may follow.
    fn measures(&self) -> &'static dyn Measures;

    /// Reads a suite's data from `folder`.
    ///
    /// # Errors
    ///
    /// Files that are missing or not as they should be, each named.
    fn load<'a>(
        &self,
        suite: &'a Suite,
        folder: &Path,
        selection: &Selection,
        console: &Console,
    ) -> Result<Box<dyn Workload + 'a>>;

    /// Reports one loss over the runs of its seeds, at least one; returns its measures on resampled
    /// test data too.
    ///
    /// # Errors
    ///
    /// What runs have left and cannot be read.
    fn loss_report(
        &self,
        suite: &Suite,
        loss: &LossEntry,
        cells: &[&Cell],
        out: &Path,
    ) -> Result<(LossReport, Resampled)>;

    /// Returns the tables beside that of the losses; `classes` are the names of the classes, where
    /// they are known.
    ///
    /// # Errors
    ///
    /// What runs have left and cannot be read.
    fn tables(
        &self,
        suite: &Suite,
        cells: &[&Cell],
        out: &Path,
        classes: &[String],
    ) -> Result<Vec<FurtherTable>>;

    /// Returns images for the page.
    ///
    /// # Errors
    ///
    /// What runs have left and cannot be read.
    fn galleries(&self, _suite: &Suite, _cells: &[&Cell], _out: &Path) -> Result<Vec<Gallery>> {
        Ok(Vec::new())
    }
}
