//! A suite's texts, and their splits.

use crate::data::{DataSpec, Sizes};
use crate::fnv;
use crate::suite::{Scale, SplitRule};
use anyhow::{Context, Result, bail, ensure};
use mbls_data::{Seed, random_split};
use mbls_nlp::dataset::{
    DuplicateConfig, LabelledTexts, Parts, duplicate_groups, grouped_split, labelled_file, newsgroups, published_split,
};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The texts that a suite has, one part after the other.
pub(crate) struct TextSource {
    pub(super) texts: LabelledTexts,
    /// What is trained on, and split where another part is missing.
    train: Range<usize>,
    /// The part for validation, where the data set has one of its own.
    validation: Option<Range<usize>>,
    /// The part for testing, where the data set has one of its own.
    test: Option<Range<usize>>,
    /// The texts that are copies of one another.
    groups: OnceLock<Vec<usize>>,
}

/// The endings of files of labelled texts.
const ENDINGS: [&str; 4] = ["csv", "tsv", "jsonl", "ndjson"];

impl TextSource {
    /// Reads the texts.
    ///
    /// # Errors
    ///
    /// Files that are missing or not of their format, each named.
    pub(crate) fn load(spec: &DataSpec, path: &Path) -> Result<Self> {
        match spec {
            DataSpec::Newsgroups => {
                let archive = path.join("20_newsgroups.tar.gz");
                let set = newsgroups::load(if archive.is_file() { &archive } else { path })?;
                let (all, train) = (set.texts.len(), set.official_train);
                let test = train.map(|train| train..all);
                Ok(Self::new(set.texts, 0..train.unwrap_or(all), None, test))
            }
            DataSpec::Textfile { columns } => {
                if !path.is_dir() {
                    let texts = labelled_file::load(path, None, columns)?;
                    let all = texts.len();
                    return Ok(Self::new(texts, 0..all, None, None));
                }
                let file = part_file(path, "train")?.with_context(|| {
                    format!("{}: expected a file train.csv, train.tsv or train.jsonl", path.display())
                })?;
                let mut all = labelled_file::load(file, None, columns)?;
                let train = 0..all.len();
                let mut part = |name: &str| -> Result<Option<Range<usize>>> {
                    let Some(file) = part_file(path, name)? else { return Ok(None) };
                    let texts = labelled_file::load(file, Some(all.class_names()), columns)?;
                    let range = all.len()..all.len() + texts.len();
                    all = joined(&all, &texts)?;
                    Ok(Some(range))
                };
                let (validation, test) = (part("val")?, part("test")?);
                Ok(Self::new(all, train, validation, test))
            }
            other => bail!("{}: expected a data set of texts", other.name()),
        }
    }

    fn new(
        texts: LabelledTexts,
        train: Range<usize>,
        validation: Option<Range<usize>>,
        test: Option<Range<usize>>,
    ) -> Self {
        Self { texts, train, validation, test, groups: OnceLock::new() }
    }

    /// A number that changes with any text or label, to tell data sets apart.
    pub(super) fn digest(&self) -> u64 {
        let of = |hash: u64, (text, label): (&String, &u32)| {
            fnv::extend(fnv::extend(fnv::extend(hash, text.as_bytes()), &[0]), &label.to_le_bytes())
        };
        self.texts.texts().iter().zip(self.texts.labels()).fold(fnv::EMPTY, of)
    }

    /// How many texts each split takes.
    ///
    /// # Errors
    ///
    /// More than there are, or none.
    pub(super) fn sizes(&self, scale: &Scale) -> Result<Sizes> {
        let len = |part: &Option<Range<usize>>| part.as_ref().map(Range::len);
        Sizes::of(scale, self.train.len(), len(&self.validation), len(&self.test))
    }

    /// The splits of one seed. What is missing is split off the training part, with copies of a text kept together and the same share of
    /// every class; copies of what is held out leave the training part. The published split knows nothing of copies; its seed is 1 for seed 0.
    ///
    /// # Errors
    ///
    /// Sizes that the data set does not have.
    pub(super) fn splits(&self, rule: SplitRule, sizes: Sizes, seed: Seed) -> Result<Parts> {
        if rule == SplitRule::Published {
            ensure!(
                self.validation.is_none() && self.test.is_none(),
                "split = \"published\": expected a data set that comes in one part"
            );
            let numpy = u32::try_from(seed.0).ok().and_then(|seed| seed.checked_add(1));
            let parts = published_split(self.texts.len(), numpy.context("seed: expected below 2^32")?)?;
            let [train, validation, test] = [&parts.train, &parts.validation, &parts.test].map(Vec::len);
            let found = Sizes { train, validation, test };
            ensure!(found == sizes, "split = \"published\" has {found:?}, the profile {sizes:?}");
            return Ok(parts);
        }
        let groups = self.groups()?;
        let own = |part: &Option<Range<usize>>, size: usize| {
            part.as_ref().map(|part| part.clone().take(size).collect::<Vec<usize>>())
        };
        let (validation, test) = (own(&self.validation, sizes.validation), own(&self.test, sizes.test));
        let held_out = validation.iter().chain(&test).flatten();
        let mut held_out: Vec<usize> = held_out.map(|&index| groups[index]).collect();
        held_out.sort_unstable();
        let kept: Vec<usize> =
            self.train.clone().filter(|&index| held_out.binary_search(&groups[index]).is_err()).collect();
        let of = |values: &[u32]| kept.iter().map(|&index| values[index]).collect::<Vec<_>>();
        let split_off = |part: &Option<Vec<usize>>, size: usize| if part.is_none() { size } else { 0 };
        let parts = match (&validation, &test) {
            (Some(_), Some(_)) => Parts { train: (0..kept.len()).collect(), ..Parts::default() },
            // A part for validation of their own is as rare as one for tests is usual.
            (Some(_), None) => {
                let split = self.grouped(&of(self.texts.labels()), &kept, sizes.test, 0, seed)?;
                Parts { test: split.validation, validation: Vec::new(), train: split.train }
            }
            (None, _) => {
                let test = split_off(&test, sizes.test);
                self.grouped(&of(self.texts.labels()), &kept, sizes.validation, test, seed)?
            }
        };
        let outer = |places: Vec<usize>| places.into_iter().map(|place| kept[place]).collect::<Vec<_>>();
        let mut train = outer(parts.train);
        // Copies leave less than was asked for; a profile may ask for less than all.
        let size = sizes.train.min(train.len());
        let chosen = random_split(train.len(), &[size], seed.derive("train"))?.pop().context("a split is missing")?;
        train = chosen.into_iter().map(|place| train[place]).collect();
        Ok(Parts {
            train,
            validation: validation.unwrap_or_else(|| outer(parts.validation)),
            test: test.unwrap_or_else(|| outer(parts.test)),
        })
    }

