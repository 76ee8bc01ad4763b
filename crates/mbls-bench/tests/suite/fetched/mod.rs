//! From the archives of the distributors to a step of training: samples of the real data sets are
//! packed as the distributors pack them, served on the loopback, fetched by `mbls-fetch` with the
//! program's own list of sources, and trained on by the benchmark program with its own suites.
//!
//! Of the list only addresses, sizes, sums and numbers of files are changed, of the suites only
//! network, sizes and number of epochs.

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

/// `MBLS_DATA_DIR/path`, or a visible word about the test that is skipped without it.
fn data(path: &str) -> Option<PathBuf> {
    let found = std::env::var_os("MBLS_DATA_DIR")
        .map(|dir| PathBuf::from(dir).join(path))
        .filter(|path| path.exists());
    if found.is_none() {
        // Past the test harness, which swallows what a passing test prints.
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED: {path} is not in MBLS_DATA_DIR");
    }
    found
}
