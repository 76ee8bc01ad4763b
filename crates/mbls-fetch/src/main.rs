//! The program that downloads data sets and weights; `cargo xtask fetch-data` builds and runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    mbls_fetch::run(&arguments).unwrap_or_else(|error| {
        // Print one line with all causes, without anyhow's backtrace, which RUST_BACKTRACE enables.
        eprintln!("Error: {error:#}");
        ExitCode::FAILURE
    })
}
