//! Messages in folders: `<root>/<group>/<number>`.

use crate::text::message::{from_latin1, without_header};
use crate::{Error, Result};
use mbls_io::file::read_bounded;
use mbls_io::listing::{entries, real};
use std::path::Path;

/// Size of the largest message that is read; the largest of the data set has 161,040 bytes.
pub(super) const MAX_MESSAGE_BYTES: u64 = 4 << 20;

/// A message without its header. Messages are ordered by root, group and name, lexicographically.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Message {
    pub(super) root: String,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) text: String,
}

impl Message {
    /// Creates a message from latin-1 bytes.
    pub(super) fn new(root: &str, group: &str, name: &str, bytes: &[u8]) -> Self {
        let text = without_header(&from_latin1(bytes)).to_owned();
        Self { root: root.to_owned(), group: group.to_owned(), name: name.to_owned(), text }
    }
}

/// Returns whether a file name is that of a message.
pub(super) fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads all messages below `folder`, whose root is `root`. Files next to the groups are ignored.
pub(super) fn read(folder: &Path, root: &str, messages: &mut Vec<Message>) -> Result<()> {
    let real = real(folder)?;
    for group in entries(folder, &real)? {
        if !group.is_folder {
            continue;
        }
        let path = folder.join(&group.name);
        for entry in entries(&path, &real)? {
            if entry.is_folder || !is_number(&entry.name) {
                return Err(Error::format(
                    &path,
                    "entries",
                    "files whose names are numbers",
                    format!("{:?}", entry.name),
                ));
            }
            let bytes = read_bounded(path.join(&entry.name), MAX_MESSAGE_BYTES)?;
            messages.push(Message::new(root, &group.name, &entry.name, &bytes));
        }
    }
    Ok(())
}
