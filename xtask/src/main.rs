//! The project's chores: `cargo xtask bench-all` and `cargo xtask bench SUITE` build the benchmark
//! for the device that is asked for and run it, and so do `predict` and `export`; `cargo xtask
//! fetch-data` builds the program that fetches data sets. Every option goes to them unchanged. Help
//! and the list of suites are answered here, because building the benchmark takes minutes the first
//! time.

mod arguments;
mod bench;
mod cargo;
mod help;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
The project's chores.

Usage: cargo xtask <COMMAND> [OPTIONS]

Commands:
  bench-all           Run every benchmark suite whose data is available
  bench SUITE         Run one suite
  bench --list        List the suites, the data they need, models and losses
  predict RUN INPUT   Answer with the trained network of a finished run
  export RUN          Write it for PyTorch
  fetch-data [NAMES]  Download data sets and pretrained weights

`cargo xtask bench --help` lists the options of the benchmark; predict, export and fetch-data have their own.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    run(&arguments).unwrap_or_else(|error| {
        // In a line with its causes, and without the backtrace that anyhow prints where
        // RUST_BACKTRACE is set.
        eprintln!("Error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    match arguments.first().map(String::as_str) {
        Some("bench-all" | "bench" | "predict" | "export") => match help::answer(arguments)? {
            Some(text) => {
                print!("{text}");
                Ok(ExitCode::SUCCESS)
            }
            None => bench::run(arguments),
        },
        Some("fetch-data") => cargo::wait(cargo::run("mbls-fetch", &[], &arguments[1..])),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        Some(other) => bail!("there is no command \"{other}\"\n\n{USAGE}"),
        None => bail!("no command was given\n\n{USAGE}"),
    }
}
