//! Fits of random rows: every fit reaches the optimum of its objective, or fails if there is none.
//! A case is determined by its seed. Slow code that shares nothing with the fits decides what is
//! correct.
//!
//! The quick run has `CASES` cases. For a longer one, or other seeds:
//!
//! ```text
//! FIT_FUZZ_CASES=20000 FIT_FUZZ_FIRST=1000 \
//!     cargo test -p mbls-core --no-default-features --test suite fit_fuzz:: -- --ignored --nocapture
//! ```

mod case;
mod oracle;
mod separation;
mod verdict;

use rayon::prelude::*;
use std::collections::BTreeMap;
use verdict::{Verdict, judge};

/// Number of cases in the quick run.
const CASES: u64 = 1500;

/// Counts per fit, in the order of [`Verdict::COLUMNS`].
type Table = BTreeMap<String, [u64; Verdict::COLUMNS.len()]>;

fn print(table: &Table) {
    println!("| fit | {} |", Verdict::COLUMNS.join(" | "));
    println!("|---|{}", "---|".repeat(Verdict::COLUMNS.len()));
    let mut total = [0; Verdict::COLUMNS.len()];
    for (fit, counts) in table {
        println!("| {fit} | {} |", counts.map(|count| count.to_string()).join(" | "));
        total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    println!("| all | {} |", total.map(|count| count.to_string()).join(" | "));
}

fn run(seeds: std::ops::Range<u64>) {
    let verdicts: Vec<_> = seeds
        .into_par_iter()
        .map(|seed| {
            let case = case::Case::of(seed);
            let started = std::time::Instant::now();
            let verdict = judge(&case);
            if std::env::var_os("FIT_FUZZ_SLOW").is_some() && started.elapsed().as_secs() > 2 {
                println!("slow: {case}: {:.1} s", started.elapsed().as_secs_f64());
            }
            (case, verdict)
        })
        .collect();
    let mut table = Table::new();
    let mut failed = 0;
    for (case, verdict) in &verdicts {
        table.entry(case.fit.to_string()).or_default()[verdict.column()] += 1;
        if let Some(why) = verdict.failure() {
            failed += 1;
            println!("{case}: {why}");
        }
    }
    print(&table);
    assert_eq!(failed, 0, "{failed} of {} cases failed", verdicts.len());
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} = {text}: expected a number")),
        Err(_) => default,
    }
}

#[test]
fn every_fit_reaches_its_optimum_or_says_why_there_is_none() {
    run(0..CASES);
}

/// Runs the cases of the seeds in `FIT_FUZZ_SEEDS=1,2,3`.
#[test]
#[ignore = "for the seeds in FIT_FUZZ_SEEDS"]
fn some() {
    let seeds = std::env::var("FIT_FUZZ_SEEDS").unwrap_or_default();
    for seed in seeds.split(',').filter(|seed| !seed.is_empty()) {
        let case = case::Case::of(
            seed.parse().unwrap_or_else(|_| panic!("seed {seed}: expected a number")),
        );
        println!("{case}: {}", judge(&case).failure().unwrap_or_default());
    }
}

#[test]
#[ignore = "as long as FIT_FUZZ_CASES says"]
fn many_more() {
    let first = number("FIT_FUZZ_FIRST", CASES);
    run(first..first + number("FIT_FUZZ_CASES", 20_000));
}
