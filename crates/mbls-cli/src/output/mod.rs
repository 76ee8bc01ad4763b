//! Results on standard output.

mod calibrated;
mod comparison;
mod csv;
mod json;
mod markdown;
mod number;
mod selected;
mod separations;
mod table;

pub(crate) use calibrated::{Calibrated, write_calibrated};
pub(crate) use comparison::write_comparison;
pub(crate) use selected::{Selected, write_selected};
pub(crate) use separations::write_separations;

use crate::Exit;
use crate::argument::{Format, Report};
use crate::measure::Measured;
use crate::messages::Messages;
use anyhow::{Context, Result};
use std::io::Write;

/// Prints the metrics of files, and says which checks failed.
pub(crate) fn report(
    files: &[Measured],
    report: &Report,
    out: &mut dyn Write,
    messages: &mut Messages<'_>,
) -> Result<Exit> {
    let text = match report.format {
        Format::Table => table::write(files),
        Format::Json => json::write(files)?,
        Format::Csv => csv::write(files)?,
        Format::Markdown => markdown::write(files),
    };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("standard output")?;
    let mut exit = Exit::Fine;
    for measured in files {
        for check in &report.fail_if {
            if let Some(value) = check.fails(measured)? {
                messages.warning(format_args!("{}: {check} holds: {value}", measured.file));
                exit = Exit::CheckFailed;
            }
        }
    }
    Ok(exit)
}
