//! Observers of a training.

use crate::Result;
use crate::event::{End, EpochReport, Saved, Start, StepReport, Stop};

/// Observes a training: writes a log, draws a progress bar, sends numbers to a tracker.
///
/// The [`Trainer`](crate::Trainer) calls its observers in the order in which they were added. An
/// observer does not change the training. An error of an observer ends the training, because a log
/// that cannot be written is better noticed at once. The default implementation of every method
/// does nothing.
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
    /// Called once, before the first step, even if the run has already finished.
    ///
    /// # Errors
    ///
    /// Any error of the observer.
    fn start(&mut self, _start: &Start) -> Result<()> {
        Ok(())
    }

    /// Called after each training step.
    ///
    /// # Errors
    ///
    /// Any error of the observer.
    fn step(&mut self, _report: &StepReport) -> Result<()> {
        Ok(())
    }

    /// Called after each epoch: its steps, its validation and its checkpoint.
    ///
    /// # Errors
    ///
    /// Any error of the observer.
    fn epoch(&mut self, _report: &EpochReport) -> Result<()> {
        Ok(())
    }

    /// Called after a checkpoint is written, at the end of an epoch or within one.
    ///
    /// # Errors
    ///
    /// Any error of the observer.
    fn checkpoint(&mut self, _saved: &Saved) -> Result<()> {
        Ok(())
    }

    /// Called once, after the last epoch.
    ///
    /// # Errors
    ///
    /// Any error of the observer.
    fn end(&mut self, _end: &End) -> Result<()> {
        Ok(())
    }

    /// Called when the training fails, with the error that [`fit`](crate::Trainer::fit) then
    /// returns.
    fn stop(&mut self, _stop: &Stop) {}
}
