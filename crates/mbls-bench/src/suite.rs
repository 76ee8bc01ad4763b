//! Suites: what the benchmark trains and measures, as data. One TOML file each, in `suites/`.

use crate::data::{DataSpec, TaskKind};
use crate::model::ModelName;
use crate::recipe::Recipe;
use crate::shift::ShiftSpec;
use anyhow::{Context, Result, bail, ensure};
use mbls_core::loss::LossSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// The suites that the program carries, in the order in which they run.
const BUILT_IN: [&str; 13] = [
    include_str!("../suites/digits.toml"),
    include_str!("../suites/digits-noisy.toml"),
    include_str!("../suites/mnist.toml"),
    include_str!("../suites/cifar10.toml"),
    include_str!("../suites/cifar100.toml"),
    include_str!("../suites/tiny-imagenet.toml"),
    include_str!("../suites/cub.toml"),
    include_str!("../suites/imagefolder.toml"),
    include_str!("../suites/voc2012.toml"),
    include_str!("../suites/camvid.toml"),
    include_str!("../suites/vocfolder.toml"),
    include_str!("../suites/20newsgroups.toml"),
    include_str!("../suites/textfile.toml"),
];

/// The profile that needs no data but the repository's own and finishes in minutes.
pub(crate) const DEFAULT_PROFILE: &str = "default";

/// A data set, a model, a recipe and the losses that are compared on them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    /// What the command line and the results call it.
    pub(crate) name: String,
    /// A heading.
    pub(crate) title: String,
    /// What it shows, for the report.
    pub(crate) description: String,
    /// What a reader has to know: how settings were chosen, what not to conclude.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
    /// The data set.
    pub(crate) data: DataSpec,
    /// The model that runs where none is named.
    pub(crate) model: ModelName,
    /// What every loss is trained with.
    pub(crate) recipe: Recipe,
    /// The same for profiles that change it: `[profile.NAME.recipe]` has the fields that differ.
    #[serde(skip)]
    pub(crate) recipes: BTreeMap<String, Recipe>,
    /// How much is run, by profile.
    pub(crate) profile: BTreeMap<String, Scale>,
    /// The losses; the first one is the baseline.
    pub(crate) loss: Vec<LossEntry>,
    /// What the trained networks are tested on besides, where anything.
    #[serde(default)]
    pub(crate) shift: Option<ShiftSpec>,
    /// Where it stands, for errors.
    #[serde(skip)]
    pub(crate) origin: String,
}

/// How much of a suite is run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scale {
    /// Number of epochs.
    pub(crate) epochs: usize,
    /// Number of seeds, from 0.
    pub(crate) seeds: u64,
    /// Training pictures.
    pub(crate) train: Amount,
    /// Validation pictures.
    pub(crate) validation: Amount,
    /// Test pictures: the first ones of an official test part, or that many of a seeded split.
    pub(crate) test: Amount,
    /// Whose split it is.
    #[serde(default)]
    pub(crate) split: SplitRule,
    /// The model, where it is not the suite's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<ModelName>,
}

/// A number of pictures, or a fraction of those that there are: `1000` or `0.2`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Amount {
    /// So many.
    Count(usize),
    /// That part of all.
    Fraction(f64),
}

impl Amount {
    fn is_positive(self) -> bool {
        match self {
            Self::Count(count) => count > 0,
            Self::Fraction(fraction) => fraction > 0.0 && fraction <= 1.0,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Fraction(fraction) => fraction.fmt(f),
        }
    }
}

/// How the pictures of a data set are split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SplitRule {
    /// By the seed, with the same share of every class; tests are never validated on.
    #[default]
    Stratified,
    /// As the published code splits them, picture by picture; for CUB-200-2011 and VOC 2012 that validates on the test pictures.
    Published,
}

impl SplitRule {
    /// Whether it is the one that is not mentioned.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One loss of a suite.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossEntry {
    /// What the command line and the results call it.
    pub(crate) id: String,
    /// What tables call it.
    pub(crate) title: String,
    /// The loss and its settings.
    pub(crate) spec: LossSpec,
}

impl LossEntry {
    /// The settings in words, for tables.
    pub(crate) fn settings(&self) -> String {
        self.spec.to_string()
    }
}

