//! Suites: what the benchmark trains and measures, as data. One TOML file each, in `suites/`.

use super::recipe::RecipeTable;
use super::{Amount, DataSpec, LossEntry, ModelName, Recipe, Scale, ShiftSpec, TaskKind};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The suites that the program carries, in the order in which they run.
pub(super) const BUILT_IN: [&str; 13] = [
    include_str!("../../suites/digits.toml"),
    include_str!("../../suites/digits-noisy.toml"),
    include_str!("../../suites/mnist.toml"),
    include_str!("../../suites/cifar10.toml"),
    include_str!("../../suites/cifar100.toml"),
    include_str!("../../suites/tiny-imagenet.toml"),
    include_str!("../../suites/cub.toml"),
    include_str!("../../suites/imagefolder.toml"),
    include_str!("../../suites/voc2012.toml"),
    include_str!("../../suites/camvid.toml"),
    include_str!("../../suites/vocfolder.toml"),
    include_str!("../../suites/20newsgroups.toml"),
    include_str!("../../suites/textfile.toml"),
];

/// The profile that needs no data but the repository's own and finishes in minutes.
pub const DEFAULT_PROFILE: &str = "default";

/// A data set, a model, a recipe and the losses that are compared on them.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// What the command line and the results call it.
    pub name: String,
    /// A heading.
    pub title: String,
    /// What it shows, for the report.
    pub description: String,
    /// What a reader has to know: how settings were chosen, what not to conclude.
    pub notes: Vec<String>,
    /// The data set.
    pub data: DataSpec,
    /// The model that runs where none is named.
    pub model: ModelName,
    /// What every loss is trained with.
    pub recipe: Recipe,
    /// The same for profiles that change it: `[profile.NAME.recipe]` has the fields that differ.
    pub recipes: BTreeMap<String, Recipe>,
    /// How much is run, by profile.
    pub profile: BTreeMap<String, Scale>,
    /// The losses; the first one is the baseline.
    pub loss: Vec<LossEntry>,
    /// The tests of the trained networks under distribution shift, where there are any.
    pub shift: Option<ShiftSpec>,
    /// Where it stands, for errors.
    pub origin: String,
}

/// A suite file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuiteTable {
    name: String,
    title: String,
    description: String,
    #[serde(default)]
    notes: Vec<String>,
    data: DataSpec,
    model: ModelName,
    recipe: RecipeTable,
    profile: BTreeMap<String, Scale>,
    loss: Vec<LossEntry>,
    shift: Option<ShiftSpec>,
}

