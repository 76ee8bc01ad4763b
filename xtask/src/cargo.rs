//! Programs of the workspace, built and run by cargo.

use anyhow::{Context, Result};
use std::process::{Command, ExitCode};

/// Returns the command that builds the program of a package and runs it with `arguments`.
pub(crate) fn run(package: &str, features: &[&str], arguments: &[String]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--package", package]);
    // The workspace of this program, wherever it is called from; what is written goes to the
    // caller's directory.
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
/// Where cargo cannot be started.
pub(crate) fn wait(mut cargo: Command) -> Result<ExitCode> {
    let status = cargo.status().context("cannot start cargo")?;
    // Killed by a signal, it has no code of its own.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
