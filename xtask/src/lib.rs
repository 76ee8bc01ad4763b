//! The project's chores: `cargo xtask bench-all` and `cargo xtask bench SUITE` build the benchmark for the device that is asked for and run it;
//! every option goes to it unchanged. `cargo xtask fetch-data` brings the data sets. A library, so that the tests of other crates fetch as the program does.

mod bench;
mod fetch;

pub use fetch::{FileRecord, unpack};

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
The project's chores.

Usage: cargo xtask <COMMAND> [OPTIONS]

Commands:
  bench-all           Run every benchmark suite whose data is at hand
  bench SUITE         Run one suite
  fetch-data [NAMES]  Bring data sets and pretrained weights

`cargo xtask bench --help` lists the options of the first two, `cargo xtask fetch-data --help` those of the third.";

/// Does what the arguments behind `cargo xtask` say.
///
/// # Errors
///
/// For a command that there is not, and where the command cannot begin. What fails later is said and decides the exit code.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    match arguments.first().map(String::as_str) {
        Some("bench-all" | "bench") => bench::run(arguments),
        Some("fetch-data") => fetch::run(&arguments[1..]),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        Some(other) => bail!("there is no command \"{other}\"\n\n{USAGE}"),
        None => bail!("no command was given\n\n{USAGE}"),
    }
}
