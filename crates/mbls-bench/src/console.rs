//! Output on standard error: lines, and the progress of trainings that run in parallel.

use crate::measure::{Description, described};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mbls_train::event::{End, EpochReport, Start, StepReport, Stop};
use mbls_train::{Observer, Result};
use std::io::IsTerminal;

/// Standard error, shared by lines and progress bars.
pub(crate) struct Console {
    bars: MultiProgress,
}

impl Console {
    /// Creates the console. There should be only one per process.
    pub(crate) fn new() -> Self {
        Self { bars: MultiProgress::new() }
    }

    /// Prints a line, above any progress bars.
    pub(crate) fn say(&self, line: &str) {
        self.bars.suspend(|| eprintln!("{line}"));
    }

    /// Returns an observer that shows the progress of a run's training: a bar over all of its steps
    /// if standard error is a terminal, else one line per epoch. `score` is the metric by which
    /// epochs are compared.
    pub(crate) fn progress(&self, run: String, score: Description) -> TrainingProgress<'_> {
        TrainingProgress {
            console: self,
            run,
            score,
            bar: None,
            last: String::new(),
            pace: Pace::default(),
        }
    }
}

/// Shows the progress of a training.
pub(crate) struct TrainingProgress<'a> {
    console: &'a Console,
    run: String,
    score: Description,
    bar: Option<ProgressBar>,
    /// The bar's text about the last epoch.
    last: String,
    pace: Pace,
}

/// Measures the time per epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// Number of epochs in total.
    epochs: usize,
    /// Epochs done by this process, and the seconds they took.
    done: usize,
    seconds: f64,
}

impl TrainingProgress<'_> {
    /// Formats the epoch and its validation score: `epoch 3/30, accuracy 97.33 %`.
    fn epoch_and_score(&self, report: &EpochReport) -> String {
        let value =
            report.score.map_or_else(|| "undefined".to_owned(), |value| self.score.print(value));
        format!("epoch {}/{}, {} {value}", report.epoch + 1, self.pace.epochs, self.score.title)
    }

    /// Formats the line of an epoch.
    fn line(&self, report: &EpochReport) -> String {
        let print = |value: Option<&Option<f64>>| match value.copied().flatten() {
            Some(value) => described::NLL.print(value),
            None => "undefined".to_owned(),
        };
        let (loss, nll) =
            (print(report.train.get("loss")), print(report.validation.get(described::NLL.key)));
        let (epoch, seconds) = (self.epoch_and_score(report), duration(report.seconds));
        let left = self
            .pace
            .left(report.epoch)
            .map(|left| format!(", {} left", duration(left)))
            .unwrap_or_default();
        format!("{}: {epoch}, NLL {nll}, training loss {loss}; {seconds}{left}", self.run)
    }
}

impl Pace {
    /// Estimates the seconds that the epochs after `epoch` will take; `None` after the last.
    fn left(&self, epoch: usize) -> Option<f64> {
        let epochs = self.epochs.saturating_sub(epoch + 1);
        (epochs > 0 && self.done > 0).then(|| self.seconds / self.done as f64 * epochs as f64)
    }
}

impl Observer for TrainingProgress<'_> {
    fn start(&mut self, start: &Start) -> Result<()> {
        self.pace = Pace { epochs: start.epochs, ..Pace::default() };
        if let Some(line) = resumed(start) {
            self.console.say(&format!("{}: {line}", self.run));
        }
        if std::io::stderr().is_terminal() {
            let (steps, done) =
                (start.epochs * start.steps, start.epoch * start.steps + start.step);
            let bar = self.console.bars.add(ProgressBar::new(steps as u64));
            // The template is a constant; if it were invalid, the default style would do.
            if let Ok(style) =
                ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {elapsed}<{eta} {msg}")
            {
                bar.set_style(style);
            }
            bar.set_prefix(self.run.clone());
            bar.set_position(done as u64);
            self.bar = Some(bar);
        }
        Ok(())
    }

    fn step(&mut self, report: &StepReport) -> Result<()> {
        if let Some(bar) = &self.bar {
            bar.inc(1);
            if let Some(loss) = report.loss {
                bar.set_message(format!("{}loss {loss:.4}", self.last));
            }
        }
        Ok(())
    }

    fn epoch(&mut self, report: &EpochReport) -> Result<()> {
        self.pace.done += 1;
        self.pace.seconds += report.seconds;
        match &self.bar {
            Some(bar) => {
                self.last = format!("{}, ", self.epoch_and_score(report));
                bar.set_message(self.last.trim_end_matches(", ").to_owned());
            }
            None => self.console.say(&self.line(report)),
        }
        Ok(())
    }

    fn end(&mut self, end: &End) -> Result<()> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if let Some(early) = &end.early {
            self.console
                .say(&format!("{}: stopped after {} epochs: {early}", self.run, end.epochs));
        }
        Ok(())
    }

    fn stop(&mut self, _stop: &Stop) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

/// Describes from where a run resumes. Epochs are counted from 1.
fn resumed(start: &Start) -> Option<String> {
    let Start { epoch, step, epochs, .. } = *start;
    match (epoch, step) {
        (0, 0) => None,
        (epoch, 0) if epoch == epochs => Some(format!("all {epochs} epochs are already trained")),
        (epoch, 0) => Some(format!("resuming after epoch {epoch}")),
        (epoch, step) => Some(format!("resuming within epoch {} at step {step}", epoch + 1)),
    }
}

/// Formats a duration: `0.4 s`, `38 s`, `3 min 20 s`, `2 h 05 min`.
fn duration(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_epoch_line_has_progress_score_and_remaining_time() {
        let console = Console::new();
        let mut progress =
            console.progress("digits, small-cnn, ce, seed 0".to_owned(), described::ACCURACY);
        progress.pace = Pace { epochs: 30, done: 2, seconds: 3.0 };
        let named = |name: &str, value: Option<f64>| BTreeMap::from([(name.to_owned(), value)]);
        let report = EpochReport {
            epoch: 2,
            learning_rate: 0.1,
            train: named("loss", Some(0.1236)),
            gradient_norm: 1.0,
            steps_without_loss: 0,
            validation: named("nll", Some(0.5)),
            score: Some(0.97),
            best: true,
            seconds: 2.04,
            train_seconds: 1.0,
        };
        // 1.5 seconds per epoch, with 27 epochs left.
        let expected = "digits, small-cnn, ce, seed 0: epoch 3/30, Accuracy 97.00 %, NLL 0.5000, training loss 0.1236; \
                        2.0 s, 41 s left";
        assert_eq!(progress.line(&report), expected);
        let last = EpochReport { epoch: 29, score: None, validation: named("nll", None), ..report };
        let line = progress.line(&last);
        assert!(
            line.ends_with(
                "epoch 30/30, Accuracy undefined, NLL undefined, training loss 0.1236; 2.0 s"
            ),
            "{line}"
        );
    }

    #[test]
    fn a_resumed_run_says_from_where() {
        let of = |epoch, step| {
            resumed(&Start { identity: String::new(), epoch, step, epochs: 30, steps: 200 })
                .unwrap_or_default()
        };
        assert_eq!(of(0, 0), "");
        assert_eq!(of(24, 0), "resuming after epoch 24");
        assert_eq!(of(23, 100), "resuming within epoch 24 at step 100");
        assert_eq!(of(30, 0), "all 30 epochs are already trained");
    }

    #[test]
    fn durations_have_suitable_units() {
        for (seconds, text) in [
            (0.04, "0.0 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (59.6, "1 min 00 s"),
            (200.0, "3 min 20 s"),
            (7500.0, "2 h 05 min"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
