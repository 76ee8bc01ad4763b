//! Which columns of a table are scores, labels and groups.

use super::names::{self, PREFIXES, list};
use super::text::Wanted;
use anyhow::{Context, Result, bail, ensure};

#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) scores: ScoreColumns,
    pub(crate) labels: Option<usize>,
    pub(crate) groups: Option<usize>,
}

#[derive(Debug)]
pub(crate) enum ScoreColumns {
    None,
    /// A column for each class, or one of class 1.
    Classes {
        name: String,
        columns: Vec<usize>,
    },
    /// The predicted class and its confidence.
    Prediction {
        confidence: usize,
        predicted: usize,
    },
    /// The confidence, and whether the prediction is correct.
    Correct {
        confidence: usize,
        correct: usize,
    },
}

const CONFIDENCE: &[&str] = &["confidence", "conf", "max_prob"];
const PREDICTED: &[&str] = &["pred_label", "predicted_label", "predicted", "prediction", "pred"];
const CORRECT: &[&str] = &["correct", "is_correct", "hit"];

impl Columns {
    pub(crate) fn find(names: &[&str], wanted: Wanted<'_>) -> Result<Self> {
        for (index, name) in names.iter().enumerate() {
            ensure!(
                !names[..index].contains(name),
                "two columns are called {name:?}: expected different names"
            );
        }
        let groups = wanted.group_by.map(|name| position(names, name)).transpose()?;
        let labels = match wanted.labels {
            Some(name) => Some(position(names, name)?),
            None => names::labels(names, |_| true),
        };
        let scores = find_scores(names, wanted.scores, labels)?;
        let optional = wanted.without_labels || matches!(scores, ScoreColumns::Correct { .. });
        ensure!(
            labels.is_some() || optional,
            "no column of labels among {}: expected \"label\", \"target\" or \"y\"; name it with --labels",
            list(names.iter().copied())
        );
        ensure!(
            !matches!(scores, ScoreColumns::None),
            "no columns of scores among {}: expected \"prob_0\", \"prob_1\", .. or \"logit_0\", .., \
             or \"confidence\" with \"pred_label\"; name them with --scores",
            list(names.iter().copied())
        );
        Ok(Self { scores, labels, groups })
    }

    /// Says which columns are read.
    pub(crate) fn describe(&self, names: &[&str]) -> String {
        let scores = match &self.scores {
            ScoreColumns::None => String::from("no scores"),
            ScoreColumns::Classes { columns, .. } => match columns[..] {
                [one] => format!("scores from column {:?}", names[one]),
                [first, .., last] => {
                    format!("scores from columns {:?} to {:?}", names[first], names[last])
                }
                [] => String::from("no scores"),
            },
            ScoreColumns::Prediction { confidence, predicted } => format!(
                "predictions from column {:?}, their confidence from {:?}",
                names[*predicted], names[*confidence]
            ),
            ScoreColumns::Correct { confidence, correct } => format!(
                "correctness from column {:?}, confidence from {:?}",
                names[*correct], names[*confidence]
            ),
        };
        let labels = self.labels.map(|column| format!(", labels from column {:?}", names[column]));
        scores + labels.as_deref().unwrap_or_default()
    }
}

/// Returns the column of labels.
pub(crate) fn index_of(names: &[&str], name: Option<&str>) -> Result<usize> {
    match name {
        Some(name) => position(names, name),
        None if names.len() == 1 => Ok(0),
        None => names::labels(names, |_| true).with_context(|| {
            format!(
                "no column of labels among {}: name it with --labels",
                list(names.iter().copied())
            )
        }),
    }
}

fn position(names: &[&str], name: &str) -> Result<usize> {
    names
        .iter()
        .position(|other| *other == name)
        .with_context(|| format!("no column {name:?} among {}", list(names.iter().copied())))
}

fn find_scores(names: &[&str], given: Option<&str>, labels: Option<usize>) -> Result<ScoreColumns> {
    if let Some(given) = given {
        if let Some(columns) = numbered(names, given, labels)? {
            return Ok(columns);
        }
        let column = position(names, given).with_context(|| {
            format!("--scores {given}: neither a column nor the prefix of \"{given}_0\", \"{given}_1\", ..")
        })?;
        return Ok(ScoreColumns::Classes { name: given.to_owned(), columns: vec![column] });
    }
    for prefix in PREFIXES {
        if let Some(columns) = numbered(names, prefix, labels)? {
            return Ok(columns);
        }
    }
    let any = |wanted: &[&str]| {
        wanted
            .iter()
            .find_map(|wanted| names.iter().position(|name| name.eq_ignore_ascii_case(wanted)))
    };
    if let Some(confidence) = any(CONFIDENCE) {
        if let (Some(predicted), true) = (any(PREDICTED), labels.is_some()) {
            return Ok(ScoreColumns::Prediction { confidence, predicted });
        }
        if let Some(correct) = any(CORRECT) {
            return Ok(ScoreColumns::Correct { confidence, correct });
        }
    }
    Ok(match names::scores(names, |column| Some(column) != labels) {
        Some(column) => {
            ScoreColumns::Classes { name: names[column].to_owned(), columns: vec![column] }
        }
        None => ScoreColumns::None,
    })
}

/// Returns the columns `prefix_0`, `prefix_1`, .. in the order of their numbers, which begin at 0
/// or 1 and have no gaps; `None` if there are fewer than two.
fn numbered(names: &[&str], prefix: &str, labels: Option<usize>) -> Result<Option<ScoreColumns>> {
    let number = |(column, name): (usize, &&str)| {
        let rest = name.get(prefix.len()..)?;
        let is_prefix = name[..prefix.len()].eq_ignore_ascii_case(prefix);
        let digits = rest.trim_start_matches(['_', '-', '.', ' ', '[']).trim_end_matches(']');
        let number: usize = digits.parse().ok()?;
        (is_prefix && Some(column) != labels).then_some((number, column))
    };
    let mut columns: Vec<(usize, usize)> = names.iter().enumerate().filter_map(number).collect();
    if columns.len() < 2 {
        return Ok(None);
    }
    columns.sort_unstable();
    let first = columns[0].0;
    for (place, &(number, column)) in columns.iter().enumerate() {
        if number != first + place || first > 1 {
            bail!(
                "columns of {prefix:?} are numbered {}..: found {:?} where the number {} was expected",
                first.min(1),
                names[column],
                first.min(1) + place
            );
        }
    }
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    Ok(Some(ScoreColumns::Classes { name: prefix.to_owned(), columns }))
}
