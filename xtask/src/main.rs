//! The project's chores: `cargo xtask bench-all` and `cargo xtask bench SUITE` build the benchmark for the device that is asked
//! for and run it; `cargo xtask fetch-data` builds the program that fetches data sets. Every option goes to them unchanged.

mod bench;
mod cargo;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
The project's chores.

Usage: cargo xtask <COMMAND> [OPTIONS]

Commands:
  bench-all           Run every benchmark suite whose data is available
  bench SUITE         Run one suite
  fetch-data [NAMES]  Download data sets and pretrained weights

`cargo xtask bench --help` lists the options of the first two, `cargo xtask fetch-data --help` those of the third.";

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("bench-all" | "bench") => bench::run(&arguments),
        Some("fetch-data") => {
            eprintln!("building the program that fetches (a minute the first time)");
            cargo::wait(cargo::run("mbls-fetch", &[], &arguments[1..]))
        }
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        Some(other) => bail!("there is no command \"{other}\"\n\n{USAGE}"),
        None => bail!("no command was given\n\n{USAGE}"),
    }
}