    fn grouped(&self, labels: &[u32], kept: &[usize], validation: usize, test: usize, seed: Seed) -> Result<Parts> {
        let groups = self.groups()?;
        let groups: Vec<usize> = kept.iter().map(|&index| groups[index]).collect();
        Ok(grouped_split(labels, &groups, validation, test, seed.derive("split"))?)
    }

    /// They do not depend on a seed, and take their time.
    fn groups(&self) -> Result<&[usize]> {
        if let Some(groups) = self.groups.get() {
            return Ok(groups);
        }
        let groups = duplicate_groups(self.texts.texts(), &DuplicateConfig::default())?;
        Ok(self.groups.get_or_init(|| groups))
    }
}

/// `<part>.csv` or the like in a folder, packed or not; `None` where there is none.
fn part_file(folder: &Path, part: &str) -> Result<Option<PathBuf>> {
    let names = ENDINGS.iter().flat_map(|ending| [format!("{part}.{ending}"), format!("{part}.{ending}.gz")]);
    let found: Vec<PathBuf> = names.map(|name| folder.join(name)).filter(|file| file.is_file()).collect();
    match &found[..] {
        [] => Ok(None),
        [file] => Ok(Some(file.clone())),
        [first, second, ..] => {
            bail!("{} and {}: expected one file of the part {part}", first.display(), second.display())
        }
    }
}

/// Texts of the same classes, one after the other.
fn joined(first: &LabelledTexts, second: &LabelledTexts) -> Result<LabelledTexts> {
    let texts = [first.texts(), second.texts()].concat();
    let labels = [first.labels(), second.labels()].concat();
    Ok(LabelledTexts::new(first.name(), texts, labels, first.class_names().to_vec())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many texts, all different, of two classes in turn.
    fn source(count: usize, validation: Option<Range<usize>>, test: Option<Range<usize>>) -> TextSource {
        let texts: Vec<String> =
            (0..count).map(|i| format!("text number {i} of many, all of them different {i}")).collect();
        let labels = (0..count as u32).map(|i| i % 2).collect();
        let texts = LabelledTexts::new("made", texts, labels, vec!["even".to_owned(), "odd".to_owned()]).unwrap();
        let train = 0..validation.iter().chain(&test).map(|part| part.start).min().unwrap_or(count);
        TextSource::new(texts, train, validation, test)
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
    fn what_is_missing_is_split_off_by_the_seed() {
        for (validation, test, lengths) in [
            (None, None, [20, 8, 12]),
            (None, Some(30..40), [22, 8, 10]),
            (Some(34..40), None, [22, 6, 12]),
            (Some(30..34), Some(34..40), [30, 4, 6]),
        ] {
            let source = source(40, validation.clone(), test.clone());
            let of = |seed| source.splits(SplitRule::Stratified, sizes(30, 8, 12), Seed(seed)).unwrap();
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
    fn copies_of_what_is_tested_on_are_not_trained_on() {
        let mut source = source(40, None, Some(30..40));
        let mut texts = source.texts.texts().to_vec();
        texts[3] = texts[35].clone();
        let (labels, names) = (source.texts.labels().to_vec(), source.texts.class_names().to_vec());
        source.texts = LabelledTexts::new("made", texts, labels, names).unwrap();
        let parts = source.splits(SplitRule::Stratified, sizes(22, 8, 10), Seed(1)).unwrap();
        assert!(!parts.train.contains(&3) && !parts.validation.contains(&3) && parts.test.contains(&35));
        assert_eq!((parts.train.len(), parts.validation.len()), (21, 8));
        // Fewer than there are.
        let fewer = source.splits(SplitRule::Stratified, sizes(5, 8, 10), Seed(1)).unwrap();
        assert_eq!(fewer.train.len(), 5);
        assert!(fewer.train.iter().all(|index| parts.train.contains(index)));
    }
}
