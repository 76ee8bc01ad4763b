//! The program of the benchmark; `cargo xtask` builds and runs it.

use mbls_bench::{Options, explain, run};
use std::process::ExitCode;

/// Keeps the memory of large tensors for the next ones: glibc's maps and clears it for each.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Options::from_command_line().and_then(|options| run(&options.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", explain(&error));
            ExitCode::FAILURE
        }
    }
}
