//! The progress bars of a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::LazyLock;

/// All bars of the process: trainings that run side by side share one terminal.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Prints a line to standard error, above the bars where there are any.
pub fn say(line: &str) {
    BARS.suspend(|| eprintln!("{line}"));
}

/// A bar over all steps of a run; invisible where standard error is no terminal or `label` is `None`.
pub(crate) fn bar(label: Option<&str>, steps: usize, done: usize) -> ProgressBar {
    let Some(label) = label.filter(|_| std::io::stderr().is_terminal()) else {
        return ProgressBar::hidden();
    };
    let bar = BARS.add(ProgressBar::new(steps as u64));
    // The template is a constant; without it the default one is good enough.
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {elapsed}<{eta} {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(label.to_owned());
    bar.set_position(done as u64);
    bar
}
