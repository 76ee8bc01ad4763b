//! A suite's texts, and their splits.

use crate::data::{ClassCounts, Counted, PartCounts, Sizes, too_small, unused};
use crate::spec::{DataSpec, Scale, SplitRule};
use anyhow::{Context, Result, bail, ensure};
use mbls_data::{Seed, random_split};
use mbls_io::listing::{entries, real};
use mbls_io::{Fingerprint, OnError, PartEntries};
use mbls_nlp::dataset::labelled_file::{LabelledFile, LabelledFileConfig};
use mbls_nlp::dataset::{
    Division, DuplicateConfig, LabelledTexts, Parts, duplicate_groups, labelled_file, newsgroups,
    published_split,
};
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

/// The texts of a suite, with its parts concatenated.
pub(super) struct TextSource {
    pub(super) texts: LabelledTexts,
    division: Division,
    /// The group of each text; copies of the same text share a group.
    groups: OnceLock<Vec<usize>>,
    /// Notes on the data for the report.
    notes: Vec<String>,
}

/// The extensions of files of labelled texts.
const ENDINGS: [&str; 4] = ["csv", "tsv", "jsonl", "ndjson"];

impl TextSource {
    /// Reads the texts.
    ///
    /// # Errors
    ///
    /// Files that are missing or malformed, with their names.
    pub(super) fn load(spec: &DataSpec, path: &Path, on_error: OnError) -> Result<Self> {
        match spec {
            DataSpec::Newsgroups => {
                let archive = path.join("20_newsgroups.tar.gz");
                let set = newsgroups::load(if archive.is_file() { &archive } else { path })?;
                Ok(Self::new(set.texts, set.division))
            }
            DataSpec::Textfile { columns } => {
                if !path.is_dir() {
                    let mut notes = Vec::new();
                    let texts = read(path, None, columns, on_error, &mut notes)?;
                    let all = texts.len();
                    return Ok(Self { notes, ..Self::new(texts, Division::whole(all)) });
                }
                let (readable, mut others): (Vec<_>, Vec<_>) = entries(path, &real(path)?)?
                    .into_iter()
                    .partition(|entry| !entry.is_folder && file_name(&entry.name).is_some());
                let readable = readable.into_iter().map(|entry| entry.name);
                let found = PartEntries::find(path, readable, file_name)?;
                let file = found.train.with_context(|| {
                    format!(
                        "{}: expected a file train.csv, train.tsv or train.jsonl",
                        path.display()
                    )
                })?;
                let mut notes = Vec::new();
                let mut all = read(&path.join(file), None, columns, on_error, &mut notes)?;
                let train = 0..all.len();
                let mut part = |file: Option<String>| -> Result<Option<Range<usize>>> {
                    let Some(file) = file else { return Ok(None) };
                    let texts = read(
                        &path.join(file),
                        Some(all.class_names()),
                        columns,
                        on_error,
                        &mut notes,
                    )?;
                    let range = all.len()..all.len() + texts.len();
                    all = joined(&all, &texts)?;
                    Ok(Some(range))
                };
                let (validation, test) = (part(found.validation)?, part(found.test)?);
                let others =
                    found.others.into_iter().chain(others.drain(..).map(|entry| entry.name));
                notes.extend(unused(path, others));
                Ok(Self { notes, ..Self::new(all, Division { train, validation, test }) })
            }
            other => bail!("{}: expected a data set of texts", other.name()),
        }
    }

    fn new(texts: LabelledTexts, division: Division) -> Self {
        Self { texts, division, groups: OnceLock::new(), notes: Vec::new() }
    }

    /// Returns notes on the data for the report.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Counts the classes in the parts of one seed.
    ///
    /// # Errors
    ///
    /// As [`TextSource::splits`].
    pub(super) fn class_counts(
        &self,
        rule: SplitRule,
        sizes: Sizes,
        seed: Seed,
    ) -> Result<ClassCounts> {
        let parts = self.splits(rule, sizes, seed)?;
        let labels = self.texts.labels();
        let of = |part: &[usize]| {
            PartCounts::of_labels(part.iter().map(|&text| labels[text]), self.texts.classes())
        };
        Ok(ClassCounts {
            counted: Counted::Texts,
            names: self.texts.class_names().to_vec(),
            train: of(&parts.train),
            validation: of(&parts.validation),
            test: of(&parts.test),
            void_value: None,
        })
    }

