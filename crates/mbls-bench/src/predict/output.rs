//! Writes predictions to standard output in one of three formats, and problems to standard error.

use super::options::Format;
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::io::{BufWriter, IsTerminal, Stdout, Write};

/// The output for one input in every format.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Sentences, one per line.
    pub(super) lines: Vec<String>,
    /// The fields of a JSON object.
    pub(super) json: Map<String, Value>,
    /// The fields of a CSV row, with their columns.
    pub(super) cells: Vec<(String, String)>,
}

/// Writes the outputs of the inputs in order.
pub(super) struct Output {
    format: Format,
    stdout: BufWriter<Stdout>,
    /// The columns of the first CSV row, which all other rows share.
    columns: Vec<String>,
    bar: ProgressBar,
    answered: usize,
    failed: usize,
    notes: Vec<String>,
}

impl Output {
    /// Writes to standard output. Draws a progress bar if standard error is a terminal and standard
    /// output is not.
    pub(super) fn new(format: Format) -> Self {
        let drawn = std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
        let bar = if drawn { ProgressBar::new(0) } else { ProgressBar::hidden() };
        // The template is a constant; if it were invalid, the default style would do.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec} {eta}") {
            bar.set_style(style);
        }
        let stdout = BufWriter::new(std::io::stdout());
        Self { format, stdout, columns: Vec::new(), bar, answered: 0, failed: 0, notes: Vec::new() }
    }

    /// Adds inputs to the length of the progress bar.
    pub(super) fn expect(&self, inputs: usize) {
        self.bar.inc_length(inputs as u64);
    }

    /// Writes the output for an input.
    ///
    /// # Errors
    ///
    /// If standard output cannot be written.
    pub(super) fn answer(&mut self, input: &str, shown: Shown) -> Result<()> {
        self.answered += 1;
        self.bar.inc(1);
        let Shown { lines, mut json, cells } = shown;
        match self.format {
            Format::Text => {
                let mut text = format!("{input}: ");
                text.push_str(&lines.join("\n  "));
                self.line(&text)
            }
            Format::Json => {
                json.insert("input".to_owned(), input.into());
                self.line(&Value::Object(json).to_string())
            }
            Format::Csv => {
                let (names, values): (Vec<_>, Vec<_>) = cells.into_iter().unzip();
                let row = |values: Vec<String>, last: &str| {
                    [vec![input.to_owned()], values, vec![last.to_owned()]].concat()
                };
                if self.columns.is_empty() {
                    let header =
                        [vec!["input".to_owned()], names.clone(), vec!["error".to_owned()]]
                            .concat();
                    self.columns = names;
                    self.row(&header)?;
                }
                self.row(&row(values, ""))
            }
        }
    }

    /// Reports an input without a prediction, and the reason.
    ///
    /// # Errors
    ///
    /// If standard output cannot be written.
    pub(super) fn fail(&mut self, input: &str, error: &dyn std::error::Error) -> Result<()> {
        self.failed += 1;
        self.bar.inc(1);
        let problem = mbls_io::with_causes(error);
        // Errors about files already start with the file's name.
        let line = if problem.starts_with(input) {
            problem.clone()
        } else {
            format!("{input}: {problem}")
        };
        self.bar.suspend(|| eprintln!("{line}"));
        match self.format {
            Format::Text => Ok(()),
            Format::Json => self.line(&json!({ "input": input, "error": problem }).to_string()),
            Format::Csv => {
                // The columns are unknown before the first answer.
                let empty = vec![String::new(); self.columns.len()];
                if self.columns.is_empty() {
                    return Ok(());
                }
                self.row(&[vec![input.to_owned()], empty, vec![problem]].concat())
            }
        }
    }

    /// Adds a note about all predictions, printed to standard error at the end.
    pub(super) fn note(&mut self, line: String) {
        self.notes.push(line);
    }

    /// Finishes the output.
    ///
    /// # Errors
    ///
    /// If standard output cannot be written, or inputs had no prediction; states how many.
    pub(super) fn finish(mut self) -> Result<()> {
        self.stdout.flush().context("cannot write to standard output")?;
        self.bar.finish_and_clear();
        self.notes.iter().for_each(|note| eprintln!("{note}"));
        match self.failed {
            0 => Ok(()),
            failed => {
                bail!("{failed} of {} inputs failed; they are listed above", failed + self.answered)
            }
        }
    }

    fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.stdout, "{text}").context("cannot write to standard output")
    }

    fn row(&mut self, cells: &[String]) -> Result<()> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(cells)?;
        let row = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        self.stdout.write_all(&row).context("cannot write to standard output")
    }
}
