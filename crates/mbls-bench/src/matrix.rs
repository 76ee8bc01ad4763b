//! The matrix of suites, losses and seeds: runs what is not finished, then writes results and
//! report.

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

/// The profile of a suite named on the command line that has no default one: its smallest.
const SMALLEST_PROFILE: &str = "local";

/// Runs a command to its end: training, results, report.
///
/// # Errors
///
/// The first thing that fails; finished cells stay finished.
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
        Command::BenchAll(selection) => (at_hand(selection)?, selection),
        Command::Predict(options) => return predict::run(options),
        Command::Export(options) => return export::run(options),
    };
    selection.sweep.check(&selection.overrides)?;
    let runs = suites.into_iter().map(|(suite, profile)| SuiteRun::new(suite, &profile, selection));
    let runs = runs.collect::<Result<Vec<_>>>()?;
    let (device, device_name) = selection.device.open()?;
    let out = &selection.out;
    std::fs::create_dir_all(out)
        .with_context(|| format!("cannot make the folder {}", out.display()))?;
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

/// A suite by its name or file, with the profile that is run of it: the one that is asked for, or
/// where none is, the default one or the smallest.
fn named(suite: &str, selection: &Selection) -> Result<(Suite, String)> {
    let suite = Suite::find(suite)?;
    let profile = match &selection.profile {
        Some(asked) => asked,
        None if suite.scale(DEFAULT_PROFILE).is_none()
            && suite.scale(SMALLEST_PROFILE).is_some() =>
        {
            eprintln!("{}: without --profile, runs its profile {SMALLEST_PROFILE}", suite.name);
            SMALLEST_PROFILE
        }
        None => DEFAULT_PROFILE,
    };
    let profile = profile.to_owned();
    Ok((suite, profile))
}

/// The suites whose data is available, with the profile that is run of each: the one that is asked
/// for, or the default one, which suites on the repository's own data have alone. Says which are
/// left out, or run otherwise than asked, and why.
fn at_hand(selection: &Selection) -> Result<Vec<(Suite, String)>> {
    let suites = Suite::built_in()?;
    if let Some(asked) = &selection.profile {
        let mut known: Vec<&str> =
            suites.iter().flat_map(|suite| suite.profile.keys().map(String::as_str)).collect();
        known.sort_unstable();
        known.dedup();
        ensure!(
            known.contains(&asked.as_str()),
            "--profile {asked}: no suite has it; there are {}",
            known.join(", ")
        );
    }
    let asked = selection.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
    let mut chosen = Vec::new();
    for suite in suites {
        let name = suite.name.clone();
        // User-supplied data is not a data set that may lie in a folder of data sets.
        if suite.data.is_ones_own() {
            eprintln!(
                "{name}: left out, it is for data of your own: cargo xtask bench {name} --data PATH"
            );
            continue;
        }
        let profile = match (suite.scale(asked), suite.scale(DEFAULT_PROFILE)) {
            (Some(_), _) => asked,
            (None, Some(_)) => {
                eprintln!("{name}: has no profile {asked}, runs its profile {DEFAULT_PROFILE}");
                DEFAULT_PROFILE
            }
            (None, None) => {
                eprintln!(
                    "{name}: left out, it has no profile {asked}; it has {}",
                    suite.profiles()
                );
                continue;
            }
        };
        match data::locate(&suite.data, selection.data.as_deref()) {
            Some(_) => chosen.push((suite, profile.to_owned())),
            None => eprintln!(
                "{name}: left out, {}",
                data::missing(&suite.data, selection.data.as_deref())
            ),
        }
    }
    Ok(chosen)
}

/// One process at a time writes into an output folder. The lock goes with the process, however it
/// ends.
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
