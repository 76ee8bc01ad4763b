//! Files for readers that take paths.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A folder of this process, in `TMPDIR`; there is one, since a process of the fuzzer ends where nobody could remove it.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("mbls-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for files");
        folder
    })
}

/// Writes a file of that folder and gives its path.
pub fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::write(&path, content).expect("a file in the folder");
    path
}
