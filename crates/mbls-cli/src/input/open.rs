use super::array::Array;
use super::container::{Container, stem};
use super::groups::Groups;
use super::kind::{self, Said};
use super::labels;
use super::names::{self, list};
use super::rows::{Content, Rows, Scored, TopLabelRows};
use super::score_rows::ScoreRows;
use super::text::{self, Wanted};
use crate::argument::Input;
use crate::messages::Messages;
use anyhow::{Context, Result, bail, ensure};
use mbls_core::metric::Precision;
use std::path::{Path, PathBuf};

/// Opens a file of predictions, and says how it is read.
///
/// # Errors
///
/// Every error names the file.
pub(crate) fn open(
    path: &Path,
    input: &Input,
    group_by: Option<&str>,
    messages: &mut Messages<'_>,
) -> Result<Rows> {
    let file = path.display().to_string();
    let (content, groups, note) = read(path, input, group_by).with_context(|| file.clone())?;
    messages.note(format_args!("{file}: {note}"));
    Ok(Rows { file, content, groups })
}

/// Opens the scores of a file without looking for labels. Every row has the label that is ignored,
/// so that nothing can be measured.
///
/// # Errors
///
/// Every error names the file.
pub(crate) fn open_scores(
    path: &Path,
    input: &Input,
    messages: &mut Messages<'_>,
) -> Result<Scored> {
    let file = path.display().to_string();
    let read = || -> Result<(Scored, String)> {
        let (name, array, precision) = match Container::open(path)? {
            Container::Text(file) => {
                let scores = input.scores.as_deref();
                let wanted = Wanted { scores, without_labels: true, ..Wanted::default() };
                let scores = text::read(&file, wanted)?.scores;
                let (name, array) = scores.context("confidences alone: expected scores")?;
                (name, array, Some(Precision::F32))
            }
            container => {
                let arrays = container.into_arrays(stem(path)?)?;
                let (name, array) = arrays[find_scores(&arrays, input)?].clone();
                (name, array, None)
            }
        };
        let scores = ScoreRows::new(array).with_context(|| format!("array {name:?}"))?;
        let given = input.precision.map(Precision::from);
        let precision = given.or(precision).unwrap_or(scores.precision());
        let said = Said { logits: input.logits, probs: input.probs, hint: names::hint(&name) };
        let kind = kind::find(&scores, said, precision, |_| true)?;
        let classes = classes(&scores);
        let labels = vec![IGNORED; scores.rows()];
        let note = format!(
            "scores from {name:?}, {} {:?}; read as {kind} of {classes} classes",
            scores.element(),
            scores.shape()
        );
        Ok((Scored { scores, name, kind, precision, classes, labels, ignored: IGNORED }, note))
    };
    let (scored, note) = read().with_context(|| file.clone())?;
    messages.note(format_args!("{file}: {note}"));
    Ok(scored)
}

type Found = (Content, Option<Groups>, String);

fn read(path: &Path, input: &Input, group_by: Option<&str>) -> Result<Found> {
    match Container::open(path)? {
        Container::Text(file) => {
            let wanted = Wanted {
                scores: input.scores.as_deref(),
                labels: input.labels.as_deref().filter(|_| input.labels_file.is_none()),
                group_by,
                without_labels: input.labels_file.is_some(),
            };
            of_table(text::read(&file, wanted)?, input, group_by)
        }
        container => of_arrays(path, container.into_arrays(stem(path)?)?, input, group_by),
    }
}

fn of_table(table: text::Table, input: &Input, group_by: Option<&str>) -> Result<Found> {
    let text::Table { scores, labels, top_labels, groups, rows, note } = table;
    // Decimal digits of a file are rarely those of an f64.
    let precision = input.precision.map_or(Precision::F32, Precision::from);
    let groups = group_by.map(|by| Groups::new(by, groups)).transpose()?;
    if let Some(top) = top_labels {
        let labels = (labels.len() == rows).then_some(labels);
        let content = top_label_rows(top, labels, precision, input)?;
        ensure!(
            groups.is_none() || content.confidences.len() == rows,
            "--group-by with --ignore-index: rows of confidences alone have one or the other"
        );
        return Ok((Content::TopLabels(content), groups, note));
    }
    let (name, array) = scores.context("no columns of scores")?;
    let scores = ScoreRows::new(array)?;
    let (labels, note) = match &input.labels_file {
        Some(path) => labels_of_file(path, &scores, input, note)?,
        None => (labels, note),
    };
    let (content, kind) = scored(scores, name, labels, precision, input)?;
    Ok((Content::Scores(content), groups, format!("{note}; {kind}")))
}

fn top_label_rows(
    top: text::TopLabelColumns,
    labels: Option<Vec<i64>>,
    precision: Precision,
    input: &Input,
) -> Result<TopLabelRows> {
    ensure!(!input.logits, "--logits: the file has the confidences of its predictions alone");
    let text::TopLabelColumns { confidences, correct } = top;
    let Some(all) = &labels else {
        return Ok(TopLabelRows { confidences, correct, labels, precision });
    };
    let kept: Vec<usize> =
        (0..all.len()).filter(|&row| !input.ignore_index.contains(&all[row])).collect();
    ensure!(!kept.is_empty(), "all {} rows are ignored", all.len());
    Ok(TopLabelRows {
        confidences: kept.iter().map(|&row| confidences[row]).collect(),
        correct: kept.iter().map(|&row| correct[row]).collect(),
        labels: Some(kept.iter().map(|&row| all[row]).collect()),
        precision,
    })
}