    /// Returns a hash that identifies the data set. It changes with any text or label.
    pub(super) fn digest(&self) -> u64 {
        let of = |all: Fingerprint, (text, label): (&String, &u32)| {
            all.with(text.as_bytes()).with(&[0]).with(&label.to_le_bytes())
        };
        self.texts.texts().iter().zip(self.texts.labels()).fold(Fingerprint::default(), of).value()
    }

    /// Returns the number of texts of each split.
    ///
    /// # Errors
    ///
    /// If a split is empty or larger than the available data.
    pub(super) fn sizes(&self, scale: &Scale) -> Result<Sizes> {
        let Division { train, validation, test } = &self.division;
        let len = |part: &Option<Range<usize>>| part.as_ref().map(Range::len);
        Sizes::of(scale, train.len(), len(validation), len(test))
    }

    /// Returns the splits of one seed. Parts that the data set lacks are split off the training
    /// part, stratified by class, with copies of a text kept together; copies of held-out texts are
    /// removed from the training part. The published split ignores copies; its seed is this
    /// program's seed plus 1.
    ///
    /// # Errors
    ///
    /// If the data set has too few texts.
    pub(super) fn splits(&self, rule: SplitRule, sizes: Sizes, seed: Seed) -> Result<Parts> {
        if rule == SplitRule::Published {
            ensure!(
                self.division.is_whole(),
                "split = \"published\": expected a data set that comes in one part"
            );
            let numpy = u32::try_from(seed.0).ok().and_then(|seed| seed.checked_add(1));
            let parts =
                published_split(self.texts.len(), numpy.context("seed: expected below 2^32")?)?;
            let [train, validation, test] =
                [&parts.train, &parts.validation, &parts.test].map(Vec::len);
            let found = Sizes { train, validation, test };
            ensure!(
                found == sizes,
                "split = \"published\" has {found:?}, but the profile {sizes:?}"
            );
            return Ok(parts);
        }
        let (labels, Sizes { train, validation, test }) = (self.texts.labels(), sizes);
        let mut parts = self
            .division
            .split(labels, self.groups()?, validation, test, seed.derive("split"))
            .map_err(|error| too_small(error, Counted::Texts, self.texts.class_names()))?;
        // Removing copies may leave fewer texts than requested; a profile may request fewer than
        // all.
        let (all, size) = (parts.train.len(), train.min(parts.train.len()));
        let chosen = random_split(all, &[size], seed.derive("train"))?
            .pop()
            .context("a split is missing")?;
        parts.train = chosen.into_iter().map(|place| parts.train[place]).collect();
        Ok(parts)
    }

    /// Returns the groups. They do not depend on a seed and are slow to compute, so they are
    /// cached.
    fn groups(&self) -> Result<&[usize]> {
        if let Some(groups) = self.groups.get() {
            return Ok(groups);
        }
        let groups = duplicate_groups(self.texts.texts(), &DuplicateConfig::default())?;
        Ok(self.groups.get_or_init(|| groups))
    }
}

/// Reads a file of labelled texts, and adds a note about how it was read.
fn read(
    file: &Path,
    classes: Option<&[String]>,
    columns: &LabelledFileConfig,
    on_error: OnError,
    notes: &mut Vec<String>,
) -> Result<LabelledTexts> {
    let LabelledFile { texts, reading } = labelled_file::load(file, classes, columns, on_error)?;
    notes.push(format!("{}: {reading}", file.display()));
    Ok(texts)
}

/// Returns the name of a file of labelled texts without its extension; `None` for any other file.
fn file_name(file: &str) -> Option<&str> {
    let cut = |file: &str, ending: &str| -> Option<usize> {
        let rest = file.len().checked_sub(ending.len() + 1).filter(|&rest| rest > 0)?;
        let (_, end) = file.split_at_checked(rest)?;
        end.strip_prefix('.')?.eq_ignore_ascii_case(ending).then_some(rest)
    };
    let unpacked = cut(file, "gz").map_or(file, |rest| &file[..rest]);
    ENDINGS.iter().find_map(|ending| cut(unpacked, ending)).map(|rest| &file[..rest])
}

