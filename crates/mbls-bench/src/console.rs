//! What is said on standard error: lines, and how trainings that run side by side come along.

use crate::measure::{Description, described};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mbls_train::event::{End, EpochReport, Start, StepReport, Stop};
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

    /// Shows how the training of a run comes along: with a bar over all of its steps where standard
    /// error is a terminal, else with a line for each epoch. `score` is the measure by which
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

/// Shows how a training comes along.
pub(crate) struct TrainingProgress<'a> {
    console: &'a Console,
    run: String,
    score: Description,
    bar: Option<ProgressBar>,
    /// What the bar says of the last epoch.
    last: String,
    pace: Pace,
}

/// How fast epochs pass.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// Number of epochs in all.
    epochs: usize,
    /// Those that this process has done, and the seconds they took.
    done: usize,
    seconds: f64,
}

impl TrainingProgress<'_> {
    /// The epoch's place and its validation score: `epoch 3/30, accuracy 97.33 %`.
    fn epoch_and_score(&self, report: &EpochReport) -> String {
        let value =
            report.score.map_or_else(|| "undefined".to_owned(), |value| self.score.print(value));
        format!("epoch {}/{}, {} {value}", report.epoch + 1, self.pace.epochs, self.score.title)
    }

    /// All that an epoch says in a line.
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
    /// The seconds that the epochs after `epoch` take at this pace; `None` after the last.
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
            // The template is a constant; without it the default one is good enough.
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

/// What a run says that goes on from a checkpoint; epochs are counted from 1.
fn resumed(start: &Start) -> Option<String> {
    let Start { epoch, step, epochs, .. } = *start;
    match (epoch, step) {
        (0, 0) => None,
        (epoch, 0) if epoch == epochs => Some(format!("its {epochs} epochs are trained")),
        (epoch, 0) => Some(format!("resuming after epoch {epoch}")),
        (epoch, step) => Some(format!("resuming within epoch {} at step {step}", epoch + 1)),
    }
}

/// A time in the units that a reader wants: `0.4 s`, `38 s`, `3 min 20 s`, `2 h 05 min`.
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
    fn a_line_says_how_far_a_run_is_how_good_and_how_long_it_takes() {
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
        // 1.5 seconds an epoch, and 27 of them.
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
    fn a_run_that_goes_on_says_from_where() {
        let of = |epoch, step| {
            resumed(&Start { identity: String::new(), epoch, step, epochs: 30, steps: 200 })
                .unwrap_or_default()
        };
        assert_eq!(of(0, 0), "");
        assert_eq!(of(24, 0), "resuming after epoch 24");
        assert_eq!(of(23, 100), "resuming within epoch 24 at step 100");
        assert_eq!(of(30, 0), "its 30 epochs are trained");
    }

    #[test]
    fn durations_have_the_units_of_their_size() {
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
