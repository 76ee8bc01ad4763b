//! The benchmark of mbls: suites of losses on real data, from training to report.
//!
//! `cargo xtask bench-all` and `cargo xtask bench` build the program of this crate for the device
//! and run it.
//!
//! A suite ([`spec`]) defines a matrix of losses and seeds, whose entries are called cells; each
//! cell is one run. [`run`] trains and evaluates unfinished runs and writes `results.json` and the
//! report.

mod best;
mod cell;
mod commit;
mod console;
mod data;
mod device;
mod distance_table;
mod earlier;
mod epoch_metrics;
mod export;
mod failure;
mod help;
mod jobs;
mod learning;
mod margin_use;
mod matrix;
mod measure;
mod options;
mod overrides;
mod predict;
mod pretrained;
mod report;
mod results;
mod run_folder;
pub mod spec;
mod statistics;
mod suite_run;
mod sweep;
mod tasks;
mod workload;

pub use export::ExportOptions;
pub use failure::explain;
pub use matrix::run;
pub use options::{Command, Options, Selection, TrainingOptions};
pub use overrides::Overrides;
pub use predict::PredictOptions;
pub use sweep::SweepOptions;
