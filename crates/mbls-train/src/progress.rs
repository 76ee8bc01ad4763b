//! The progress bar of a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// A bar over all steps of a run; invisible where standard error is no terminal or `label` is `None`.
pub(crate) fn bar(label: Option<&str>, steps: usize, done: usize) -> ProgressBar {
    let Some(label) = label.filter(|_| std::io::stderr().is_terminal()) else {
        return ProgressBar::hidden();
    };
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
    // The template is a constant; without it the default one is good enough.
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {elapsed}<{eta} {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(label.to_owned());
    bar.set_position(done as u64);
    bar
}
