//! Project tasks: `cargo xtask bench-all` and `cargo xtask bench SUITE` build the benchmark for the
//! requested device and run it, and so do `predict` and `export`; `cargo xtask fetch-data` builds
//! and runs the program that downloads data sets. All options are passed on unchanged. Help and the
//! list of suites are printed here, because the first build of the benchmark takes minutes.

mod arguments;
mod bench;
mod cargo;
mod help;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
Project tasks.

Usage: cargo xtask <COMMAND> [OPTIONS]

Commands:
  bench-all           Run every benchmark suite whose data is available
  bench SUITE         Run one suite
  bench --list        List the suites with their data, models and losses
  predict RUN INPUT   Predict with the trained network of a finished run
  export RUN          Export the trained network for PyTorch
  fetch-data [NAMES]  Download data sets and pretrained weights

`cargo xtask bench --help` lists the options of the benchmark; predict, export and fetch-data have --help as well.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    run(&arguments).unwrap_or_else(|error| {
        // Print one line with all causes, without anyhow's backtrace, which RUST_BACKTRACE enables.
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
