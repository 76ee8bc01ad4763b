//! The help texts of the benchmark and the list of its suites.
//!
//! `xtask` prints both without building the benchmark, which takes minutes the first time. A test of
//! mbls-bench compares the files in `help` with the program.

mod suite_list;

pub use suite_list::{SuiteEntry, SuiteList, wrapped};

/// The output of `bench --help`.
pub const BENCH: &str = include_str!("../help/bench.txt");
/// The output of `bench-all --help`.
pub const BENCH_ALL: &str = include_str!("../help/bench-all.txt");
/// The output of `predict --help`.
pub const PREDICT: &str = include_str!("../help/predict.txt");
/// The output of `export --help`.
pub const EXPORT: &str = include_str!("../help/export.txt");
/// The built-in suites and the models as TOML, for [`SuiteList::read`].
pub const SUITES: &str = include_str!("../help/suites.toml");
