use std::fmt::Display;
use std::io::Write;

/// Everything the program says beside its results, on standard error.
pub(crate) struct Messages<'a> {
    stream: &'a mut dyn Write,
    quiet: bool,
}

impl<'a> Messages<'a> {
    pub(crate) fn new(stream: &'a mut dyn Write, quiet: bool) -> Self {
        Self { stream, quiet }
    }

    /// Says how the input was read. `--quiet` leaves it out.
    pub(crate) fn note(&mut self, text: impl Display) {
        if !self.quiet {
            self.line(format_args!("mbls: {text}"));
        }
    }

    /// Says what may be wrong with the input. `--quiet` does not leave it out.
    pub(crate) fn warning(&mut self, text: impl Display) {
        self.line(format_args!("warning: {text}"));
    }

    /// Prints an error with its causes on one line.
    pub(crate) fn error(&mut self, error: &anyhow::Error) {
        // The message of a library may have several lines.
        let text = format!("{error:#}").replace('\n', " ");
        self.line(format_args!("error: {text}"));
    }

    fn line(&mut self, text: impl Display) {
        // Standard error may be closed; the result does not depend on it.
        let _ = writeln!(self.stream, "{text}");
    }
}
