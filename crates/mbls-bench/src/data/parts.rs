//! Unused files next to the parts of a data set.

use std::path::Path;

/// Returns a sentence that lists the unused entries of a folder; empty if there are none.
pub(crate) fn unused(folder: &Path, names: impl IntoIterator<Item = String>) -> Vec<String> {
    const SHOWN: usize = 10;
    let names: Vec<String> = names.into_iter().collect();
    if names.is_empty() {
        return Vec::new();
    }
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} others"),
    };
    vec![format!("{}: not used: {shown}{more}", folder.display())]
}
