//! The matrix of suites, losses and seeds: runs what is not finished, then writes results and report.

use crate::cell::{CellPlan, Place};
use crate::console::Console;
use crate::data::{self, Counted, Facts, Sizes};
use crate::device::prepare;
use crate::jobs;
use crate::options::{Command, Selection};
use crate::pretrained::PretrainedFile;
use crate::report::report;
use crate::results::{Cell, DataSummary, Results, SCHEMA, write_json};
use crate::spec::{DEFAULT_PROFILE, LossEntry, ModelName, Scale, Suite};
use crate::tasks::family;
use crate::workload::Workload;
use anyhow::{Context, Result, bail, ensure};
use candle_core::Device;
use mbls_data::Seed;
use std::fs::{File, TryLockError};
use std::path::Path;

/// Cells on a CPU that are trained side by side unless asked otherwise: each holds a network's activations in memory.
const MOST_JOBS: usize = 4;

/// What is run of one suite.
struct SuiteRun {
    suite: Suite,
    model: ModelName,
    scale: Scale,
}

/// Runs a command to its end: training, results, report.
///
/// # Errors
///
/// The first thing that fails; finished cells stay finished.
pub fn run(command: &Command) -> Result<()> {
    let (suites, selection) = match command {
        Command::Bench { suite, selection } => (vec![Suite::find(suite)?], selection),
        Command::BenchAll(selection) => (at_hand(selection)?, selection),
    };
    let runs = suites.into_iter().map(|suite| SuiteRun::new(suite, selection)).collect::<Result<Vec<_>>>()?;
    let (device, device_name) = selection.device.open()?;
    let out = &selection.out;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let _lock = lock(out)?;
    let console = Console::new();
    let (mut finished, mut data) = (Vec::new(), Vec::new());
    for run in &runs {
        let (cells, summary) = run.cells(selection, &device, device_name, &console)?;
        finished.extend(cells);
        data.push(summary);
    }
    let results = Results { schema: SCHEMA, commit: commit(), device: device_name.to_owned(), data, cells: finished };
    write_json(&out.join("results.json"), &results)?;
    let shown: Vec<_> = runs.iter().map(|run| &run.suite).collect();
    let report = report(&results, &shown, out)?;
    mbls_io::atomic::write(&out.join("report.html"), mbls_report::html(&report).as_bytes())?;
    for suite in &report.suites {
        println!("\n{}\n\n{}", suite.title, mbls_report::markdown(suite));
        suite.notes.iter().for_each(|note| println!("Note: {note}"));
    }
    println!("results: {}\nreport:  {}", out.join("results.json").display(), out.join("report.html").display());
    Ok(())
}

/// The suites of the profile whose data is available; says which are left out and why.
fn at_hand(selection: &Selection) -> Result<Vec<Suite>> {
    let suites = Suite::built_in()?;
    let known = |profile: &str| suites.iter().any(|suite| suite.profile.contains_key(profile));
    ensure!(
        known(&selection.profile),
        "--profile {}: no suite has it; there are default, local, paper",
        selection.profile
    );
    let mut chosen = Vec::new();
    for suite in suites {
        // User-supplied data is not a data set that may lie in a folder of data sets.
        if suite.scale(&selection.profile).is_none() || suite.data.is_ones_own() {
            continue;
        }
        match data::locate(&suite.data, selection.data.as_deref()) {
            Some(_) => chosen.push(suite),
            None => eprintln!("{}: left out, {}", suite.name, data::missing(&suite.data, selection.data.as_deref())),
        }
    }
    Ok(chosen)
}

impl SuiteRun {
    fn new(suite: Suite, selection: &Selection) -> Result<Self> {
        for id in &selection.losses {
            let known: Vec<_> = suite.loss.iter().map(|loss| loss.id.as_str()).collect();
            ensure!(known.contains(&id.as_str()), "--loss {id}: the suite {} has {}", suite.name, known.join(", "));
        }
        let profiles: Vec<_> = suite.profile.keys().map(String::as_str).collect();
        // A suite named on the command line runs at its smallest scale where it has no default one.
        let profile = match selection.profile.as_str() {
            DEFAULT_PROFILE if !profiles.contains(&DEFAULT_PROFILE) => "local",
            asked => asked,
        };
        let mut scale = suite.scale(profile).with_context(|| {
            format!("--profile {}: the suite {} has {}", selection.profile, suite.name, profiles.join(", "))
        })?;
        scale.epochs = selection.epochs.unwrap_or(scale.epochs);
        scale.seeds = selection.seeds.unwrap_or(scale.seeds);
        let model = selection.model.or(scale.model).unwrap_or(suite.model);
        suite.check_model(model)?;
        family(suite.data.task()).measures().check_schedules(&suite).with_context(|| format!("in {}", suite.origin))?;
        let mut suite = suite.at(profile);
        suite.recipe.precision = selection.precision.unwrap_or(suite.recipe.precision);
        Ok(Self { model, suite, scale })
    }

