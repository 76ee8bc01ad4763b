//! Builds and runs programs of the workspace with cargo.

use anyhow::{Context, Result};
use std::process::{Command, ExitCode};

/// Returns the command that builds the program of a package and runs it with `arguments`.
pub(crate) fn run(package: &str, features: &[&str], arguments: &[String]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--package", package]);
    // Use the workspace of this program from any directory; output is relative to the caller's
    // directory.
    cargo.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")]);
    if !features.is_empty() {
        cargo.args(["--features", &features.join(",")]);
    }
    cargo.arg("--").args(arguments);
    cargo
}

/// Runs a command to its end and returns its exit code.
///
/// # Errors
///
/// If cargo cannot be started.
pub(crate) fn wait(mut cargo: Command) -> Result<ExitCode> {
    let status = cargo.status().context("cannot start cargo")?;
    // A process killed by a signal has no exit code.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
