//! The classes of a data set.

use super::VOID;
use mbls_data::{Error, Result};
use mbls_vision::dataset::listing;
use std::path::Path;

/// The names of the classes 0, 1, ... of a data set, and the mask value of each class.
///
/// By default, the classes have the mask values 0, 1, ... and 255 is void (no class). With explicit
/// values, from a file or [`with_values`](Self::with_values), classes are numbered in the order of
/// their values. The values are arbitrary and may have gaps.
///
/// ```
/// use mbls_seg::dataset::ClassList;
///
/// let file = tempfile::NamedTempFile::new()?;
/// std::fs::write(&file, "0 Sky 128 128 128\n1 Building 128 0 0\n255 Void 0 0 0\n")?;
/// let classes = ClassList::read(&file)?;
/// assert_eq!(classes.names(), ["Sky", "Building"]);
/// // A binary mask: the file declares 255 as a class.
/// std::fs::write(&file, "0 ground\n255 thing\n")?;
/// let classes = ClassList::read(&file)?;
/// assert_eq!((classes.values(), classes.void_values()), (vec![0, 255], vec![]));
/// assert_eq!(ClassList::voc().len(), 21);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassList {
    names: Vec<String>,
    /// Label of each mask value: a class, [`VOID`], or `None` if the value is not allowed.
    labels: [Option<u8>; 256],
}

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

/// Names that mean void, in lower case and without separators.
const VOID_NAMES: [&str; 8] =
    ["void", "ignore", "ignored", "unlabelled", "unlabeled", "unknown", "border", "dontcare"];

/// Returns whether the name of a value means void (no class): "void", "ignore", "ignored",
/// "unlabelled", "unlabeled", "unknown", "border" or "don't care", ignoring case and separators.
fn says_void(name: &str) -> bool {
    let separates = |letter: &char| !matches!(letter, ' ' | '_' | '-' | '\'' | '’');
    let letters: String = name.chars().filter(separates).flat_map(char::to_lowercase).collect();
    VOID_NAMES.contains(&letters.as_str())
}

impl ClassList {
    /// Creates classes with these names and the mask values 0, 1, ...; 255 is void.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for 0 or more than 255 classes, and for an empty or
    /// repeated name.
    pub fn new(names: Vec<String>) -> Result<Self> {
        // `of` rejects more than 255 names.
        let values: Vec<u8> = (0..VOID).take(names.len()).collect();
        Self::of(names, &values, &[VOID])
    }

    /// Returns the 21 classes of PASCAL VOC; class 0 is the background.
    pub fn voc() -> Self {
        let mut labels = [None; 256];
        (0..VOC.len()).for_each(|class| labels[class] = Some(class as u8));
        labels[usize::from(VOID)] = Some(VOID);
        Self { names: VOC.map(str::to_owned).to_vec(), labels }
    }

    /// Creates classes from pairs of mask value and name, numbered in the order of the values.
    ///
    /// Void values are those whose name means void ("void", "ignore", "unlabelled", "unknown",
    /// "border", "don't care"), those in `void`, and 255 unless it has a name.
    ///
    /// ```
    /// use mbls_seg::dataset::ClassList;
    ///
    /// let classes =
    ///     ClassList::with_values(&[(255, "thing"), (0, "ground"), (7, "unlabelled")], &[128])?;
    /// assert_eq!(classes.names(), ["ground", "thing"]);
    /// assert_eq!(classes.void_values(), [7, 128]);
    /// assert_eq!(classes.label(255), Some(1));
    /// assert_eq!(classes.label(3), None);
    /// # Ok::<(), mbls_data::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for a value that occurs twice or is both a class and
    /// void, for invalid names as in [`ClassList::new`], and if 0 or more than 255 classes remain.
    pub fn with_values(values: &[(u8, &str)], void: &[u8]) -> Result<Self> {
        let mut classes: Vec<(u8, &str)> = Vec::with_capacity(values.len());
        let mut unlabelled = Vec::new();
        for (i, &(value, name)) in values.iter().enumerate() {
            if let Some((_, other)) = values[..i].iter().find(|(before, _)| *before == value) {
                let found = format!("{other} and {name}");
                return Err(Error::value(format!("value {value} of the masks"), "one name", found));
            }
            match says_void(name) {
                true => unlabelled.push(value),
                false if void.contains(&value) => {
                    let found = format!("{name} and void");
                    return Err(Error::value(
                        format!("value {value} of the masks"),
                        "one name",
                        found,
                    ));
                }
                false => classes.push((value, name)),
            }
        }
        unlabelled.extend_from_slice(void);
        if !classes.iter().any(|&(value, _)| value == VOID) {
            unlabelled.push(VOID);
        }
        classes.sort_unstable_by_key(|&(value, _)| value);
        let (values, names): (Vec<u8>, Vec<String>) =
            classes.into_iter().map(|(value, name)| (value, name.to_owned())).unzip();
        Self::of(names, &values, &unlabelled)
    }

