//! The program of the benchmark; `cargo xtask` builds and runs it.

use anyhow::Result;
use clap::Parser;
use mbls_bench::{Options, run};

fn main() -> Result<()> {
    run(&Options::parse().command)
}
