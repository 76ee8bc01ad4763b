//! The program that fetches data sets and weights; `cargo xtask fetch-data` builds and runs it.

use anyhow::Result;
use std::process::ExitCode;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    mbls_fetch::run(&arguments)
}
