//! Columns of labels, given as names or numbers.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;

/// The interpretation of a column of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// As names, numbers or positions, decided once for the whole column; an error if this is
    /// ambiguous.
    #[default]
    Auto,
    /// As names, even if they look like numbers.
    Names,
    /// As positions in the list of classes, from 0.
    Positions,
}

/// The type of a label in a file, if its format distinguishes types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// A string, which may look like a number.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// The label of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The text of the label in the file.
    pub text: String,
    /// The line number, from 1.
    pub line: u64,
    /// The type in the file.
    pub written: Written,
}

/// A column of labels.
///
/// ```
/// use mbls_io::{Label, LabelColumn, Labels, Written};
///
/// let labels = ["4", "0", "4"].map(str::to_owned).into_iter().zip(2..);
/// let labels: Vec<Label> =
///     labels.map(|(text, line)| Label { text, line, written: Written::Text }).collect();
/// let column = LabelColumn {
///     path: "tweets.csv".as_ref(),
///     name: "polarity",
///     labels: &labels,
///     items: "texts",
/// };
/// let classes = column.classes(None, Labels::Auto)?;
/// assert_eq!(
///     (classes.labels, classes.names),
///     (vec![1, 0, 1], vec!["0".to_owned(), "4".to_owned()])
/// );
/// assert_eq!(classes.reading.to_string(), "labels are numbers: 0 is class 0, 4 is class 1");
/// # Ok::<(), mbls_io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LabelColumn<'a> {
    /// The file.
    pub path: &'a Path,
    /// The name of the column.
    pub name: &'a str,
    /// The label of each record.
    pub labels: &'a [Label],
    /// The plural noun for the records in errors.
    pub items: &'a str,
}

/// The classes of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    /// The class of each record, an index into `names`.
    pub labels: Vec<u32>,
    /// The name of each class.
    pub names: Vec<String>,
    /// The interpretation of the labels.
    pub reading: LabelReading,
}

/// The interpretation that a column of labels was read with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelReading {
    /// As names; the number of classes.
    Names(usize),
    /// As integers: these values, as written in the file, are the classes 0, 1, ...
    Numbers(Vec<String>),
    /// As positions in a list; the number of classes.
    Positions(usize),
}

/// The kind of a single label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Number(i128),
}

impl Label {
    fn kind(&self) -> Kind {
        match self.written {
            Written::Boolean => Kind::Name,
            _ => kind(&self.text),
        }
    }

    /// Formats the label for errors.
    fn shown(&self) -> String {
        match self.written {
            Written::Text => format!("{:?} in line {}", self.text, self.line),
            Written::Number | Written::Boolean => format!("{} in line {}", self.text, self.line),
        }
    }
}

/// Parses an integer in any notation: two notations of one number must not become two classes.
fn kind(text: &str) -> Kind {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_whole).map_or(Kind::Name, Kind::Number)
}

/// Returns the position in a list that a label denotes.
fn position(text: &str, classes: usize) -> Option<usize> {
    text.parse().ok().filter(|place: &usize| *place < classes && place.to_string() == text)
}