    /// The weights that training starts from: those of the command line, or the recipe's in the folder of the data.
    fn pretrained(&self, selection: &Selection) -> Result<Option<PretrainedFile>> {
        let of_recipe = self.suite.recipe.pretrained.as_ref().filter(|name| !name.is_empty());
        let path = selection.pretrained.clone().or_else(|| {
            of_recipe.map(|name| selection.data.as_ref().map_or_else(|| name.into(), |data| data.join(name)))
        });
        path.map(|path| PretrainedFile::read(&path)).transpose()
    }

    fn losses<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = &'a LossEntry> {
        self.suite.loss.iter().filter(|loss| selection.losses.is_empty() || selection.losses.contains(&loss.id))
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

    /// Counts what the parts of every seed hold, and says so before anything is trained.
    ///
    /// # Errors
    ///
    /// A training part smaller than a batch; in user-supplied data a class without anything to learn
    /// from.
    fn examine(
        &self,
        work: &dyn Workload,
        sizes: Sizes,
        pretrained: Option<&PretrainedFile>,
        console: &Console,
    ) -> Result<DataSummary> {
        let (suite, rule) = (&self.suite, self.scale.split);
        let batch_size = suite.recipe.batch_size;
        let (mut first, mut notes) = (None, work.notes().to_vec());
        let Facts { notes: facts, mut warnings } = work.facts()?;
        notes.extend(facts);
        if suite.data.is_ones_own() && pretrained.is_none() {
            notes.push("no --pretrained: the network starts from random weights".to_owned());
        }
        for seed in 0..self.scale.seeds {
            let counts = work.class_counts(rule, sizes, Seed(seed))?;
            let found = counts.check(suite.data.is_ones_own()).with_context(|| format!("the data of seed {seed}"))?;
            let new = found.into_iter().filter(|warning| !warnings.contains(warning)).collect::<Vec<_>>();
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
            first.get_or_insert(counts);
        }
        let counts = first.context("expected at least one seed")?;
        let summary = DataSummary { suite: suite.name.clone(), seeds: self.scale.seeds, counts, notes, warnings };
        summary.lines(suite.data.is_ones_own()).iter().for_each(|line| console.say(line));
        Ok(summary)
    }

    /// Runs the cells that are not finished; returns all, and what their data is.
    fn cells(
        &self,
        selection: &Selection,
        device: &Device,
        device_name: &str,
        console: &Console,
    ) -> Result<(Vec<Cell>, DataSummary)> {
        prepare(device, self.suite.recipe.precision).with_context(|| format!("in {}", self.suite.origin))?;
        let work = &*self.load(selection, console)?;
        let sizes = work.sizes(&self.scale).with_context(|| format!("in {}", self.suite.origin))?;
        let pretrained = self.pretrained(selection)?;
        let summary = self
            .examine(work, sizes, pretrained.as_ref(), console)
            .with_context(|| format!("in {}", self.suite.origin))?;
        let digest = work.digest();
        let threads = rayon::current_num_threads();
        let workers = selection.workers.unwrap_or(if self.suite.data.is_in_files() { threads } else { 1 });
        let plans: Vec<CellPlan> = self
            .losses(selection)
            .flat_map(|loss| (0..self.scale.seeds).map(move |seed| (loss, seed)))
            .map(|(loss, seed)| CellPlan {
                suite: &self.suite,
                model: self.model,
                loss,
                seed,
                scale: self.scale,
                sizes,
                pretrained: pretrained.as_ref(),
                workers,
                training: selection.training,
                console,
            })
            .collect();
        let mut unfinished = Vec::new();
        let mut cells = Vec::new();
        for plan in &plans {
            let folder = plan.key().folder(&selection.out);
            let identity = plan.identity(digest, device_name)?;
            let before = work.finished(&folder, &identity)?;
            if before.is_none() {
                unfinished.push(move || {
                    let place = Place { identity: &identity, folder: &folder, device };
                    work.run(plan, place).with_context(|| format!("{} (in {})", plan.key(), folder.display()))
                });
            }
            cells.push(before);
        }
        let side_by_side = if device.is_cpu() { threads.min(MOST_JOBS) } else { 1 };
        let mut trained = jobs::run(unfinished, selection.jobs.unwrap_or(side_by_side))?.into_iter();
        let all = cells.into_iter().map(|cell| cell.or_else(|| trained.next()).context("a cell is missing"));
        Ok((all.collect::<Result<_>>()?, summary))
    }
}

/// One process at a time writes into an output folder. The lock goes with the process, however it ends.
fn lock(out: &Path) -> Result<File> {
    let path = out.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("{} is in use by another process", out.display()),
        Err(TryLockError::Error(e)) => Err(e).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// The project's commit: results are worth little without it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output =
            std::process::Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "HEAD"]), git(&["status", "--porcelain", "--untracked-files=no"])) {
        (Some(commit), Some(changes)) if changes.is_empty() => commit,
        (Some(commit), _) => format!("{commit}-dirty"),
        (None, _) => "unknown".to_owned(),
    }
}
