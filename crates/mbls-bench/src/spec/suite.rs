//! Suites: definitions of benchmarks, one TOML file each in `suites/`.

use super::recipe::RecipeTable;
use super::{Amount, DataSpec, LossEntry, ModelName, Recipe, Scale, ShiftSpec, TaskKind};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The built-in suites, in the order in which `bench-all` runs them.
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

/// The profile that needs only the repository's data and finishes in minutes.
pub const DEFAULT_PROFILE: &str = "default";

/// A data set, a model, a recipe and the losses to compare.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// The name on the command line and in results.
    pub name: String,
    /// The heading.
    pub title: String,
    /// A description for the report.
    pub description: String,
    /// Notes on the interpretation: how settings were chosen, which conclusions the results do not
    /// support.
    pub notes: Vec<String>,
    /// The data set.
    pub data: DataSpec,
    /// The default model.
    pub model: ModelName,
    /// The training settings shared by all losses.
    pub recipe: Recipe,
    /// The recipes of profiles that change it: `[profile.NAME.recipe]` contains the fields that
    /// differ.
    pub recipes: BTreeMap<String, Recipe>,
    /// The sizes by profile.
    pub profile: BTreeMap<String, Scale>,
    /// The losses; the first one is the baseline.
    pub loss: Vec<LossEntry>,
    /// The tests of the trained networks under distribution shift, if any.
    pub shift: Option<ShiftSpec>,
    /// The origin of the suite, for error messages.
    pub origin: String,
}

/// The contents of a suite file.
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
    /// Returns the suite called `name`, or the one in the file `name` if it ends in `.toml`.
    ///
    /// # Errors
    ///
    /// If the name is unknown, with the known names; if a file is not a suite.
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
                "there is no suite \"{name}\": expected one of {known}, or a file that ends in .toml; bench --list describes them"
            ),
        }
    }

    /// Checks that a suite from a file does not have the name of a built-in one with different
    /// content: their runs would share a folder.
    fn check_name(&self) -> Result<()> {
        let built_in = Self::built_in()?;
        let same_name = built_in.into_iter().find(|suite| suite.name == self.name);
        let changed =
            same_name.is_some_and(|suite| Self { origin: self.origin.clone(), ..suite } != *self);
        ensure!(
            !changed,
            "name = {0:?}: the built-in suite of that name has different content: expected another name, such as \"my-{0}\"",
            self.name
        );
        Ok(())
    }

    /// Returns all built-in suites.
    ///
    /// # Errors
    ///
    /// If a built-in file is not a suite; a test rules this out.
    pub fn built_in() -> Result<Vec<Self>> {
        BUILT_IN.iter().map(|text| Self::parse(text, "a built-in suite".to_owned())).collect()
    }

    /// Parses a suite file; `origin` names it in error messages.
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

    /// Checks what deserialisation does not, also after settings were changed.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what was expected.
    pub fn checked(self) -> Result<Self> {
        let suite = self;
        let plain = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        // Names become folder names.
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
                "loss.id = {:?} is given twice",
                loss.id
            );
            // Check with placeholder sizes: rules that depend on the data are resolved later.
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
            "shift: expected only for {}, but the data are {kind}",
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

    /// Checks that a model fits the suite's task.
    ///
    /// # Errors
    ///
    /// If it is for another task.
    pub fn check_model(&self, model: ModelName) -> Result<()> {
        let suits = match self.data.task() {
            TaskKind::Images => model.classifier().map(drop),
            TaskKind::Segmentation => model.segmentation().map(drop),
            TaskKind::Texts => model.text().map(drop),
        };
        suits.with_context(|| format!("the suite {}", self.name))
    }

    /// Returns the model called `name` for the suite's task.
    ///
    /// # Errors
    ///
    /// If the name is unknown or of a model for another task; lists the valid names.
    pub fn model_called(&self, name: &str) -> Result<ModelName> {
        let task = self.data.task();
        let known = ModelName::all(task);
        ensure!(
            known.iter().any(|known| known == name),
            "--model {name}: the suite {} has {task}: expected one of {}",
            self.name,
            known.join(", ")
        );
        Ok(name.parse()?)
    }

    /// Returns the size of `profile`; `None` if the suite has no such profile.
    pub fn scale(&self, profile: &str) -> Option<Scale> {
        self.profile.get(profile).copied()
    }

    /// Returns the names of the profiles for error messages: `default, local`.
    pub fn profiles(&self) -> String {
        self.profile.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Returns this suite with the recipe of `profile`.
    #[must_use]
    pub fn at(mut self, profile: &str) -> Self {
        if let Some(recipe) = self.recipes.remove(profile) {
            self.recipe = recipe;
        }
        self
    }
}

/// Removes the `recipe` from each profile and returns them.
fn take_recipe_changes(suite: &mut toml::Table) -> Vec<(String, toml::Table)> {
    let Some(toml::Value::Table(profiles)) = suite.get_mut("profile") else { return Vec::new() };
    let changes = profiles.iter_mut().filter_map(|(name, profile)| {
        let profile = profile.as_table_mut()?;
        // Leave anything else in place, where it is reported as unknown.
        let changed = profile.get("recipe")?.as_table()?.clone();
        profile.remove("recipe");
        Some((name.clone(), changed))
    });
    changes.collect()
}
