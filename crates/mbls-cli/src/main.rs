//! The program `mbls`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mbls_cli::run(std::env::args_os(), &mut std::io::stdout(), &mut std::io::stderr()).into()
}
