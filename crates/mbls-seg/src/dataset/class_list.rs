//! The classes of a data set.

use super::VOID;
use mbls_data::{Error, Result};
use mbls_vision::dataset::listing;
use std::path::Path;

/// The names of the classes 0, 1, ... of a data set.
///
/// ```
/// use mbls_seg::dataset::ClassList;
///
/// let file = tempfile::NamedTempFile::new()?;
/// std::fs::write(&file, "0 Sky 128 128 128\n1 Building 128 0 0\n255 Void 0 0 0\n")?;
/// let classes = ClassList::read(&file)?;
/// assert_eq!(classes.names(), ["Sky", "Building"]);
/// assert_eq!(ClassList::voc().len(), 21);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassList(Vec<String>);

const VOC: [&str; 21] = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

impl ClassList {
    /// Classes of these names, numbered from 0.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] where there is none or more than 255, and for a name that is empty or there twice.
    pub fn new(names: Vec<String>) -> Result<Self> {
        if !(1..=usize::from(VOID)).contains(&names.len()) {
            return Err(Error::value("number of classes", format!("1..={VOID}"), names.len()));
        }
        for (i, name) in names.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(Error::value(format!("name of class {i}"), "a name", format!("{name:?}")));
            }
            if names[..i].contains(name) {
                let expected = "one that no class before it has";
                return Err(Error::value(format!("name of class {i}"), expected, format!("{name:?}")));
            }
        }
        Ok(Self(names))
    }

    /// The 21 classes of PASCAL VOC, the background first.
    pub fn voc() -> Self {
        Self(VOC.map(str::to_owned).to_vec())
    }

    /// Reads a file of lines `<id> <name>` or `<id> <name> <red> <green> <blue>`: every id from 0 upwards once, in any order, and 255 for what has no
    /// class, where the file names it. A name may have several words where colours follow, which are for people alone.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] with file and line for anything else; what [`listing::lines`] reports.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut names = vec![None; usize::from(VOID) + 1];
        for (i, line) in listing::lines(path)?.iter().enumerate() {
            let error = |field: &str, expected: &str, found: &str| {
                let field = format!("line {}{field}", i + 1);
                Err(Error::format(path, field, expected, format!("{found:?}")))
            };
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (name, colours) = match fields.len() {
                2 => (fields[1].to_owned(), &[][..]),
                5.. => (fields[1..fields.len() - 3].join(" "), &fields[fields.len() - 3..]),
                _ => return error("", "an id and a name, or an id, a name, red, green and blue", line),
            };
            let Ok(id) = fields[0].parse::<u8>() else { return error(": id", "0..=255", fields[0]) };
            if let Some(colour) = colours.iter().find(|colour| colour.parse::<u8>().is_err()) {
                return error(": colour", "0..=255", colour);
            }
            if names[usize::from(id)].is_some() {
                return error(": id", "one that was not there before", fields[0]);
            }
            if names.iter().flatten().any(|before| *before == name) {
                return error(": name", "one that was not there before", &name);
            }
            names[usize::from(id)] = Some(name);
        }
        names.truncate(usize::from(VOID));
        let classes = names.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        if classes == 0 {
            return Err(Error::format(path, "number of classes", format!("1..={VOID}"), 0));
        }
        names.truncate(classes);
        match names.iter().position(Option::is_none) {
            Some(id) => Err(Error::format(path, "ids", format!("all of 0..={}", classes - 1), format!("no {id}"))),
            None => Self::new(names.into_iter().flatten().collect()),
        }
    }

    /// The names, by class.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Number of classes.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
