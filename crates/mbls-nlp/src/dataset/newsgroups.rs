//! 20 Newsgroups: 19,997 messages of 20 groups, or the 18,846 messages that are split by date.
//!
//! # References
//!
//! Lang: NewsWeeder: Learning to Filter Netnews (ICML 1995);
//! <http://qwone.com/~jason/20Newsgroups/>.

use super::message_folder::{self, Message};
use super::{Division, LabelledTexts, Parts, Protocol, archive};
use crate::{Error, Result};
use std::path::Path;

/// Folders that contain all messages.
const WHOLE: [&str; 3] = ["20_newsgroups", "20_newsgroup", "20news-18828"];
/// Folders of the training and of the test messages.
const BY_DATE: [&str; 2] = ["20news-bydate-train", "20news-bydate-test"];

/// The 20 Newsgroups data set.
#[derive(Clone, Debug)]
pub struct Newsgroups {
    /// The messages without their headers. The classes are the groups in sorted order.
    pub texts: LabelledTexts,
    /// Group and number of each message, such as `sci.space/60123`.
    pub names: Vec<String>,
    /// The predefined split: none, or messages before a date for training and later ones for
    /// testing.
    pub division: Division,
}

/// Reads the messages from a folder or a `.tar.gz`.
///
/// Messages are `<group>/<number>` in `20_newsgroups`, `20_newsgroup` or `20news-18828`, in both of
/// `20news-bydate-train` and `20news-bydate-test`, or in the folder itself. Bytes are decoded as
/// latin-1. The order is that of the sorted paths, training before testing. Entries that match
/// [`is_ignored`](mbls_io::listing::is_ignored), and files next to the groups, are ignored. Subsets
/// of the data set are accepted.
///
/// # Errors
///
/// An error if there are no messages or only one group, if a name is not a number, if one of the
/// two parts is missing, if a group occurs only in the test part, or if an archive is damaged,
/// contains a file twice, or contains anything but files and folders below it;
/// [`Error::TooLarge`](mbls_io::Error::TooLarge) for a message above 4 MiB and for an archive that
/// unpacks to more than 512 MiB; [`Error::Io`](mbls_io::Error::Io).
pub fn load(path: impl AsRef<Path>) -> Result<Newsgroups> {
    let path = path.as_ref();
    let mut messages = Vec::new();
    if path.is_file() {
        archive::read(
            path,
            |name| WHOLE.contains(&name) || BY_DATE.contains(&name),
            &mut messages,
        )?;
    } else {
        let there = |name: &&str| path.join(name).is_dir();
        let mut roots: Vec<&str> = BY_DATE.into_iter().filter(there).collect();
        if roots.is_empty() {
            roots.extend(WHOLE.into_iter().find(there));
        }
        for root in &roots {
            message_folder::read(&path.join(root), root, &mut messages)?;
        }
        if roots.is_empty() {
            message_folder::read(path, "", &mut messages)?;
        }
    }
    assemble(path, messages)
}

fn assemble(path: &Path, mut messages: Vec<Message>) -> Result<Newsgroups> {
    // Training comes before testing, unlike in the order of the names.
    let is_test = |message: &Message| message.root == BY_DATE[1];
    messages.sort_by(|a, b| (is_test(a), a).cmp(&(is_test(b), b)));
    let place = |message: &Message| format!("{}/{}/{}", message.root, message.group, message.name);
    if let Some(pair) = messages.windows(2).find(|pair| place(&pair[0]) == place(&pair[1])) {
        return Err(Error::format(
            path,
            "messages",
            "each once",
            format!("{} twice", place(&pair[0])),
        ));
    }
    let mut roots: Vec<&str> = messages.iter().map(|message| message.root.as_str()).collect();
    roots.dedup();
    let by_date = match roots[..] {
        [] => return Err(Error::format(path, "number of messages", "at least 1", 0)),
        [root] if !BY_DATE.contains(&root) => false,
        [first, second] if [first, second] == BY_DATE => true,
        _ => {
            let expected =
                format!("one folder of groups, or both of {} and {}", BY_DATE[0], BY_DATE[1]);
            return Err(Error::format(path, "folders", expected, roots.join(", ")));
        }
    };
    let train = messages.iter().filter(|message| !is_test(message)).count();
    let mut groups: Vec<String> =
        messages[..train].iter().map(|message| message.group.clone()).collect();
    // The groups are sorted.
    groups.dedup();
    if groups.len() < 2 {
        return Err(Error::format(
            path,
            "number of groups",
            "at least 2",
            format!("{}: {groups:?}", groups.len()),
        ));
    }
    let mut labels = Vec::with_capacity(messages.len());
    for message in &messages {
        let Ok(label) = groups.binary_search(&message.group) else {
            let expected = format!("one of the {} for training", groups.len());
            return Err(Error::format(
                path,
                format!("group of {}", place(message)),
                expected,
                &message.group,
            ));
        };
        labels.push(label as u32);
    }
    let names =
        messages.iter().map(|message| format!("{}/{}", message.group, message.name)).collect();
    let texts = messages.into_iter().map(|message| message.text).collect();
    let texts = LabelledTexts::new("20newsgroups", texts, labels, groups)?;
    let all = texts.len();
    let division = if by_date {
        Division { train: 0..train, validation: None, test: Some(train..all) }
    } else {
        Division::whole(all)
    };
    Ok(Newsgroups { texts, names, division })
}

impl Newsgroups {
    /// Returns the parts of a protocol.
    ///
    /// # Errors
    ///
    /// The errors of [`Protocol::parts`].
    pub fn parts(&self, protocol: &Protocol) -> Result<Parts> {
        protocol.parts(&self.texts, &self.division)
    }
}