/// Concatenates texts with the same classes.
fn joined(first: &LabelledTexts, second: &LabelledTexts) -> Result<LabelledTexts> {
    let texts = [first.texts(), second.texts()].concat();
    let labels = [first.labels(), second.labels()].concat();
    Ok(LabelledTexts::new(first.name(), texts, labels, first.class_names().to_vec())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns distinct texts of two alternating classes.
    fn source(
        count: usize,
        validation: Option<Range<usize>>,
        test: Option<Range<usize>>,
    ) -> TextSource {
        let texts: Vec<String> = (0..count)
            .map(|i| format!("text number {i} of many, all of them different {i}"))
            .collect();
        let labels = (0..count as u32).map(|i| i % 2).collect();
        let texts =
            LabelledTexts::new("made", texts, labels, vec!["even".to_owned(), "odd".to_owned()])
                .unwrap();
        let train = 0..validation.iter().chain(&test).map(|part| part.start).min().unwrap_or(count);
        TextSource::new(texts, Division { train, validation, test })
    }

    fn sizes(train: usize, validation: usize, test: usize) -> Sizes {
        Sizes { train, validation, test }
    }

    fn all(parts: &Parts) -> Vec<usize> {
        let mut all = [&parts.train[..], &parts.validation, &parts.test].concat();
        all.sort_unstable();
        all
    }

    #[test]
    fn names_of_files() {
        for (file, name) in [
            ("train.csv", Some("train")),
            ("Train.TSV.GZ", Some("Train")),
            ("dev.part.jsonl", Some("dev.part")),
            ("notes.txt", None),
            (".csv", None),
            ("csv", None),
            ("train.gz", None),
            ("\u{fc}.ndjson", Some("\u{fc}")),
        ] {
            assert_eq!(file_name(file), name, "{file}");
        }
    }

    #[test]
    fn missing_parts_are_split_off_by_the_seed() {
        for (validation, test, lengths) in [
            (None, None, [20, 8, 12]),
            (None, Some(30..40), [22, 8, 10]),
            (Some(34..40), None, [22, 6, 12]),
            (Some(30..34), Some(34..40), [30, 4, 6]),
        ] {
            let source = source(40, validation.clone(), test.clone());
            let [train, held_out @ ..] = lengths;
            let sizes = sizes(train, held_out[0], held_out[1]);
            let of = |seed| source.splits(SplitRule::Stratified, sizes, Seed(seed)).unwrap();
            let parts = of(1);
            assert_eq!([&parts.train, &parts.validation, &parts.test].map(Vec::len), lengths);
            assert_eq!(all(&parts), (0..40).collect::<Vec<_>>(), "{parts:?}");
            assert_eq!(of(1), parts);
            assert_eq!(of(2) != parts, validation.is_none() || test.is_none());
            for (own, part) in [(validation, &parts.validation), (test, &parts.test)] {
                assert!(own.is_none_or(|own| own.eq(part.iter().copied())), "{parts:?}");
            }
        }
    }

    #[test]
    fn a_class_with_too_few_texts_is_named() {
        let mut source = source(40, None, None);
        let mut labels = vec![0; 40];
        labels[7] = 1;
        let (texts, names) = (source.texts.texts().to_vec(), source.texts.class_names().to_vec());
        source.texts = LabelledTexts::new("made", texts, labels, names).unwrap();
        let error = format!(
            "{:#}",
            source.splits(SplitRule::Stratified, sizes(20, 8, 12), Seed(1)).unwrap_err()
        );
        assert!(error.contains("class 1 (odd) has 1 items, fewer than the 3 parts"), "{error}");
        assert!(
            error.contains(
                "add texts, remove the class, or split the data yourself (files train, val"
            ),
            "{error}"
        );
    }

    #[test]
    fn copies_of_test_texts_are_not_trained_on() {
        let mut source = source(40, None, Some(30..40));
        let mut texts = source.texts.texts().to_vec();
        texts[3] = texts[35].clone();
        let (labels, names) = (source.texts.labels().to_vec(), source.texts.class_names().to_vec());
        source.texts = LabelledTexts::new("made", texts, labels, names).unwrap();
        let parts = source.splits(SplitRule::Stratified, sizes(22, 8, 10), Seed(1)).unwrap();
        assert!(
            !parts.train.contains(&3) && !parts.validation.contains(&3) && parts.test.contains(&35)
        );
        assert_eq!((parts.train.len(), parts.validation.len()), (21, 8));
        // A profile that requests fewer texts.
        let fewer = source.splits(SplitRule::Stratified, sizes(5, 8, 10), Seed(1)).unwrap();
        assert_eq!(fewer.train.len(), 5);
        assert!(fewer.train.iter().all(|index| parts.train.contains(index)));
    }
}
