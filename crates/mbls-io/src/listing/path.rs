//! Paths confined to their folder.

use std::path::{Component, Path, PathBuf};

/// The reason why a path does not name something below its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// It is empty.
    #[error("which is empty")]
    Empty,
    /// It is the folder itself: `.`, `a/..` or similar.
    #[error("which is the folder itself")]
    Folder,
    /// It begins with a root, a drive or a server.
    #[error("which is absolute")]
    Absolute,
    /// It has a `..` without a folder name before it to cancel.
    #[error("which leads out of the folder")]
    Outside,
}

/// Returns the normalised form of a path below the folder it is relative to, from its text alone:
/// without `.`, without repeated or trailing separators, and without `..`, each of which cancels
/// the name before it.
///
/// Callers open the path that this returns, so the path that was checked is the path that is read,
/// wherever links lead.
///
/// ```
/// use mbls_io::listing::{PathFault, below};
/// use std::path::Path;
///
/// for path in ["cat/1.jpg", "./cat/1.jpg", "cat//./1.jpg", "cat/x/../1.jpg"] {
///     assert_eq!(below(path.as_ref())?, Path::new("cat/1.jpg"));
/// }
/// assert_eq!(below("cat/../../1.jpg".as_ref()), Err(PathFault::Outside));
/// assert_eq!(below("/1.jpg".as_ref()), Err(PathFault::Absolute));
/// # Ok::<(), PathFault>(())
/// ```
///
/// # Errors
///
/// [`PathFault`] if the path is not below the folder.
pub fn below(path: &Path) -> Result<PathBuf, PathFault> {
    if path.as_os_str().is_empty() {
        return Err(PathFault::Empty);
    }
    let mut normalised = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => normalised.push(name),
            Component::CurDir => {}
            Component::ParentDir if normalised.pop() => {}
            Component::ParentDir => return Err(PathFault::Outside),
            Component::RootDir | Component::Prefix(_) => return Err(PathFault::Absolute),
        }
    }
    if normalised.as_os_str().is_empty() { Err(PathFault::Folder) } else { Ok(normalised) }
}

/// Returns the normalised form ([`below`]) of a path from a list: `/` and `\` both separate names
/// on every system, so a list written on Windows means the same files everywhere. A list therefore
/// cannot name a file with `\` in its name.
///
/// ```
/// use mbls_io::listing::{PathFault, listed};
/// use std::path::Path;
///
/// assert_eq!(listed(r".\cat\1.jpg")?, Path::new("cat/1.jpg"));
/// assert_eq!(listed(r"C:\cat\1.jpg"), Err(PathFault::Absolute));
/// assert_eq!(listed(r"..\1.jpg"), Err(PathFault::Outside));
/// # Ok::<(), PathFault>(())
/// ```
///
/// # Errors
///
/// [`PathFault`] if the path is not below the folder.
pub fn listed(path: &str) -> Result<PathBuf, PathFault> {
    let path = path.replace('\\', "/");
    let mut start = path.chars();
    let drive = start.next().is_some_and(|letter| letter.is_ascii_alphabetic())
        && start.next() == Some(':');
    if drive && start.next().is_none_or(|next| next == '/') {
        return Err(PathFault::Absolute);
    }
    below(Path::new(&path))
}
