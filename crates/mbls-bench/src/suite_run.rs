//! The runs of one suite: trains unfinished runs in parallel and chooses among the candidates of a
//! sweep.

use crate::cell::{CellPlan, Place};
use crate::console::Console;
use crate::data::{self, Counted, Facts, Sizes};
use crate::device::prepare;
use crate::earlier;
use crate::jobs;
use crate::measure::Description;
use crate::options::Selection;
use crate::pretrained::PretrainedFile;
use crate::results::{Cell, DataSummary, SweepSummary};
use crate::spec::{LossEntry, ModelName, Scale, Suite};
use crate::sweep::{self, Candidate};
use crate::tasks::family;
use crate::workload::Workload;
use anyhow::{Context, Result, ensure};
use candle_core::Device;
use mbls_data::Seed;

/// The default maximum number of runs trained in parallel on a CPU: each holds a network's
/// activations in memory.
const MOST_JOBS: usize = 4;

/// The reported runs of a suite, with its data and sweeps.
pub(crate) struct Finished {
    /// The runs, ordered by loss and seed.
    pub(crate) cells: Vec<Cell>,
    /// The data they were trained and tested on.
    pub(crate) summary: DataSummary,
    /// The sweeps.
    pub(crate) sweeps: Vec<SweepSummary>,
    /// The suite with the chosen settings.
    pub(crate) suite: Suite,
}

/// A suite with the model and profile to run.
pub(crate) struct SuiteRun {
    suite: Suite,
    model: ModelName,
    scale: Scale,
}

impl SuiteRun {
    /// Selects a suite's profile and applies the options of the command line.
    ///
    /// # Errors
    ///
    /// If the suite lacks a requested entry, or a setting is out of range.
    pub(crate) fn new(suite: Suite, profile: &str, selection: &Selection) -> Result<Self> {
        for id in &selection.losses {
            let known: Vec<_> = suite.loss.iter().map(|loss| loss.id.as_str()).collect();
            ensure!(
                known.contains(&id.as_str()),
                "--loss {id}: the suite {} has {}",
                suite.name,
                known.join(", ")
            );
        }
        let mut scale = suite.scale(profile).with_context(|| {
            format!("--profile {profile}: the suite {} has {}", suite.name, suite.profiles())
        })?;
        scale.epochs = selection.epochs.unwrap_or(scale.epochs);
        scale.seeds = selection.seeds.unwrap_or(scale.seeds);
        let asked = selection.model.as_deref().map(|name| suite.model_called(name)).transpose()?;
        let model = asked.or(scale.model).unwrap_or(suite.model);
        family(suite.data.task())
            .measures()
            .check_schedules(&suite)
            .with_context(|| format!("in {}", suite.origin))?;
        let mut suite = suite.at(profile);
        suite.recipe.precision = selection.precision.unwrap_or(suite.recipe.precision);
        let changed = selection.overrides.apply(&mut suite, |loss| selection.runs(&loss.id))?;
        changed.iter().for_each(|line| eprintln!("{line}"));
        let run = Self {
            model,
            suite: suite.checked().context("with the settings of the command line")?,
            scale,
        };
        run.check_losses(selection)?;
        Ok(run)
    }

    /// Checks that the recipe can train the selected losses.
    ///
    /// # Errors
    ///
    /// Class weights with a loss that is not a mean over rows.
    fn check_losses(&self, selection: &Selection) -> Result<()> {
        let Suite { recipe, origin, name, .. } = &self.suite;
        for LossEntry { id, spec, .. } in
            self.losses(selection).filter(|loss| !loss.spec.is_mean_of_rows())
        {
            ensure!(
                recipe.class_weights.is_none(),
                "in {origin}: loss {id:?}: recipe.class_weights: expected none, because the loss uses a statistic of the whole batch"
            );
            if recipe.accumulate > 1 {
                eprintln!(
                    "{name}: the loss {id} ({}) uses a statistic of each batch: with recipe.accumulate its gradient is the mean over the \
                     batches, not that of one large batch",
                    spec.build()?.name()
                );
            }
        }
        Ok(())
    }

    /// Reads the pretrained weights: those of the command line, or the recipe's in the data folder.
    fn pretrained(&self, selection: &Selection) -> Result<Option<PretrainedFile>> {
        let of_recipe = self.suite.recipe.pretrained.as_ref().filter(|name| !name.is_empty());
        let path = selection.pretrained.clone().or_else(|| {
            of_recipe.map(|name| {
                selection.data.as_ref().map_or_else(|| name.into(), |data| data.join(name))
            })
        });
        path.map(|path| PretrainedFile::read(&path)).transpose()
    }

