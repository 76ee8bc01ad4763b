//! Who watches a training.

use crate::Result;
use crate::event::{End, EpochReport, Saved, Start, StepReport, Stop};

/// Watches a training: writes a log, draws a bar, sends numbers to a tracker.
///
/// The [`Trainer`](crate::Trainer) calls its observers in the order in which they were added. An
/// observer changes nothing of the training; an error of one ends it, because a log that cannot be
/// written is better noticed at once. Every method does nothing unless it is implemented.
///
/// ```
/// use mbls_train::event::EpochReport;
/// use mbls_train::{Observer, Result};
///
/// /// Prints a line for each epoch.
/// struct Lines;
///
/// impl Observer for Lines {
///     fn epoch(&mut self, report: &EpochReport) -> Result<()> {
///         println!("epoch {}: {:?}", report.epoch, report.validation);
///         Ok(())
///     }
/// }
/// ```
pub trait Observer {
    /// Called once, before the first step; also for a run that is finished already.
    ///
    /// # Errors
    ///
    /// What the observer reports.
    fn start(&mut self, _start: &Start) -> Result<()> {
        Ok(())
    }

    /// Called after each training step.
    ///
    /// # Errors
    ///
    /// What the observer reports.
    fn step(&mut self, _report: &StepReport) -> Result<()> {
        Ok(())
    }

    /// Called after each epoch: its steps, its validation and its checkpoint.
    ///
    /// # Errors
    ///
    /// What the observer reports.
    fn epoch(&mut self, _report: &EpochReport) -> Result<()> {
        Ok(())
    }

    /// Called after a checkpoint was written, at the end of an epoch or within one.
    ///
    /// # Errors
    ///
    /// What the observer reports.
    fn checkpoint(&mut self, _saved: &Saved) -> Result<()> {
        Ok(())
    }

    /// Called once, after the last epoch.
    ///
    /// # Errors
    ///
    /// What the observer reports.
    fn end(&mut self, _end: &End) -> Result<()> {
        Ok(())
    }

    /// Called where the training fails, whose error [`fit`](crate::Trainer::fit) then returns.
    fn stop(&mut self, _stop: &Stop) {}
}
