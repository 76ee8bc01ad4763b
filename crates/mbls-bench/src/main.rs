//! The benchmark program; `cargo xtask` builds and runs it.

use mbls_bench::{Options, explain, run};
use std::process::ExitCode;

/// Reuses the memory of large tensors: glibc's allocator maps and clears it for each one.
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
