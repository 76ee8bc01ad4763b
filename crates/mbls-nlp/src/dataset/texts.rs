//! Labelled texts in memory.

use crate::{Error, Result};

/// Labelled texts in memory.
///
/// ```
/// use mbls_nlp::dataset::LabelledTexts;
///
/// let names = ["ham", "spam"].map(str::to_owned).to_vec();
/// let texts =
///     LabelledTexts::new("mail", vec!["Hello".into(), "Buy!".into()], vec![0, 1], names)?;
/// assert_eq!((texts.len(), texts.classes()), (2, 2));
/// # Ok::<(), mbls_nlp::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledTexts {
    name: String,
    texts: Vec<String>,
    labels: Vec<u32>,
    class_names: Vec<String>,
}

impl LabelledTexts {
    /// Creates a data set of texts with their labels. `name` identifies it in error messages.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) if there are no texts, the numbers of texts and
    /// labels differ, there are fewer than two classes, or a label is not a class.
    pub fn new(
        name: impl Into<String>,
        texts: Vec<String>,
        labels: Vec<u32>,
        class_names: Vec<String>,
    ) -> Result<Self> {
        let name = name.into();
        let error = |field: String, expected: String, found: String| {
            Err(Error::value(format!("data set {name}: {field}"), expected, found))
        };
        if texts.is_empty() || texts.len() != labels.len() {
            let found = format!("{} texts, {} labels", texts.len(), labels.len());
            return error("number of texts".into(), "at least 1, as many as labels".into(), found);
        }
        let classes = class_names.len();
        if classes < 2 {
            return error(
                "number of classes".into(),
                "at least 2".into(),
                format!("{classes}: {class_names:?}"),
            );
        }
        if let Some(i) = labels.iter().position(|&label| label as usize >= classes) {
            return error(
                format!("label of text {i}"),
                format!("0..={}", classes - 1),
                labels[i].to_string(),
            );
        }
        Ok(Self { name, texts, labels, class_names })
    }

    /// Returns the name of the data set.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the texts in the order of their labels.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Returns the class of each text.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Returns the names of the classes.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Returns the number of classes. Every label is below it.
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// Returns the number of texts.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one text")]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Returns the texts at `indices`.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] for an index past the end.
    pub fn select(&self, indices: &[usize]) -> Result<Vec<&str>> {
        let one = |&index: &usize| {
            let text = self.texts.get(index).ok_or(Error::Index { index, len: self.len() })?;
            Ok(text.as_str())
        };
        indices.iter().map(one).collect()
    }
}
