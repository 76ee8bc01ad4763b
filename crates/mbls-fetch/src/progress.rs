//! Progress output of downloads.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

const UNKNOWN: &str = "{prefix:30!} {spinner} {bytes} {binary_bytes_per_sec} {msg}";
const KNOWN: &str =
    "{prefix:30!} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec}, {eta} left {msg}";

/// Progress bars on a terminal; lines on standard error everywhere.
#[derive(Debug, Default)]
pub(crate) struct Progress(MultiProgress);

/// The progress bar of one file.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Progress {
    /// Prints a line above the bars.
    pub(crate) fn say(&self, line: &str) {
        self.0.suspend(|| eprintln!("{line}"));
    }

    /// Creates a bar for a file of the given size.
    pub(crate) fn bar(&self, name: &str, bytes: Option<u64>) -> Bar {
        let bar = self.0.add(ProgressBar::no_length());
        bar.set_prefix(name.to_owned());
        let bar = Bar(bar);
        bar.set_bytes(bytes);
        bar
    }
}

impl Bar {
    /// Starts a download of `bytes` bytes, of which `have` already exist.
    pub(crate) fn begin(&self, have: u64, bytes: Option<u64>) {
        self.0.reset();
        self.set_bytes(bytes);
        // Compute the rate without the bytes that already existed.
        self.0.set_position(have);
        self.0.reset_eta();
        self.0.set_message("");
    }

    /// Advances by received bytes.
    pub(crate) fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Shows that the complete file is being verified.
    pub(crate) fn check(&self) {
        self.0.set_message("checking");
    }

    fn set_bytes(&self, bytes: Option<u64>) {
        match bytes {
            Some(bytes) => self.0.set_length(bytes),
            None => self.0.unset_length(),
        }
        let template = if bytes.is_some() { KNOWN } else { UNKNOWN };
        // The templates are constants, which the tests check.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Formats a number of bytes for people.
pub(crate) fn shown(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_sound() {
        for template in [UNKNOWN, KNOWN] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