    /// Creates classes from names and the value of each, and the void values.
    fn of(names: Vec<String>, values: &[u8], void: &[u8]) -> Result<Self> {
        if !(1..=usize::from(VOID)).contains(&names.len()) {
            return Err(Error::value("number of classes", format!("1..={VOID}"), names.len()));
        }
        for (i, name) in names.iter().enumerate() {
            if name.trim().is_empty() {
                return Err(Error::value(
                    format!("name of class {i}"),
                    "a name",
                    format!("{name:?}"),
                ));
            }
            if names[..i].contains(name) {
                let expected = "a name that no class before it has";
                return Err(Error::value(
                    format!("name of class {i}"),
                    expected,
                    format!("{name:?}"),
                ));
            }
        }
        let mut labels = [None; 256];
        void.iter().for_each(|&value| labels[usize::from(value)] = Some(VOID));
        values.iter().zip(0..).for_each(|(&value, class)| labels[usize::from(value)] = Some(class));
        Ok(Self { names, labels })
    }

    /// Reads a file that names each mask value in lines `<value> <name>` or
    /// `<value> <name> <red> <green> <blue>`, in any order. A name that is followed by colours may
    /// have several words. Colours are checked but not used. Blank lines are ignored.
    ///
    /// Void values and the numbers of classes are determined as in
    /// [`with_values`](Self::with_values).
    ///
    /// # Errors
    ///
    /// [`Error::Format`](mbls_io::Error::Format) with file and line for a malformed line; the
    /// errors of [`listing::lines`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut values: Vec<(u8, String)> = Vec::new();
        for (number, line) in listing::filled_lines(path)? {
            let error = |field: &str, expected: &str, found: &str| {
                let field = format!("line {number}{field}");
                Err(Error::format(path, field, expected, format!("{found:?}")))
            };
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (name, colours) = match fields.len() {
                2 => (fields[1].to_owned(), &[][..]),
                5.. => (fields[1..fields.len() - 3].join(" "), &fields[fields.len() - 3..]),
                _ if says_void(&fields[1..].join(" ")) => (fields[1..].join(" "), &[][..]),
                _ => {
                    return error(
                        "",
                        "a value and a name, or a value, a name, red, green and blue",
                        &line,
                    );
                }
            };
            let Ok(value) = fields[0].parse::<u8>() else {
                return error(": value", "0..=255", fields[0]);
            };
            if let Some(colour) = colours.iter().find(|colour| colour.parse::<u8>().is_err()) {
                return error(": colour", "0..=255", colour);
            }
            if values.iter().any(|(before, _)| *before == value) {
                return error(": value", "one not listed before", fields[0]);
            }
            // Several void values may have the same name.
            if !says_void(&name) && values.iter().any(|(_, before)| *before == name) {
                return error(": name", "one not listed before", &name);
            }
            values.push((value, name));
        }
        let values: Vec<(u8, &str)> =
            values.iter().map(|(value, name)| (*value, name.as_str())).collect();
        Self::with_values(&values, &[]).map_err(|error| match error {
            Error::Input(mbls_io::Error::Value { name, expected, found }) => {
                Error::format(path, name, expected, found)
            }
            other => other,
        })
    }

    /// Returns the name of each class.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the number of classes.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one class")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Returns the label of a mask value: a class, [`VOID`], or `None` if it is not allowed.
    pub fn label(&self, value: u8) -> Option<u8> {
        self.labels[usize::from(value)]
    }

    /// Returns the mask value of each class.
    pub fn values(&self) -> Vec<u8> {
        self.values_where(|label| label != VOID)
    }

    /// Returns the values that are void, in ascending order.
    pub fn void_values(&self) -> Vec<u8> {
        self.values_where(|label| label == VOID)
    }

    fn values_where(&self, fits: impl Fn(u8) -> bool) -> Vec<u8> {
        (0..=u8::MAX).filter(|&value| self.label(value).is_some_and(&fits)).collect()
    }

    /// Returns whether the classes have the values 0, 1, ... and only 255 is void.
    pub fn is_default(&self) -> bool {
        self.void_values() == [VOID]
            && self.values().iter().zip(0..).all(|(&value, class)| value == class)
    }

    /// Describes the allowed values, such as `0..=20 or 255`.
    pub(super) fn known_values(&self) -> String {
        let known: Vec<u8> = self.values_where(|_| true);
        // Consecutive values form one range, except that void and class values are kept apart.
        let runs = known.chunk_by(|&a, &b| {
            a + 1 == b && (self.label(a) == Some(VOID)) == (self.label(b) == Some(VOID))
        });
        let runs: Vec<String> = runs
            .map(|run| match run {
                [value] => value.to_string(),
                [first, .., last] => format!("{first}..={last}"),
                [] => String::new(),
            })
            .collect();
        match runs.split_last() {
            Some((last, before)) if !before.is_empty() => {
                format!("{} or {last}", before.join(", "))
            }
            _ => runs.concat(),
        }
    }
}