impl Suite {
    /// The suite called `name`, or the one in the file `name` where that ends in `.toml`.
    ///
    /// # Errors
    ///
    /// An unknown name, with the known ones; a file that is not a suite.
    pub fn find(name: &str) -> Result<Self> {
        if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(name)
                .with_context(|| format!("cannot read the suite file {name}"))?;
            let suite = Self::parse(&text, format!("the suite file {name}"))?;
            suite.check_name().with_context(|| format!("in {}", suite.origin))?;
            return Ok(suite);
        }
        let suites = Self::built_in()?;
        let known = suites.iter().map(|suite| suite.name.as_str()).collect::<Vec<_>>().join(", ");
        match suites.iter().find(|suite| suite.name == name) {
            Some(suite) => Ok(suite.clone()),
            None => bail!(
                "there is no suite \"{name}\": expected one of {known}, or a file that ends in .toml; bench --list says what they are"
            ),
        }
    }

    /// Checks that a suite from a file does not have the name of a built-in one with other content:
    /// their runs would have the same folder.
    fn check_name(&self) -> Result<()> {
        let built_in = Self::built_in()?;
        let same_name = built_in.into_iter().find(|suite| suite.name == self.name);
        let changed =
            same_name.is_some_and(|suite| Self { origin: self.origin.clone(), ..suite } != *self);
        ensure!(
            !changed,
            "name = {0:?}: the built-in suite of that name has another content: expected a name of its own, such as \"my-{0}\"",
            self.name
        );
        Ok(())
    }

    /// All suites that the program carries.
    ///
    /// # Errors
    ///
    /// A built-in file that is not a suite; a test rules that out.
    pub fn built_in() -> Result<Vec<Self>> {
        BUILT_IN.iter().map(|text| Self::parse(text, "a built-in suite".to_owned())).collect()
    }

    /// Reads the text of a suite file; `origin` names it in errors.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what was expected.
    pub fn parse(text: &str, origin: String) -> Result<Self> {
        let suite =
            Self::read(text).and_then(Self::checked).with_context(|| format!("in {origin}"))?;
        Ok(Self { origin, ..suite })
    }

    fn read(text: &str) -> Result<Self> {
        let mut table: toml::Table = text.parse()?;
        let changes = take_recipe_changes(&mut table);
        let base = table.get("recipe").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        let SuiteTable {
            name,
            title,
            description,
            notes,
            data,
            model,
            recipe,
            profile,
            loss,
            shift,
        } = table.try_into()?;
        let kind = data.task();
        let mut recipes = BTreeMap::new();
        for (profile, changed) in changes {
            let mut table = base.clone();
            table.extend(changed);
            let recipe = || -> Result<Recipe> { table.try_into::<RecipeTable>()?.for_task(kind) };
            let recipe = recipe().with_context(|| format!("profile.{profile}.recipe"))?;
            recipes.insert(profile, recipe);
        }
        let (recipe, origin) = (recipe.for_task(kind)?, String::new());
        Ok(Self {
            name,
            title,
            description,
            notes,
            data,
            model,
            recipe,
            recipes,
            profile,
            loss,
            shift,
            origin,
        })
    }

    /// Checks what reading does not, also of a suite whose settings were changed.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what was expected.
    pub fn checked(self) -> Result<Self> {
        let suite = self;
        let plain = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
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
            ensure!(
                suite.loss[..i].iter().all(|other| other.id != loss.id),
                "loss.id = {:?} is there twice",
                loss.id
            );
            // Of any data: what follows from them is known later.
            loss.spec.for_data(2, 2).build().with_context(|| format!("loss {:?}", loss.id))?;
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
            kind == TaskKind::Images || suite.shift.is_none(),
            "shift: expected for {} alone, and the data are {kind}",
            TaskKind::Images
        );
        suite.check_model(suite.model)?;
        suite.recipe.validate()?;
        for (name, recipe) in &suite.recipes {
            recipe.validate().with_context(|| format!("profile.{name}"))?;
        }
        for (name, scale) in &suite.profile {
            scale
                .model
                .map_or(Ok(()), |model| suite.check_model(model))
                .with_context(|| format!("profile.{name}"))?;
        }
        Ok(suite)
    }

    /// Whether a model is made for the suite's data.
    ///
    /// # Errors
    ///
    /// Where it is made for other data.
    pub fn check_model(&self, model: ModelName) -> Result<()> {
        let suits = match self.data.task() {
            TaskKind::Images => model.classifier().map(drop),
            TaskKind::Segmentation => model.segmentation().map(drop),
            TaskKind::Texts => model.text().map(drop),
        };
        suits.with_context(|| format!("the suite {}", self.name))
    }

    /// Returns the model called `name`, for the suite's data.
    ///
    /// # Errors
    ///
    /// An unknown name, or that of a model for other data, with the names there are.
    pub fn model_called(&self, name: &str) -> Result<ModelName> {
        let task = self.data.task();
        let known = ModelName::all(task);
        ensure!(
            known.iter().any(|known| known == name),
            "--model {name}: the suite {} is of {task}: expected one of {}",
            self.name,
            known.join(", ")
        );
        Ok(name.parse()?)
    }

    /// Returns how much `profile` runs; `None` where the suite has no profile of that name.
    pub fn scale(&self, profile: &str) -> Option<Scale> {
        self.profile.get(profile).copied()
    }

    /// Returns the names of the profiles, for errors: `default, local`.
    pub fn profiles(&self) -> String {
        self.profile.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// This suite with the recipe of `profile`.
    #[must_use]
    pub fn at(mut self, profile: &str) -> Self {
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