    fn losses<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = &'a LossEntry> {
        self.suite.loss.iter().filter(|loss| selection.runs(&loss.id))
    }

    /// Reads the suite's data.
    ///
    /// # Errors
    ///
    /// If data is missing or malformed.
    fn load(&self, selection: &Selection, console: &Console) -> Result<Box<dyn Workload + '_>> {
        let (suite, data) = (&self.suite, selection.data.as_deref());
        let folder = data::locate(&suite.data, data)
            .with_context(|| format!("{}: {}", suite.name, data::missing(&suite.data, data)))?;
        family(suite.data.task()).load(suite, &folder, selection, console)
    }

    /// Counts the classes in the parts of every seed and prints a summary before training. Returns
    /// it, with the class weights of each seed if the recipe has any.
    ///
    /// # Errors
    ///
    /// If the training part is smaller than a batch, a class of user-supplied data has no training
    /// samples, or the weights are for other classes.
    fn examine(
        &self,
        work: &dyn Workload,
        sizes: Sizes,
        batch_size: usize,
        pretrained: Option<&PretrainedFile>,
        console: &Console,
    ) -> Result<(DataSummary, Vec<Option<Vec<f64>>>)> {
        let (suite, rule) = (&self.suite, self.scale.split);
        let mut class_weights = Vec::new();
        let (mut first, mut notes) = (None, work.notes().to_vec());
        let Facts { notes: facts, mut warnings } = work.facts()?;
        notes.extend(facts);
        if suite.data.is_ones_own() && pretrained.is_none() {
            notes.push("no --pretrained: the network starts from random weights".to_owned());
        }
        for seed in 0..self.scale.seeds {
            let counts = work.class_counts(rule, sizes, Seed(seed))?;
            let found = counts
                .check(suite.data.is_ones_own())
                .with_context(|| format!("the data of seed {seed}"))?;
            let new =
                found.into_iter().filter(|warning| !warnings.contains(warning)).collect::<Vec<_>>();
            warnings.extend(new);
            // For masks pixels are counted, for all other data samples.
            let train = match counts.counted {
                Counted::Pixels => sizes.train,
                Counted::Images | Counted::Texts => counts.train.total() as usize,
            };
            ensure!(
                train >= batch_size,
                "the training part has {train} samples, fewer than the {batch_size} of one batch (recipe.batch_size)"
            );
            if train < sizes.train && first.is_none() {
                let all = sizes.train;
                notes.push(format!(
                    "training uses {train} of {all} texts: the others are copies of validation or test texts"
                ));
            }
            let weights = suite.recipe.class_weights.as_ref();
            let weights = weights
                .map(|weights| weights.of_classes(&counts.names, &counts.train.classes))
                .transpose()?;
            if let Some(weights) = weights.as_ref().filter(|_| seed == 0) {
                notes.push(format!(
                    "class weights of seed 0: {}",
                    weights_in_words(&counts.names, weights)
                ));
            }
            class_weights.push(weights);
            first.get_or_insert(counts);
        }
        let counts = first.context("expected at least one seed")?;
        let summary = DataSummary {
            suite: suite.name.clone(),
            seeds: self.scale.seeds,
            counts,
            notes,
            warnings,
        };
        summary.lines(suite.data.is_ones_own()).iter().for_each(|line| console.say(line));
        Ok((summary, class_weights))
    }

    /// Trains the unfinished runs, chooses among candidate settings, and returns what is reported.
    ///
    /// # Errors
    ///
    /// The first failure; finished runs stay finished.
    pub(crate) fn finish(
        &self,
        selection: &Selection,
        device: &Device,
        device_name: &str,
        console: &Console,
    ) -> Result<Finished> {
        prepare(device, self.suite.recipe.precision)
            .with_context(|| format!("in {}", self.suite.origin))?;
        let measures = family(self.suite.data.task()).measures();
        let metric = measures.compared(selection.sweep.metric())?;
        let losses: Vec<&LossEntry> = self.losses(selection).collect();
        let tried = selection.sweep.of_losses(&self.suite, &losses)?;
        let work = &*self.load(selection, console)?;
        let sizes = work.sizes(&self.scale).with_context(|| format!("in {}", self.suite.origin))?;
        let batch_sizes = tried.iter().flatten().map(|candidate| candidate.suite.recipe.batch_size);
        let largest = batch_sizes.max().unwrap_or(self.suite.recipe.batch_size);
        let pretrained = self.pretrained(selection)?;
        let (summary, class_weights) = self
            .examine(work, sizes, largest, pretrained.as_ref(), console)
            .with_context(|| format!("in {}", self.suite.origin))?;
        let digest = work.digest();
        let threads = rayon::current_num_threads();
        let workers =
            selection.workers.unwrap_or(if self.suite.data.is_in_files() { threads } else { 1 });
        let mut plans = Vec::new();
        for candidate in tried.iter().flatten() {
            let early_stopping = measures.early_stopping(&candidate.suite.recipe)?;
            plans.extend((0..).zip(&class_weights).map(|(seed, class_weights)| CellPlan {
                suite: &candidate.suite,
                model: self.model,
                loss: &candidate.loss,
                candidate: candidate.label.as_deref(),
                seed,
                class_weights: class_weights.clone(),
                early_stopping: early_stopping.clone(),
                scale: self.scale,
                sizes,
                pretrained: pretrained.as_ref(),
                workers,
                training: selection.training,
                console,
            }));
        }
        let mut unfinished = Vec::new();
        let mut cells = Vec::new();
        for plan in &plans {
            let folder = plan.key().folder(&selection.out);
            let identity = plan.identity(digest, device_name)?;
            if let Some(place) = earlier::check(&folder, &identity, selection.fresh)? {
                console.say(&format!(
                    "{}: restarted; the earlier run was moved to {}",
                    plan.key(),
                    place.display()
                ));
            }
            let before = work.finished(&folder, &identity)?;
            if before.is_some() {
                console.say(&format!("{}: already finished", plan.key()));
            } else {
                unfinished.push(move || {
                    let place = Place { identity: &identity, folder: &folder, device };
                    let cell = work.run(plan, place);
                    let cell =
                        cell.with_context(|| format!("{} (in {})", plan.key(), folder.display()));
                    failed_where_tried(plan, cell)
                });
            }
            cells.push(before);
        }
        let side_by_side = if device.is_cpu() { threads.min(MOST_JOBS) } else { 1 };
        let mut trained =
            jobs::run(unfinished, selection.jobs.unwrap_or(side_by_side))?.into_iter();
        let mut all = Vec::new();
        for cell in cells {
            all.push(match cell {
                Some(cell) => Some(cell),
                None => trained.next().context("a run is missing")?,
            });
        }
        self.choose(&tried, all, summary, metric, console)
    }

    /// Chooses the settings of each loss with several candidates. `cells` are the runs of all seeds
    /// of each candidate, `None` for failed runs.
    fn choose(
        &self,
        tried: &[Vec<Candidate>],
        cells: Vec<Option<Cell>>,
        summary: DataSummary,
        metric: Description,
        console: &Console,
    ) -> Result<Finished> {
        let (mut cells, seeds) = (cells.into_iter(), self.scale.seeds as usize);
        let mut finished =
            Finished { cells: Vec::new(), summary, sweeps: Vec::new(), suite: self.suite.clone() };
        for candidates in tried {
            let of_candidate = |_: &Candidate| {
                let of_seeds: Vec<Option<Cell>> = cells.by_ref().take(seeds).collect();
                of_seeds.into_iter().collect::<Option<Vec<Cell>>>()
            };
            let mut of_all: Vec<_> = candidates.iter().map(of_candidate).collect();
            let mut chosen = 0;
            if candidates.iter().any(|candidate| candidate.label.is_some()) {
                let (place, sweep) = sweep::choose(candidates, &of_all, metric)?;
                sweep.lines(metric).iter().for_each(|line| console.say(line));
                finished.sweeps.push(sweep);
                chosen = place;
            }
            finished.cells.extend(of_all.swap_remove(chosen).context("a run is missing")?);
            let of_chosen = &candidates[chosen].loss;
            for loss in finished.suite.loss.iter_mut().filter(|loss| loss.id == of_chosen.id) {
                *loss = of_chosen.clone();
            }
        }
        Ok(finished)
    }
}

/// Ignores a run of a sweep whose loss or gradient is not finite, for example because the learning
/// rate is too high.
fn failed_where_tried(plan: &CellPlan, cell: Result<Cell>) -> Result<Option<Cell>> {
    let error = match cell {
        Ok(cell) => return Ok(Some(cell)),
        Err(error) if plan.candidate.is_none() => return Err(error),
        Err(error) => error,
    };
    let diverged = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(mbls_train::Error::NonFinite { .. }))
    };
    if !error.chain().any(diverged) {
        return Err(error);
    }
    plan.console.say(&format!("{}: excluded from the choice: {}", plan.key(), error.root_cause()));
    Ok(None)
}

/// Lists classes with their weights: `"cat" 0.56, "dog" 1.67`.
fn weights_in_words(names: &[String], weights: &[f64]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<_> = names
        .iter()
        .zip(weights)
        .take(SHOWN)
        .map(|(name, weight)| format!("{name:?} {weight:.4}"))
        .collect();
    let others = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        others => format!(" and {others} others"),
    };
    shown.join(", ") + &others
}
