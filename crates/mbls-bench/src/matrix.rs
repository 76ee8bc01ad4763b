//! The matrix of suites, losses and seeds: runs what is not finished, then writes results and report.

use crate::cell::{CellKey, CellPlan};
use crate::data::{self, DataSpec, Source};
use crate::model::ModelName;
use crate::options::{Command, Selection};
use crate::pretrained::PretrainedFile;
use crate::results::{Cell, CellFile, Results, SCHEMA, write_json};
use crate::shift::ShiftSource;
use crate::suite::{DEFAULT_PROFILE, LossEntry, Scale, Suite};
use crate::{jobs, summary};
use anyhow::{Context, Result, bail, ensure};
use candle_core::Device;
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
pub(crate) fn run(command: &Command) -> Result<()> {
    let (suites, selection) = match command {
        Command::Bench { suite, selection } => (vec![Suite::find(suite)?], selection),
        Command::BenchAll(selection) => (at_hand(selection)?, selection),
    };
    let runs = suites.into_iter().map(|suite| SuiteRun::new(suite, selection)).collect::<Result<Vec<_>>>()?;
    let (device, device_name) = selection.device.open()?;
    let out = &selection.out;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let _lock = lock(out)?;
    let mut finished = Vec::new();
    for run in &runs {
        finished.extend(run.cells(selection, &device, device_name)?);
    }
    let results = Results { schema: SCHEMA, commit: commit(), device: device_name.to_owned(), cells: finished };
    write_json(&out.join("results.json"), &results)?;
    let shown: Vec<_> = runs.iter().map(|run| &run.suite).collect();
    let report = summary::report(&results, &shown, out)?;
    mbls_nn::atomic::write(&out.join("report.html"), mbls_report::html(&report).as_bytes())?;
    for suite in &report.suites {
        println!("\n{}\n\n{}", suite.title, mbls_report::markdown(suite));
    }
    println!("results: {}\nreport:  {}", out.join("results.json").display(), out.join("report.html").display());
    Ok(())
}

/// The suites of the profile whose data is at hand; says which are left out and why.
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
        // The pictures of somebody's own are no data set that may lie in a folder of data sets.
        if suite.scale(&selection.profile).is_none() || suite.data == DataSpec::Imagefolder {
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

    /// Runs the cells that are not finished; returns all.
    fn cells(&self, selection: &Selection, device: &Device, device_name: &str) -> Result<Vec<Cell>> {
        self.suite.recipe.precision.prepare(device).with_context(|| format!("in {}", self.suite.origin))?;
        let spec = &self.suite.data;
        let folder = data::locate(spec, selection.data.as_deref())
            .with_context(|| format!("{}: {}", self.suite.name, data::missing(spec, selection.data.as_deref())))?;
        let files = selection.files();
        let source = &Source::load(spec, &folder, files)?;
        let sizes = source.sizes(&self.scale).with_context(|| format!("in {}", self.suite.origin))?;
        let pretrained = self.pretrained(selection)?;
        let shift = match &self.suite.shift {
            Some(spec) => Some(ShiftSource::load(spec, &self.suite.name, selection.data.as_deref(), files)?),
            None => None,
        };
        let shift = shift.as_ref();
        let threads = rayon::current_num_threads();
        let workers = selection.workers.unwrap_or(if spec.is_in_files() { threads } else { 1 });
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
            })
            .collect();
        let mut unfinished = Vec::new();
        let mut cells = Vec::new();
        for plan in &plans {
            let folder = plan.key().folder(&selection.out);
            let identity = plan.identity(source, device_name)?;
            let trained = finished(&folder, &identity)?;
            let tested = match (&trained, shift) {
                (Some(_), Some(shift)) => shift.finished(&folder, &identity)?,
                _ => None,
            };
            if let Some(cell) = &trained
                && tested.is_some() == shift.is_some()
            {
                cells.push(Some(Cell { shift: tested, ..cell.clone() }));
                continue;
            }
            cells.push(None);
            unfinished.push(move || {
                let context = || format!("{} (in {})", describe(&plan.key()), folder.display());
                let mut cell = match trained {
                    Some(cell) => cell,
                    None => {
                        let cell = plan.run(source, identity.clone(), &folder, device).with_context(context)?;
                        announce(&cell, plan.sizes.train);
                        cell
                    }
                };
                if let Some(shift) = shift {
                    cell.shift = Some(shift.run(plan, source, &identity, &folder, device).with_context(context)?);
                }
                Ok(cell)
            });
        }
        let side_by_side = if device.is_cpu() { threads.min(MOST_JOBS) } else { 1 };
        let mut trained = jobs::run(unfinished, selection.jobs.unwrap_or(side_by_side))?.into_iter();
        cells.into_iter().map(|cell| cell.or_else(|| trained.next()).context("a cell is missing")).collect()
    }
}

/// The result in `folder`, if it is there and is that of `identity`.
fn finished(folder: &Path, identity: &str) -> Result<Option<Cell>> {
    let path = folder.join("result.json");
    let Some(file) = CellFile::read(&path)? else {
        return Ok(None);
    };
    if file.identity != identity {
        bail!(
            "{}: identity: this result belongs to other settings or data; delete the folder {} or choose another --out\n  \
             expected {identity}\n  found    {}",
            path.display(),
            folder.display(),
            file.identity
        );
    }
    Ok(Some(file.cell))
}

fn describe(key: &CellKey) -> String {
    format!("{}, {}, {}, seed {}", key.suite, key.model.as_str(), key.loss, key.seed)
}

fn announce(cell: &Cell, pictures: usize) {
    let value = |name: &str| cell.metrics.get(name).copied().unwrap_or(f64::NAN);
    mbls_train::say(&format!(
        "{}: accuracy {:.2} %, ECE {:.2} % on {} pictures; {:.1} s, {:.0} pictures/s",
        describe(&cell.key),
        100.0 * value("accuracy"),
        100.0 * value("ece"),
        cell.n,
        cell.seconds,
        (pictures * cell.epochs) as f64 / cell.seconds
    ));
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
