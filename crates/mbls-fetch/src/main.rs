//! The program that fetches data sets and weights; `cargo xtask fetch-data` builds and runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    mbls_fetch::run(&arguments).unwrap_or_else(|error| {
        // In a line with its causes, and without the backtrace that anyhow prints where
        // RUST_BACKTRACE is set.
        eprintln!("Error: {error:#}");
        ExitCode::FAILURE
    })
}
