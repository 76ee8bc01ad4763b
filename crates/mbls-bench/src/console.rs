//! What is said on the terminal: lines, and the progress bars of trainings that run side by side.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mbls_train::event::{End, Start, StepReport, Stop};
use mbls_train::{Observer, Result};
use std::io::IsTerminal;

/// Standard error, which lines and bars share.
pub(crate) struct Console {
    bars: MultiProgress,
}

impl Console {
    /// The console of the process; there should be one.
    pub(crate) fn new() -> Self {
        Self { bars: MultiProgress::new() }
    }

    /// Prints a line, above the bars where there are any.
    pub(crate) fn say(&self, line: &str) {
        self.bars.suspend(|| eprintln!("{line}"));
    }

    /// A bar over all steps of a training; it draws nothing where standard error is no terminal.
    pub(crate) fn bar(&self, label: String) -> TrainingBar<'_> {
        TrainingBar { console: self, label, bar: ProgressBar::hidden() }
    }
}

/// The progress bar of a training.
pub(crate) struct TrainingBar<'a> {
    console: &'a Console,
    label: String,
    bar: ProgressBar,
}

impl Observer for TrainingBar<'_> {
    fn start(&mut self, start: &Start) -> Result<()> {
        if std::io::stderr().is_terminal() {
            let (steps, done) = (start.epochs * start.steps, start.epoch * start.steps + start.step);
            self.bar = self.console.bars.add(ProgressBar::new(steps as u64));
            // The template is a constant; without it the default one is good enough.
            if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {elapsed}<{eta} {msg}") {
                self.bar.set_style(style);
            }
            self.bar.set_prefix(self.label.clone());
            self.bar.set_position(done as u64);
        }
        Ok(())
    }

    fn step(&mut self, report: &StepReport) -> Result<()> {
        self.bar.inc(1);
        if let Some(loss) = report.loss {
            self.bar.set_message(format!("loss {loss:.4}"));
        }
        Ok(())
    }

    fn end(&mut self, _end: &End) -> Result<()> {
        self.bar.finish_and_clear();
        Ok(())
    }

    fn stop(&mut self, _stop: &Stop) {
        self.bar.abandon();
    }
}