fn of_arrays(
    path: &Path,
    arrays: Vec<(String, Array)>,
    input: &Input,
    group_by: Option<&str>,
) -> Result<Found> {
    let index = find_scores(&arrays, input)?;
    let (name, array) = arrays[index].clone();
    let scores = ScoreRows::new(array).with_context(|| format!("array {name:?}"))?;
    let mut note = format!("scores from {name:?}, {} {:?}", scores.element(), scores.shape());
    if let Some(other) = other_scores(&arrays, index, &scores) {
        note += &format!(" (there is {other:?} too: --scores {other})");
    }
    let (labels, note) = match &input.labels_file {
        Some(path) => labels_of_file(path, &scores, input, note)?,
        None => match find_labels(&arrays, index, &scores, input)? {
            Some(index) => {
                let (name, array) = &arrays[index];
                let labels = labels::read(array, scores.rows(), classes(&scores));
                let labels = labels.with_context(|| format!("labels {name:?}"))?;
                (labels, format!("{note}, labels from {name:?}"))
            }
            None => match labels_beside(path)? {
                Some(path) => labels_of_file(&path, &scores, input, note)?,
                None => bail!(
                    "no labels among {}: name them with --labels, or their file with --labels-file",
                    list(arrays.iter().map(|(name, _)| name.as_str()))
                ),
            },
        },
    };
    let groups = group_by.map(|by| groups_of(&arrays, by, scores.rows())).transpose()?;
    let precision = input.precision.map_or(scores.precision(), Precision::from);
    let (content, kind) = scored(scores, name, labels, precision, input)?;
    Ok((Content::Scores(content), groups, format!("{note}; {kind}")))
}

fn groups_of(arrays: &[(String, Array)], by: &str, rows: usize) -> Result<Groups> {
    let array = named(arrays, by).context("--group-by")?;
    ensure!(
        array.len() == rows,
        "groups {by:?} of shape {:?}: expected {rows}, one for each row of the scores",
        array.shape
    );
    let values = labels::integers(array).with_context(|| format!("groups {by:?}"))?;
    Groups::new(by, values.iter().map(i64::to_string).collect())
}

fn named<'a>(arrays: &'a [(String, Array)], name: &str) -> Result<&'a Array> {
    let found = arrays.iter().find(|(other, _)| other == name).map(|(_, array)| array);
    found.with_context(|| {
        format!("no array {name:?} among {}", list(arrays.iter().map(|(name, _)| name.as_str())))
    })
}

fn find_scores(arrays: &[(String, Array)], input: &Input) -> Result<usize> {
    let names: Vec<&str> = arrays.iter().map(|(name, _)| name.as_str()).collect();
    if let ([_], None) = (arrays, &input.scores) {
        return Ok(0);
    }
    if let Some(name) = &input.scores {
        let found = names.iter().position(|other| other == name);
        return found.with_context(|| format!("--scores: no array {name:?} among {}", list(names)));
    }
    let is_float = |index: usize| arrays[index].1.element.is_float();
    if let Some(index) = names::scores(&names, is_float) {
        return Ok(index);
    }
    // Without a known name: the only array that can be scores of several classes.
    let several = |index: &usize| is_float(*index) && arrays[*index].1.shape.len() >= 2;
    let candidates: Vec<usize> = (0..arrays.len()).filter(several).collect();
    match candidates[..] {
        [index] => Ok(index),
        _ => bail!("no scores among {}: name them with --scores", list(names)),
    }
}

/// Returns the name of another array that may be scores of the same rows.
fn other_scores<'a>(
    arrays: &'a [(String, Array)],
    chosen: usize,
    scores: &ScoreRows,
) -> Option<&'a str> {
    let names: Vec<&str> = arrays.iter().map(|(name, _)| name.as_str()).collect();
    let fits = |index: usize| {
        let array = &arrays[index].1;
        index != chosen && array.element.is_float() && array.shape == scores.shape()
    };
    names::scores(&names, fits).map(|index| names[index])
}

fn find_labels(
    arrays: &[(String, Array)],
    scores_at: usize,
    scores: &ScoreRows,
    input: &Input,
) -> Result<Option<usize>> {
    let names: Vec<&str> = arrays.iter().map(|(name, _)| name.as_str()).collect();
    if let Some(name) = &input.labels {
        let found = names.iter().position(|other| other == name);
        return found
            .with_context(|| format!("--labels: no array {name:?} among {}", list(names)))
            .map(Some);
    }
    if let Some(index) = names::labels(&names, |index| index != scores_at) {
        return Ok(Some(index));
    }
    // Without a known name: the only array of integers that has as many.
    let fits = |index: &usize| {
        let array = &arrays[*index].1;
        *index != scores_at && !array.element.is_float() && array.len() == scores.rows()
    };
    let candidates: Vec<usize> = (0..arrays.len()).filter(fits).collect();
    Ok(match candidates[..] {
        [index] => Some(index),
        _ => None,
    })
}

