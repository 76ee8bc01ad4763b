//! Downloads data sets and pretrained weights from their distributors into the layout that the
//! readers expect.
//!
//! [`run`] implements `cargo xtask fetch-data` (`docs/fetching-data.md`): it reads the list of
//! sources (`datasets.toml`), downloads with resumption and retries, verifies every checksum,
//! unpacks archives as hostile input, and moves a data set to its place only when it is complete.
//! [`unpack`] only unpacks.

mod client;
mod digest;
mod download;
mod entry_name;
mod extraction;
mod hosts;
mod layout;
mod manifest;
mod obtain;
mod options;
mod part;
mod progress;
mod proof;
mod store;
mod tar_archive;
mod trust;
mod unpacking;
mod verify;
mod zip_archive;

pub use layout::FileRecord;
pub use unpacking::unpack;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use client::Client;
use download::Downloads;
use manifest::{DataSet, Manifest};
use obtain::{Outcome, obtain};
use options::Options;
use progress::{Progress, shown};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use store::{OWN, Stamp, State, Store};
use trust::TrustFile;
use ureq::Proxy;

type Chosen<'a> = [(&'a str, &'a DataSet)];

/// Executes the arguments after `fetch-data` and prints the progress.
///
/// # Errors
///
/// If the list of sources cannot be read, a name is not in it, or the data folder cannot be
/// created. Failures of single data sets are printed and set the exit code.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = match Options::try_parse_from(
        std::iter::once(options::COMMAND).chain(arguments.iter().map(String::as_str)),
    ) {
        Ok(options) => options,
        Err(error) => {
            error.print()?;
            return Ok(ExitCode::from(if error.use_stderr() { 2 } else { 0 }));
        }
    };
    let manifest = Manifest::read(options.manifest.as_deref())?;
    if options.list {
        let names = if options.names.is_empty() { &["all".to_owned()][..] } else { &options.names };
        return list(&manifest.choose(names)?, &options);
    }
    let chosen = manifest.choose(&options.names)?;
    if options.verify { verify(&chosen, &options) } else { fetch(&chosen, &options) }
}

fn fetch(chosen: &Chosen, options: &Options) -> Result<ExitCode> {
    let own = options.data.join(OWN);
    std::fs::create_dir_all(&own).with_context(|| format!("cannot create {}", own.display()))?;
    let progress = Progress::default();
    announce(chosen, options, &progress);
    // ALL_PROXY, HTTPS_PROXY or HTTP_PROXY, except for the hosts in NO_PROXY.
    let proxy = if options.no_proxy { None } else { Proxy::try_from_env() };
    let trust = options.lock.clone().unwrap_or_else(|| options.data.join("fetch-data.lock"));
    let downloads = Downloads {
        client: (!options.offline)
            .then(|| Client::new(options.timeout(), options.allow_downgrade, proxy)),
        hosts: hosts::Hosts::default(),
        trust: TrustFile::new(trust, &own),
        attempts: options.attempts,
        delay: options.delay(),
        progress: &progress,
    };
    let all = &downloads;
    let results: Vec<(&str, Result<Outcome>)> = std::thread::scope(|scope| {
        let start = |&(name, set): &(_, _)| {
            let store = Store::new(&options.data, name, set);
            (name, scope.spawn(move || obtain(name, set, &store, all, options.keep)))
        };
        let threads: Vec<_> = chosen.iter().map(start).collect();
        let join = |(name, thread): (_, std::thread::ScopedJoinHandle<_>)| {
            (name, thread.join().unwrap_or_else(|_| Err(anyhow!("panicked"))))
        };
        threads.into_iter().map(join).collect()
    });
    let mut is_whole = true;
    for ((name, result), (_, set)) in results.into_iter().zip(chosen) {
        let path = options.data.join(&set.target);
        match result {
            Ok(Outcome::There(_)) => println!("{name}: {} already exists", path.display()),
            Ok(Outcome::Foreign) => println!(
                "{name}: {} already exists and was not created by fetch-data; its files match the layout",
                path.display()
            ),
            Ok(Outcome::Fetched(Stamp { files, bytes, .. })) => {
                println!("{name}: {}, {files} files, {}", path.display(), shown(bytes));
            }
            Err(error) => {
                is_whole = false;
                eprintln!("error: {error:#}");
            }
        }
    }
    Ok(exit_code(is_whole))
}

/// Prints what will be downloaded, and its terms.
fn announce(chosen: &Chosen, options: &Options, progress: &Progress) {
    for (name, set) in chosen {
        // A stamp that cannot be read is reported later.
        if let Ok(State::Absent | State::Outdated) = Store::new(&options.data, name, set).state(set)
        {
            let size = set.size().map_or("size unknown".to_owned(), shown);
            progress.say(&format!("{name}: {}, {size}. Terms: {}", set.title, set.terms));
        }
    }
}

fn verify(chosen: &Chosen, options: &Options) -> Result<ExitCode> {
    let progress = Progress::default();
    let mut is_whole = true;
    for &(name, set) in chosen {
        let store = Store::new(&options.data, name, set);
        match verify::verify(name, set, &options.data, &store, &progress) {
            Ok(true) => println!("{name}: verified"),
            Ok(false) => {
                println!("{name}: not found");
                // A data set requested by name must exist.
                is_whole &= options.names.is_empty();
            }
            Err(error) => {
                is_whole = false;
                eprintln!(
                    "error: {name}: {error:#}; remove {} to download it again",
                    store.target().display()
                );
            }
        }
    }
    Ok(exit_code(is_whole))
}

fn list(chosen: &Chosen, options: &Options) -> Result<ExitCode> {
    let mut text = String::new();
    for (name, set) in chosen {
        let state = match Store::new(&options.data, name, set).state(set)? {
            State::Absent => "not found".to_owned(),
            State::Current(stamp) => {
                format!("present, {} files, {}", stamp.files, shown(stamp.bytes))
            }
            State::Outdated => "present, created from another list of sources".to_owned(),
            State::Foreign => "present, not created by fetch-data".to_owned(),
        };
        let size = set
            .size()
            .map_or("size unknown".to_owned(), |bytes| format!("download {}", shown(bytes)));
        let default = if set.benchmarks { ", for the benchmarks" } else { "" };
        let DataSet { title, terms, target, .. } = set;
        text +=
            &format!("{name}: {title}\n  {target}: {state}\n  {size}{default}\n  terms: {terms}\n");
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        // The reader has closed the pipe.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => Ok(written.map(|()| ExitCode::SUCCESS)?),
    }
}

fn exit_code(is_whole: bool) -> ExitCode {
    if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
