//! From the distributors' archives to a training step: samples of the real data sets are packed as
//! the distributors pack them, served on the loopback interface, fetched by `mbls-fetch` with the
//! program's list of sources, and trained on by the benchmark program with its suites.
//!
//! Only addresses, sizes, checksums and file counts of the list are changed, and only network,
//! sizes and number of epochs of the suites.

mod cifar10;
mod distribution;
mod masks;
mod pack;
mod pictures;
mod texts;
mod training;

#[path = "../../../../mbls-fetch/tests/suite/server.rs"]
#[allow(dead_code, reason = "the tests of fetch-data need more of it")]
mod server;

use std::path::PathBuf;

/// Returns `MBLS_DATA_DIR/path`; without it prints that the test is skipped.
fn data(path: &str) -> Option<PathBuf> {
    let found = std::env::var_os("MBLS_DATA_DIR")
        .map(|dir| PathBuf::from(dir).join(path))
        .filter(|path| path.exists());
    if found.is_none() {
        // Write directly to stderr, because the test harness captures the output of passing tests.
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED: {path} is not in MBLS_DATA_DIR");
    }
    found
}
