//! The program `mbls`: measures the calibration of any classifier from a file of its predictions.
//!
//! The whole program is the function [`run`]; `main` hands it the arguments and the streams. Data
//! flows one way:
//!
//! ```text
//! file -> input::Rows -> measure::Measured -> output
//!         found by content,  one pass in blocks,   table, JSON, CSV, Markdown
//!         checked, described exact states
//! ```
//!
//! The program is `mbls`, the crate that installs it is `mbls-cli`, and the library of the same
//! name, `mbls`, is the facade of the workspace for Rust programs.

mod argument;
mod calibrate;
mod check;
mod command;
mod exit;
mod input;
mod measure;
mod messages;
mod output;
mod selective;

pub use exit::Exit;

use clap::Parser;
use messages::Messages;
use std::ffi::OsString;
use std::io::Write;

/// Runs the program with the given arguments, the first of which is the program's name.
///
/// Results are written to `out`, everything else to `messages`. Errors are one line.
pub fn run(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    out: &mut dyn Write,
    messages: &mut dyn Write,
) -> Exit {
    let program = match argument::Program::try_parse_from(arguments) {
        Ok(program) => program,
        Err(error) => {
            // A closed stream is no reason to fail: there is nobody left to tell.
            if error.use_stderr() {
                let _ = write!(messages, "{error}");
                return Exit::BadInput;
            }
            let _ = write!(out, "{error}");
            return Exit::Fine;
        }
    };
    let mut messages = Messages::new(messages, program.quiet);
    match command::run(&program.command, out, &mut messages) {
        Ok(exit) => exit,
        Err(error) => {
            messages.error(&error);
            Exit::BadInput
        }
    }
}
