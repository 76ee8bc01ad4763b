//! The runs of one suite: what is not finished is trained, side by side, and settings that are
//! tried are chosen from.

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

/// Cells on a CPU that are trained side by side unless asked otherwise: each holds a network's
/// activations in memory.
const MOST_JOBS: usize = 4;

/// The cells of a suite that are reported, and what else was found.
pub(crate) struct Finished {
    /// The cells, in the order of losses and seeds.
    pub(crate) cells: Vec<Cell>,
    /// What they were trained and tested on.
    pub(crate) summary: DataSummary,
    /// The settings that were tried.
    pub(crate) sweeps: Vec<SweepSummary>,
    /// The suite with the settings that were chosen.
    pub(crate) suite: Suite,
}

/// What is run of one suite.
pub(crate) struct SuiteRun {
    suite: Suite,
    model: ModelName,
    scale: Scale,
}

impl SuiteRun {
    /// Takes a suite at a profile, changed as the command line says.
    ///
    /// # Errors
    ///
    /// What the suite does not have, and settings that are out of their range.
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

    /// Checks that the losses that are run can be trained by the recipe.
    ///
    /// # Errors
    ///
    /// Class weights beside a loss that is no mean of rows.
    fn check_losses(&self, selection: &Selection) -> Result<()> {
        let Suite { recipe, origin, name, .. } = &self.suite;
        for LossEntry { id, spec, .. } in
            self.losses(selection).filter(|loss| !loss.spec.is_mean_of_rows())
        {
            ensure!(
                recipe.class_weights.is_none(),
                "in {origin}: loss {id:?}: recipe.class_weights: expected none, because the loss has a statistic of the whole batch"
            );
            if recipe.accumulate > 1 {
                eprintln!(
                    "{name}: the loss {id} ({}) has a statistic of each batch: with recipe.accumulate its gradient is the mean of the \
                     batches', not that of a big batch",
                    spec.build()?.name()
                );
            }
        }
        Ok(())
    }

    /// The weights that training starts from: those of the command line, or the recipe's in the
    /// folder of the data.
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
    /// Data that is missing or not as it should be.
    fn load(&self, selection: &Selection, console: &Console) -> Result<Box<dyn Workload + '_>> {
        let (suite, data) = (&self.suite, selection.data.as_deref());
        let folder = data::locate(&suite.data, data)
            .with_context(|| format!("{}: {}", suite.name, data::missing(&suite.data, data)))?;
        family(suite.data.task()).load(suite, &folder, selection, console)
    }

    /// Counts what the parts of every seed hold, and says so before anything is trained; returns
    /// the weights of the classes of each seed too, where the recipe has such.
    ///
    /// # Errors
    ///
    /// A training part smaller than a batch; in user-supplied data a class without anything to
    /// learn from; weights for other classes.
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
            // Of masks pixels are counted, of all others what is trained on.
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
                    "{train} of {all} texts are trained on: the others are copies of validation or test texts"
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

    /// Runs the cells that are not finished, and chooses where settings are tried; returns what is
    /// reported.
    ///
    /// # Errors
    ///
    /// The first thing that fails; finished cells stay finished.
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
                    "{}: started again; what was there is in {}",
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
                None => trained.next().context("a cell is missing")?,
            });
        }
        self.choose(&tried, all, summary, metric, console)
    }

    /// Chooses the settings of each loss that tried several. `cells` are those of all seeds of each
    /// candidate, none where one failed.
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
            finished.cells.extend(of_all.swap_remove(chosen).context("a cell is missing")?);
            let of_chosen = &candidates[chosen].loss;
            for loss in finished.suite.loss.iter_mut().filter(|loss| loss.id == of_chosen.id) {
                *loss = of_chosen.clone();
            }
        }
        Ok(finished)
    }
}

/// A run whose loss or gradient is not finite is none where settings are tried: a learning rate
/// that is too high, of several.
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
    plan.console.say(&format!("{}: not to be chosen: {}", plan.key(), error.root_cause()));
    Ok(None)
}

/// Some classes with their weights: `"cat" 0.56, "dog" 1.67`.
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
