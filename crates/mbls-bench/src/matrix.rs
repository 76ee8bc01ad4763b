//! The matrix of suites, losses and seeds: runs what is not finished, then writes the results and
//! the report.

use crate::commit::commit;
use crate::console::Console;
use crate::data;
use crate::export;
use crate::help::suite_list;
use crate::options::{Command, Selection};
use crate::predict;
use crate::report::report;
use crate::results::{Results, SCHEMA, write_json};
use crate::spec::{DEFAULT_PROFILE, Suite};
use crate::suite_run::SuiteRun;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{File, TryLockError};
use std::path::Path;

/// The profile used for a suite named on the command line if it has no default profile: the
/// smallest.
const SMALLEST_PROFILE: &str = "local";

/// Executes a command: training, results, report.
///
/// # Errors
///
/// The first failure; finished runs stay finished.
pub fn run(command: &Command) -> Result<()> {
    let (suites, selection) = match command {
        Command::Bench { list: true, selection, .. } => {
            print!("{}", suite_list()?.print(selection.data.as_deref()));
            return Ok(());
        }
        Command::Bench { suite, selection, .. } => {
            let suite =
                suite.as_deref().context("SUITE: expected the name of a suite, or a suite file")?;
            (vec![named(suite, selection)?], selection)
        }
        Command::BenchAll(selection) => (available(selection)?, selection),
        Command::Predict(options) => return predict::run(options),
        Command::Export(options) => return export::run(options),
    };
    selection.sweep.check(&selection.overrides)?;
    let runs = suites.into_iter().map(|(suite, profile)| SuiteRun::new(suite, &profile, selection));
    let runs = runs.collect::<Result<Vec<_>>>()?;
    let (device, device_name) = selection.device.open()?;
    let out = &selection.out;
    std::fs::create_dir_all(out)
        .with_context(|| format!("cannot create the folder {}", out.display()))?;
    let _lock = lock(out)?;
    let console = Console::new();
    let (mut cells, mut data, mut sweeps, mut shown) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in &runs {
        let finished = run.finish(selection, &device, device_name, &console)?;
        cells.extend(finished.cells);
        data.push(finished.summary);
        sweeps.extend(finished.sweeps);
        shown.push(finished.suite);
    }
    let results = Results {
        schema: SCHEMA,
        commit: commit(),
        device: device_name.to_owned(),
        data,
        sweeps,
        cells,
    };
    write_json(&out.join("results.json"), &results)?;
    let report = report(&results, &shown.iter().collect::<Vec<_>>(), out)?;
    mbls_io::atomic::write(&out.join("report.html"), mbls_report::html(&report).as_bytes())?;
    for suite in &report.suites {
        println!("\n{}\n\n{}", suite.title, mbls_report::markdown(suite));
        suite.notes.iter().for_each(|note| println!("Note: {note}"));
    }
    println!(
        "results: {}\nreport:  {}",
        out.join("results.json").display(),
        out.join("report.html").display()
    );
    Ok(())
}

/// Returns a suite by its name or file, with the profile to run: the requested one, else the
/// default, else the smallest.
fn named(suite: &str, selection: &Selection) -> Result<(Suite, String)> {
    let suite = Suite::find(suite)?;
    let profile = match &selection.profile {
        Some(asked) => asked,
        None if suite.scale(DEFAULT_PROFILE).is_none()
            && suite.scale(SMALLEST_PROFILE).is_some() =>
        {
            eprintln!("{}: no --profile given, running its profile {SMALLEST_PROFILE}", suite.name);
            SMALLEST_PROFILE
        }
        None => DEFAULT_PROFILE,
    };
    let profile = profile.to_owned();
    Ok((suite, profile))
}

/// Returns the suites whose data is available, with the profile to run: the requested one, else the
/// default, which is the only one of suites on the repository's data. Prints which suites are
/// skipped or run with another profile, and why.
fn available(selection: &Selection) -> Result<Vec<(Suite, String)>> {
    let suites = Suite::built_in()?;
    if let Some(asked) = &selection.profile {
        let mut known: Vec<&str> =
            suites.iter().flat_map(|suite| suite.profile.keys().map(String::as_str)).collect();
        known.sort_unstable();
        known.dedup();
        ensure!(
            known.contains(&asked.as_str()),
            "--profile {asked}: no suite has it; available: {}",
            known.join(", ")
        );
    }
    let asked = selection.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
    let mut chosen = Vec::new();
    for suite in suites {
        let name = suite.name.clone();
        // User-supplied data is not in the folder of data sets.
        if suite.data.is_ones_own() {
            eprintln!(
                "{name}: skipped, it is for user-supplied data: cargo xtask bench {name} --data PATH"
            );
            continue;
        }
        let profile = match (suite.scale(asked), suite.scale(DEFAULT_PROFILE)) {
            (Some(_), _) => asked,
            (None, Some(_)) => {
                eprintln!("{name}: has no profile {asked}, running its profile {DEFAULT_PROFILE}");
                DEFAULT_PROFILE
            }
            (None, None) => {
                eprintln!(
                    "{name}: skipped, it has no profile {asked}; it has {}",
                    suite.profiles()
                );
                continue;
            }
        };
        match data::locate(&suite.data, selection.data.as_deref()) {
            Some(_) => chosen.push((suite, profile.to_owned())),
            None => eprintln!(
                "{name}: skipped, {}",
                data::missing(&suite.data, selection.data.as_deref())
            ),
        }
    }
    Ok(chosen)
}

/// Locks the output folder, so only one process at a time writes to it. The operating system
/// releases the lock when the process ends.
fn lock(out: &Path) -> Result<File> {
    let path = out.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("{} is in use by another process", out.display()),
        Err(TryLockError::Error(e)) => {
            Err(e).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