impl Suite {
    /// The suite called `name`, or the one in the file `name` where that ends in `.toml`.
    ///
    /// # Errors
    ///
    /// An unknown name, with the known ones; a file that is no suite.
    pub(crate) fn find(name: &str) -> Result<Self> {
        if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(name).with_context(|| format!("cannot read the suite file {name}"))?;
            return Self::parse(&text, format!("the suite file {name}"));
        }
        let suites = Self::built_in()?;
        let known = suites.iter().map(|suite| suite.name.as_str()).collect::<Vec<_>>().join(", ");
        match suites.iter().find(|suite| suite.name == name) {
            Some(suite) => Ok(suite.clone()),
            None => bail!("there is no suite \"{name}\": expected one of {known}, or a file that ends in .toml"),
        }
    }

    /// All suites that the program carries.
    ///
    /// # Errors
    ///
    /// A built-in file that is no suite; a test rules that out.
    pub(crate) fn built_in() -> Result<Vec<Self>> {
        BUILT_IN.iter().map(|text| Self::parse(text, "a built-in suite".to_owned())).collect()
    }

    fn parse(text: &str, origin: String) -> Result<Self> {
        let suite = Self::read(text).and_then(Self::checked).with_context(|| format!("in {origin}"))?;
        Ok(Self { origin, ..suite })
    }

    fn read(text: &str) -> Result<Self> {
        let mut table: toml::Table = text.parse()?;
        let changes = take_recipe_changes(&mut table);
        let Some((_, base)) = table.get_key_value("recipe").filter(|_| !changes.is_empty()) else {
            return Ok(table.try_into()?);
        };
        let mut recipes = BTreeMap::new();
        for (profile, changed) in changes {
            let mut recipe = base.as_table().cloned().unwrap_or_default();
            recipe.extend(changed);
            let recipe = recipe.try_into().with_context(|| format!("profile.{profile}.recipe"))?;
            recipes.insert(profile, recipe);
        }
        Ok(Self { recipes, ..table.try_into()? })
    }

    fn checked(suite: Self) -> Result<Self> {
        let plain =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        // Names become directories.
        ensure!(
            plain(&suite.name) && !suite.name.starts_with('.'),
            "name = {:?}: expected letters, digits, '-', '_', '.'",
            suite.name
        );
        ensure!(!suite.loss.is_empty(), "loss: expected at least one");
        for (i, loss) in suite.loss.iter().enumerate() {
            ensure!(
                plain(&loss.id) && !loss.id.starts_with('.'),
                "loss.id = {:?}: expected letters, digits, '-', '_', '.'",
                loss.id
            );
            ensure!(suite.loss[..i].iter().all(|other| other.id != loss.id), "loss.id = {:?} is there twice", loss.id);
            loss.spec.build().with_context(|| format!("loss {:?}", loss.id))?;
        }
        ensure!(!suite.profile.is_empty(), "profile: expected at least one");
        for (name, scale) in &suite.profile {
            let amounts = [scale.train, scale.validation, scale.test];
            ensure!(
                scale.epochs > 0 && scale.seeds > 0 && amounts.into_iter().all(Amount::is_positive),
                "profile.{name}: expected positive numbers, fractions up to 1.0, found {scale:?}"
            );
        }
        if let Some(shift) = &suite.shift {
            shift.validate().context("shift")?;
        }
        let kind = suite.data.task();
        ensure!(
            kind == TaskKind::Pictures || suite.shift.is_none(),
            "shift: expected none but for pictures with classes"
        );
        suite.check_model(suite.model)?;
        suite.recipe.validate(kind)?;
        for (name, recipe) in &suite.recipes {
            recipe.validate(kind).with_context(|| format!("profile.{name}"))?;
        }
        for (name, scale) in &suite.profile {
            scale.model.map_or(Ok(()), |model| suite.check_model(model)).with_context(|| format!("profile.{name}"))?;
        }
        Ok(suite)
    }

    /// Whether a model is made for the suite's data.
    ///
    /// # Errors
    ///
    /// Where it is made for other data.
    pub(crate) fn check_model(&self, model: ModelName) -> Result<()> {
        let suits = match self.data.task() {
            TaskKind::Pictures => model.classifier().map(drop),
            TaskKind::Segmentation => model.segmentation().map(drop),
            TaskKind::Texts => model.text().map(drop),
        };
        suits.with_context(|| format!("the suite {}", self.name))
    }

    /// How much `profile` runs: its own scale, or the default one of a suite that always runs.
    pub(crate) fn scale(&self, profile: &str) -> Option<Scale> {
        self.profile.get(profile).or_else(|| self.profile.get(DEFAULT_PROFILE)).copied()
    }

    /// This suite with the recipe of `profile`.
    pub(crate) fn at(mut self, profile: &str) -> Self {
        if let Some(recipe) = self.recipes.remove(profile) {
            self.recipe = recipe;
        }
        self
    }
}

