//! The benchmark of mbls: suites of losses on real data, from training to report.
//!
//! `cargo xtask bench-all` and `cargo xtask bench` build this program for the right device and run it.

mod cell;
mod classification;
mod console;
mod data;
mod device;
mod jobs;
mod learning;
mod matrix;
mod model;
mod options;
mod precision;
mod predictions;
mod pretrained;
mod recipe;
mod results;
mod segmentation;
mod shift;
mod suite;
mod summary;
mod task;
mod texts;
mod under_shift;
mod workload;

use anyhow::Result;
use clap::Parser;

fn main() -> Result<()> {
    matrix::run(&options::Options::parse().command)
}
