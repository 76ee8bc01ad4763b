//! Files for readers that take paths.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Returns a folder of this process in `TMPDIR`. There is only one per process, because a fuzzing
/// process cannot clean up at its end.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("mbls-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for files");
        folder
    })
}

/// Writes a file in that folder and returns its path.
pub fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::write(&path, content).expect("a file in the folder");
    path
}
