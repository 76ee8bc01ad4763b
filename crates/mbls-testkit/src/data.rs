//! Lookup of real data sets.

use std::io::Write;
use std::path::PathBuf;

/// Returns `MBLS_DATA_DIR/path`, or `None` if the variable is not set or there is no such file.
/// Prints `SKIPPED` to standard error in that case: the calling test should return.
pub fn data(path: &str) -> Option<PathBuf> {
    let found = std::env::var_os("MBLS_DATA_DIR")
        .map(|dir| PathBuf::from(dir).join(path))
        .filter(|path| path.exists());
    if found.is_none() {
        // Written directly, because the test harness captures what a passing test prints.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {path} is not in MBLS_DATA_DIR");
    }
    found
}
