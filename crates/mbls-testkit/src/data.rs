//! Where real data sets are.

use std::io::Write;
use std::path::PathBuf;

/// `MBLS_DATA_DIR/path`; `None`, said on standard error, where that is not set or has no such file:
/// the test that asked is skipped.
pub fn data(path: &str) -> Option<PathBuf> {
    let found = std::env::var_os("MBLS_DATA_DIR")
        .map(|dir| PathBuf::from(dir).join(path))
        .filter(|path| path.exists());
    if found.is_none() {
        // Past the test harness, which swallows what a passing test prints.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {path} is not in MBLS_DATA_DIR");
    }
    found
}