/// Takes the `recipe` out of each profile.
fn take_recipe_changes(suite: &mut toml::Table) -> Vec<(String, toml::Table)> {
    let Some(toml::Value::Table(profiles)) = suite.get_mut("profile") else { return Vec::new() };
    let changes = profiles.iter_mut().filter_map(|(name, profile)| {
        let profile = profile.as_table_mut()?;
        // Anything else stays where it is unknown.
        let changed = profile.get("recipe")?.as_table()?.clone();
        profile.remove("recipe");
        Some((name.clone(), changed))
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::RecipeSchedule;
    use mbls_nn::{EmaConfig, ReduceOnPlateau, Schedule};

    #[test]
    fn built_in_suites_are_valid() {
        let suites = Suite::built_in().unwrap();
        let names: Vec<_> = suites.iter().map(|suite| suite.name.as_str()).collect();
        let expected = "digits digits-noisy mnist cifar10 cifar100 tiny-imagenet cub imagefolder voc2012 camvid vocfolder 20newsgroups textfile";
        assert_eq!(names.join(" "), expected);
        for suite in &suites {
            assert_eq!(suite.loss[0].spec, LossSpec::CrossEntropy, "{}: the baseline", suite.name);
            assert!(
                suite.loss.iter().any(|loss| matches!(loss.spec, LossSpec::Margin { margin, .. } if margin == 0.0))
            );
        }
    }

    #[test]
    fn unknown_suite_names_the_known_ones() {
        let error = Suite::find("digit").unwrap_err().to_string();
        assert!(error.contains("\"digit\"") && error.contains("digits-noisy"), "{error}");
    }

    #[test]
    fn mistakes_are_named() {
        let good = BUILT_IN[0];
        let error = |from: &str, to: &str| {
            format!("{:#}", Suite::parse(&good.replacen(from, to, 1), String::new()).unwrap_err())
        };
        assert!(good.contains("id = \"ls\"") && good.contains("batch_size"));
        assert!(error("id = \"ls\"", "id = \"ce\"").contains("twice"));
        assert!(error("id = \"ls\"", "id = \"../ls\"").contains("../ls"));
        assert!(error("batch_size", "batchsize").contains("batchsize"));
        let from = "kind = \"label-smoothing\", alpha = 0.02";
        let to = "kind = \"class-adaptive\", margin = 0.0, penalty = \"p2\"";
        assert!(error(from, to).contains("loss \"ls\": margin = 0"), "{}", error(from, to));
        let from = "schedule = { kind = \"cosine\" }";
        let plateau = |fields: &str| error(from, &format!("schedule = {{ kind = \"reduce-on-plateau\", {fields} }}"));
        for (fields, part) in [
            ("metric = \"loss\"", "recipe.schedule.metric = \"loss\": expected one of accuracy, nll, brier, ece"),
            ("metric = \"accuracy\"", "recipe.schedule.settings.mode: expected \"max\", because more accuracy"),
            ("metric = \"nll\", settings = { mode = \"max\" }", "recipe.schedule.settings.mode: expected \"min\""),
            ("metric = \"nll\", settings = { factor = 1.0 }", "recipe.schedule: factor = 1"),
            ("metric = \"nll\", settings = { factr = 0.5 }", "factr"),
            ("settings = { factor = 0.5 }", "metric"),
        ] {
            assert!(plateau(fields).contains(part), "{}", plateau(fields));
        }
        for (fields, part) in [
            ("", "recipe.groups: parameter group {}: expected at least one of prefix"),
            (
                "weight_decay = 0.0",
                "recipe.groups: parameter group {weight_decay = 0}: expected at least one of prefix",
            ),
            ("prefix = \"fc.\"", "expected a learning_rate_factor or a weight_decay"),
            ("prefix = \"fc.\"\nweight_decay = -1.0", "at least 0"),
            ("prefix = \"fc.\"\nlr = 0.1", "lr"),
        ] {
            let found = error("[profile.default]", &format!("[[recipe.groups]]\n{fields}\n[profile.default]"));
            assert!(found.contains(part), "{found}");
        }
        for (fields, part) in [
            ("decay = 1.5", "recipe.ema: decay = 1.5: expected 0 to 1"),
            ("decay = nan", "recipe.ema: decay = NaN"),
            ("momentum = 0.9", "momentum"),
        ] {
            let found = error("bins = 15", &format!("bins = 15\nema = {{ {fields} }}"));
            assert!(found.contains(part), "{found}");
        }
    }

    #[test]
    fn a_profile_changes_the_fields_of_the_recipe_that_it_names() {
        let good = BUILT_IN[0];
        let with = |recipe: &str| {
            let text = format!(
                "{good}\n[profile.local]\nepochs = 1\nseeds = 1\ntrain = 1\nvalidation = 1\ntest = 1\n{recipe}\n"
            );
            Suite::parse(&text, String::new())
        };
        let suite = with("[profile.local.recipe]\nflip = true\nbins = 10").unwrap();
        let (base, local) = (suite.recipe.clone(), suite.clone().at("local").recipe);
        assert_eq!((local.flip, local.bins), (true, 10));
        assert_eq!(Recipe { flip: false, bins: 15, ..local }, base);
        assert_eq!(suite.at("default").recipe, base);
        for (recipe, part) in [
            ("[profile.local.recipe]\nflap = true", "profile.local.recipe: unknown field `flap`"),
            ("[profile.local.recipe]\nbins = 0", "profile.local: recipe.bins = 0"),
            ("recipe = 1", "recipe"),
        ] {
            let error = format!("{:#}", with(recipe).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn groups_a_plateau_and_an_average_are_read_and_leave_other_recipes_as_they_were() {
        let good = BUILT_IN[0];
        let plain = serde_json::to_string(&Suite::parse(good, String::new()).unwrap().recipe).unwrap();
        // What earlier checkpoints and results carry in their identity.
        let earlier = concat!(
            r#"{"batch_size":50,"learning_rate":0.05,"schedule":{"kind":"cosine"},"optimizer":{"kind":"sgd","momentum":0.9,"#,
            r#""dampening":0.0,"weight_decay":0.0005,"nesterov":false},"clip_norm":2.0,"crop_padding":null,"flip":false,"bins":15}"#
        );
        assert_eq!(plain, earlier);
        let schedule = "schedule = { kind = \"reduce-on-plateau\", metric = \"nll\", settings = { patience = 2 } }";
        let groups = "[[recipe.groups]]\nprefix = \"fc.\"\nlearning_rate_factor = 10.0\n[profile.default]";
        let text = good.replace("schedule = { kind = \"cosine\" }", schedule).replace("[profile.default]", groups);
        let text = text.replace("bins = 15", "bins = 15\nema = { decay = 0.99, average_buffers = true }");
        let recipe = Suite::parse(&text, String::new()).unwrap().recipe;
        assert_eq!(recipe.schedule.metric(), Some("nll"));
        let expected = Schedule::ReduceOnPlateau(ReduceOnPlateau { patience: 2, ..Default::default() });
        assert_eq!(recipe.schedule.for_epochs(7), expected);
        assert_eq!(recipe.groups[0].learning_rate_factor, Some(10.0));
        assert_eq!(recipe.ema, Some(EmaConfig { decay: 0.99, average_buffers: true, ..Default::default() }));
        let json = serde_json::to_string(&recipe).unwrap();
        assert!(json.contains("\"groups\":[{\"prefix\":\"fc.\",\"learning_rate_factor\":10.0}]"), "{json}");
        assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
    }

    #[test]
    fn milestones_scale_with_the_epochs() {
        let schedule = RecipeSchedule::MultiStep { fractions: vec![0.4, 0.6], gamma: 0.1 };
        let Schedule::MultiStep { milestones, .. } = schedule.for_epochs(200) else { panic!("another schedule") };
        assert_eq!(milestones, [80, 120]);
    }
}
