//! The benchmark of mbls: suites of losses on real data, from training to report.
//!
//! `cargo xtask bench-all` and `cargo xtask bench` build this program for the right device and run it.

mod cell;
mod data;
mod device;
mod jobs;
mod matrix;
mod options;
mod predictions;
mod recipe;
mod results;
mod suite;
mod summary;
mod task;

use anyhow::Result;
use clap::Parser;

fn main() -> Result<()> {
    matrix::run(&options::Options::parse().command)
}