/// Returns the file of labels beside a file of scores, by its name.
fn labels_beside(path: &Path) -> Result<Option<PathBuf>> {
    let stem = stem(path)?;
    let ending = path.extension().map(|ending| ending.to_string_lossy()).unwrap_or_default();
    let beside = |stem: String| path.with_file_name(format!("{stem}.{ending}"));
    Ok(names::label_stems(stem).into_iter().map(beside).find(|path| path.is_file()))
}

fn labels_of_file(
    path: &Path,
    scores: &ScoreRows,
    input: &Input,
    note: String,
) -> Result<(Vec<i64>, String)> {
    let read = || -> Result<Vec<i64>> {
        let arrays = match Container::open(path)? {
            Container::Text(file) => {
                let labels = text::read_labels(&file, input.labels.as_deref())?;
                ensure!(
                    labels.len() == scores.rows(),
                    "{} labels: expected {}, one for each row of the scores",
                    labels.len(),
                    scores.rows()
                );
                return Ok(labels);
            }
            container => container.into_arrays(stem(path)?)?,
        };
        let names: Vec<&str> = arrays.iter().map(|(name, _)| name.as_str()).collect();
        let array = match (&input.labels, &arrays[..]) {
            (Some(name), [_, _, ..]) => named(&arrays, name).context("--labels")?,
            (_, [(_, array)]) => array,
            _ => {
                let index = names::labels(&names, |_| true);
                &arrays[index.with_context(|| {
                    format!("no labels among {}: name them with --labels", list(names))
                })?]
                .1
            }
        };
        labels::read(array, scores.rows(), classes(scores))
    };
    let labels = read().with_context(|| format!("labels of {}", path.display()))?;
    Ok((labels, format!("{note}, labels from {}", path.display())))
}

/// Returns the number of classes of the scores.
fn classes(scores: &ScoreRows) -> usize {
    scores.width().max(2)
}

/// The label of rows that are left out. No class and no label of a file can be it: they are shifted
/// or beyond.
const IGNORED: i64 = i64::MIN;

/// Decides what the scores are, and checks labels against them.
fn scored(
    scores: ScoreRows,
    name: String,
    mut labels: Vec<i64>,
    precision: Precision,
    input: &Input,
) -> Result<(Scored, String)> {
    ensure!(
        labels.len() == scores.rows(),
        "{} labels and {} rows of scores: expected as many",
        labels.len(),
        scores.rows()
    );
    let shift = i64::from(input.one_based);
    // An ignored label is one of the file: with 0 for "void" and classes from 1, it is 0.
    for label in &mut labels {
        *label = match *label {
            label if input.ignore_index.contains(&label) => IGNORED,
            IGNORED => i64::MIN + 1,
            label => label.saturating_sub(shift).max(i64::MIN + 1),
        };
    }
    let classes = classes(&scores);
    let counts = |row: usize| labels[row] != IGNORED;
    ensure!((0..labels.len()).any(counts), "all {} rows are ignored", labels.len());
    check_range(&labels, classes, shift)?;
    let said = Said { logits: input.logits, probs: input.probs, hint: names::hint(&name) };
    let kind = kind::find(&scores, said, precision, counts).with_context(|| format!("{name:?}"))?;
    let how = if said.logits || said.probs { "as given" } else { "found" };
    let note = format!("read as {kind} ({how}) of {classes} classes");
    Ok((Scored { scores, name, kind, precision, classes, labels, ignored: IGNORED }, note))
}

/// Checks that labels, which are shifted to count from 0, are classes. Suspects those that count
/// from 1 and those that mark rows to leave out.
fn check_range(labels: &[i64], classes: usize, shift: i64) -> Result<()> {
    let counted = || labels.iter().enumerate().filter(|(_, label)| **label != IGNORED);
    let is_wrong = |label: i64| usize::try_from(label).map_or(true, |label| label >= classes);
    let wrong = || counted().filter(|(_, label)| is_wrong(**label));
    let Some((row, &label)) = wrong().next() else { return Ok(()) };
    let low = counted().map(|(_, &label)| label).min().unwrap_or_default();
    let high = counted().map(|(_, &label)| label).max().unwrap_or_default();
    let hint = if shift == 0 && low >= 1 && high == classes as i64 {
        "; they run from 1 to the number of classes: if they count from 1, give --one-based"
            .to_owned()
    } else if wrong().all(|(_, other)| *other == label) {
        let original = label.saturating_add(shift);
        format!("; if this label marks rows to leave out, give --ignore-index {original}")
    } else {
        String::new()
    };
    bail!(
        "label {} at row {row}: expected {shift} to {} for {classes} classes ({} of {} labels are \
         out of range){hint}",
        label.saturating_add(shift),
        classes as i64 - 1 + shift,
        wrong().count(),
        labels.len()
    );
}
