//! What is said while data sets are fetched.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

const UNKNOWN: &str = "{prefix:30!} {spinner} {bytes} {binary_bytes_per_sec} {msg}";
const KNOWN: &str =
    "{prefix:30!} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec}, {eta} left {msg}";

/// Bars on a terminal; lines on standard error everywhere.
#[derive(Debug, Default)]
pub(crate) struct Progress(MultiProgress);

/// The bar of one file.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Progress {
    /// Says a line, above the bars.
    pub(crate) fn say(&self, line: &str) {
        self.0.suspend(|| eprintln!("{line}"));
    }

    /// A bar of a file of so many bytes.
    pub(crate) fn bar(&self, name: &str, bytes: Option<u64>) -> Bar {
        let bar = self.0.add(ProgressBar::no_length());
        bar.set_prefix(name.to_owned());
        let bar = Bar(bar);
        bar.set_bytes(bytes);
        bar
    }
}

impl Bar {
    /// A download of so many bytes goes on, of which some are there.
    pub(crate) fn begin(&self, have: u64, bytes: Option<u64>) {
        self.0.reset();
        self.set_bytes(bytes);
        // The rate is that of what comes, not of what was there.
        self.0.set_position(have);
        self.0.reset_eta();
        self.0.set_message("");
    }

    /// Some bytes came.
    pub(crate) fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// All bytes are there and being checked.
    pub(crate) fn check(&self) {
        self.0.set_message("checking");
    }

    fn set_bytes(&self, bytes: Option<u64>) {
        match bytes {
            Some(bytes) => self.0.set_length(bytes),
            None => self.0.unset_length(),
        }
        let template = if bytes.is_some() { KNOWN } else { UNKNOWN };
        // The templates are ours: whether they are sound is known to the tests.
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

/// A number of bytes for people.
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