impl LabelColumn<'_> {
    /// Returns the classes of the labels: those of a list, such as that of the training part, or
    /// those that occur.
    ///
    /// Without a list and with [`Labels::Auto`], labels that are all integers are numbers: the
    /// sorted distinct values are the classes 0, 1, ..., so the values may start anywhere and have
    /// gaps. If no label is an integer, the labels are names, and the classes are in sorted order.
    /// With [`Labels::Positions`], labels are the classes 0, 1, ... themselves, each of which must
    /// occur.
    ///
    /// With a list and [`Labels::Auto`], labels are numbers if all names of the list are integers.
    /// Otherwise all labels must be names of the list, or all must be positions in it.
    ///
    /// # Errors
    ///
    /// [`Error::Format`], with the lines, if one of the following is true:
    /// - The labels mix names and integers, or names and positions.
    /// - The format of the file distinguishes strings and numbers, and both occur.
    /// - One number is written in two ways.
    /// - A name of the list is also the position of another class.
    /// - A label is not in the list, or a position does not occur.
    ///
    /// [`Error::Value`] for a list that contains a class twice.
    pub fn classes(&self, list: Option<&[String]>, labels: Labels) -> Result<Classes> {
        if labels == Labels::Auto {
            self.one_way_of_writing()?;
        }
        match (list, labels) {
            (None, Labels::Auto) => match self.numbers()? {
                Some(classes) => Ok(classes),
                None => Ok(self.found_names()),
            },
            (None, Labels::Names) => Ok(self.found_names()),
            (None, Labels::Positions) => self.found_positions(),
            (Some(list), labels) => self.of_list(list, labels),
        }
    }

    /// Rejects a column with, for example, both `3` and `"3"` in JSON.
    fn one_way_of_writing(&self) -> Result<()> {
        let Some(first) = self.labels.first() else { return Ok(()) };
        match self.labels.iter().find(|label| label.written != first.written) {
            Some(other) => {
                Err(self.mixture("only texts, only numbers or only booleans", first, other))
            }
            None => Ok(()),
        }
    }

    /// Returns the classes of labels that are all integers; `None` if no label is an integer.
    fn numbers(&self) -> Result<Option<Classes>> {
        let mut places = BTreeMap::<i128, &Label>::new();
        let mut name = None;
        for label in self.labels {
            match label.kind() {
                Kind::Name => name = name.or(Some(label)),
                Kind::Number(value) => {
                    let first = *places.entry(value).or_insert(label);
                    if first.text != label.text {
                        return Err(self.mixture("one notation of each number", first, label));
                    }
                }
            }
        }
        let number = places.values().min_by_key(|label| label.line);
        match (number, name) {
            (None, _) => return Ok(None),
            (Some(number), Some(name)) => {
                let (first, second) =
                    if name.line < number.line { (name, *number) } else { (*number, name) };
                return Err(self.mixture("only whole numbers or only names", first, second));
            }
            _ => {}
        }
        let names: Vec<String> = places.values().map(|label| label.text.clone()).collect();
        Ok(Some(Classes {
            labels: self.places(&names),
            reading: LabelReading::Numbers(names.clone()),
            names,
        }))
    }

    fn found_names(&self) -> Classes {
        let mut names: Vec<String> = self.labels.iter().map(|label| label.text.clone()).collect();
        names.sort_unstable();
        names.dedup();
        Classes { labels: self.places(&names), reading: LabelReading::Names(names.len()), names }
    }

    /// Returns the index of each label in a list of all labels that occur.
    fn places(&self, names: &[String]) -> Vec<u32> {
        let places: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
        self.labels.iter().filter_map(|label| places.get(label.text.as_str()).copied()).collect()
    }

    fn found_positions(&self) -> Result<Classes> {
        // More classes than labels cannot all occur.
        let limit = self.labels.len();
        let mut found = Vec::with_capacity(limit);
        for label in self.labels {
            let Some(place) = position(&label.text, limit) else {
                let expected = format!("a position below {limit}, the number of {}", self.items);
                return Err(self.error(label, expected));
            };
            found.push(place as u32);
        }
        let classes = found.iter().max().map_or(0, |&largest| largest as usize + 1);
        let mut occurs = vec![false; classes];
        found.iter().for_each(|&place| occurs[place as usize] = true);
        if let Some(class) = occurs.iter().position(|&occurs| !occurs) {
            return Err(Error::format(
                self.path,
                format!("{} of class {class}", self.items),
                "at least 1",
                0,
            ));
        }
        let names = (0..classes).map(|class| class.to_string()).collect();
        Ok(Classes { labels: found, names, reading: LabelReading::Positions(classes) })
    }

    fn of_list(&self, list: &[String], labels: Labels) -> Result<Classes> {
        let classes = list.len();
        let mut places = HashMap::new();
        for (place, name) in list.iter().enumerate() {
            if places.insert(name.as_str(), place).is_some() {
                return Err(Error::value(
                    "list of classes",
                    "each once",
                    format!("{name:?} twice"),
                ));
            }
        }
        let is_number = |name: &String| matches!(kind(name), Kind::Number(_));
        let are_numbers = labels == Labels::Auto && classes > 0 && list.iter().all(is_number);
        // The first label that can only be a name, the first that can only be a position, and the
        // first that is both, for two different classes.
        let (mut name, mut place, mut both) = (None, None, None);
        let mut found = Vec::with_capacity(self.labels.len());
        for label in self.labels {
            let by_name = places.get(label.text.as_str()).copied();
            let by_place = position(&label.text, classes);
            let class = match labels {
                Labels::Names => by_name,
                Labels::Positions => by_place,
                Labels::Auto if are_numbers => by_name,
                Labels::Auto => {
                    match (by_name, by_place) {
                        (Some(_), None) => name = name.or(Some(label)),
                        (None, Some(_)) => place = place.or(Some(label)),
                        (Some(of_name), Some(of_place)) if of_name != of_place => {
                            both = both.or(Some(label));
                        }
                        _ => {}
                    }
                    by_name.or(by_place)
                }
            };
            let Some(class) = class else {
                let what = if labels == Labels::Positions {
                    "a position in the list of "
                } else {
                    "one of the "
                };
                let end =
                    if labels == Labels::Positions { " classes" } else { " classes of the list" };
                return Err(self.error(label, format!("{what}{classes}{end}")));
            };
            found.push(class as u32);
        }
        let reading = match labels {
            Labels::Names => LabelReading::Names(classes),
            Labels::Positions => LabelReading::Positions(classes),
            Labels::Auto if are_numbers => LabelReading::Numbers(list.to_vec()),
            Labels::Auto => match (name, place, both) {
                (Some(name), Some(place), _) => {
                    let expected = format!(
                        "only names of the {classes} classes or only positions in their list"
                    );
                    let (first, second) =
                        if name.line < place.line { (name, place) } else { (place, name) };
                    return Err(self.mixture(&expected, first, second));
                }
                (_, _, Some(both)) => {
                    let of_name = places[both.text.as_str()];
                    let of_place = &list[position(&both.text, classes).unwrap_or(of_name)];
                    let expected =
                        format!("no name of a class that is the position of another, {of_place:?}");
                    return Err(self.error(both, format!("{expected} ({NAMES}, {POSITIONS})")));
                }
                (None, Some(_), None) => LabelReading::Positions(classes),
                (_, None, None) => LabelReading::Names(classes),
            },
        };
        Ok(Classes { labels: found, names: list.to_vec(), reading })
    }

    fn mixture(&self, expected: &str, first: &Label, second: &Label) -> Error {
        let found = format!("{} and {}", first.shown(), second.shown());
        Error::format(self.path, self.name, format!("{expected} ({NAMES})"), found)
    }

    fn error(&self, label: &Label, expected: String) -> Error {
        let found = match label.written {
            Written::Text => format!("{:?}", label.text),
            _ => label.text.clone(),
        };
        Error::format(self.path, format!("line {}: {}", label.line, self.name), expected, found)
    }
}

const NAMES: &str = "`labels = \"names\"` reads all as names";
const POSITIONS: &str = "`labels = \"positions\"` as positions";

impl fmt::Display for LabelReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Number of values shown before the last one.
        const SHOWN: usize = 10;
        let several = |classes: usize| if classes == 1 { "class" } else { "classes" };
        match self {
            Self::Names(classes) => {
                write!(f, "labels are names of {classes} {}", several(*classes))
            }
            Self::Positions(classes) => {
                write!(f, "labels are positions in a list of {classes} {}", several(*classes))
            }
            Self::Numbers(values)
                if values.iter().enumerate().all(|(i, value)| *value == i.to_string()) =>
            {
                write!(f, "labels are the numbers of {} {}", values.len(), several(values.len()))
            }
            Self::Numbers(values) => {
                f.write_str("labels are numbers:")?;
                let last = values.len().saturating_sub(1);
                for (class, value) in
                    values.iter().enumerate().filter(|(class, _)| *class < SHOWN || *class == last)
                {
                    let before = match class {
                        0 => "",
                        _ if class == last && last > SHOWN => ", ...,",
                        _ => ",",
                    };
                    write!(f, "{before} {value} is class {class}")?;
                }
                Ok(())
            }
        }
    }
}
