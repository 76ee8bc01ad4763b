//! Builds the report from finished runs.

use crate::best::best;
use crate::distance_table::distance_table;
use crate::margin_use::MarginUse;
use crate::results::{DataSummary, Results};
use crate::spec::Suite;
use crate::sweep;
use crate::tasks::family;
use anyhow::Result;
use mbls_report::{Report, SuiteReport};
use std::path::Path;

/// Builds the report of all runs in `results` that belong to `suites`.
///
/// # Errors
///
/// If predictions cannot be read.
pub(crate) fn report(results: &Results, suites: &[&Suite], out: &Path) -> Result<Report> {
    let mut reports = Vec::new();
    for suite in suites {
        let cells: Vec<_> =
            results.cells.iter().filter(|cell| cell.key.suite == suite.name).collect();
        if let Some(first) = cells.first() {
            let data = results.data.iter().find(|data| data.suite == suite.name);
            let said =
                data.into_iter().flat_map(|data| data.notes.iter().cloned().chain(data.warnings()));
            let task = family(suite.data.task());
            let mut losses = Vec::new();
            for loss in &suite.loss {
                let cells: Vec<_> =
                    cells.iter().copied().filter(|cell| cell.key.loss == loss.id).collect();
                if !cells.is_empty() {
                    losses.push(task.loss_report(suite, loss, &cells, out)?);
                }
            }
            let notes = cells.iter().flat_map(|cell| {
                let of = format!("{}, seed {}", cell.key.loss, cell.key.seed);
                let stopped = cell
                    .stopped
                    .iter()
                    .map(|why| format!("stopped after {} epochs: {why}", cell.epochs));
                let margin = cell
                    .margin
                    .as_ref()
                    .and_then(MarginUse::warning)
                    .map(|warning| format!("{warning}."));
                let notes = stopped
                    .chain(task.measures().notes(&cell.metrics))
                    .chain(margin)
                    .collect::<Vec<_>>();
                notes.into_iter().map(move |note| format!("{of}: {note}"))
            });
            let classes = data.map_or(&[][..], |data| &data.counts.names);
            let tables = task.tables(suite, &cells, out, classes)?;
            let columns = task.measures().columns();
            let distances = distance_table(suite, &cells);
            let sweeps: Vec<_> =
                results.sweeps.iter().filter(|sweep| sweep.suite == suite.name).collect();
            let tried = match sweeps.first() {
                Some(sweep) => sweep::table(&sweeps, task.measures().compared(&sweep.metric)?),
                None => None,
            };
            reports.push(SuiteReport {
                name: suite.name.clone(),
                title: suite.title.clone(),
                description: suite.description.clone(),
                notes: suite.notes.iter().cloned().chain(notes).chain(said).collect(),
                model: first.key.model.to_string(),
                n_test: first.n,
                seeds: cells.iter().filter(|cell| cell.key.loss == first.key.loss).count(),
                best: best(&columns, &losses),
                columns,
                losses: losses.into_iter().map(|(report, _)| report).collect(),
                further: data
                    .map(DataSummary::table)
                    .into_iter()
                    .chain(tried)
                    .chain(distances)
                    .chain(tables)
                    .collect(),
                galleries: task.galleries(suite, &cells, out)?,
            });
        }
    }
    let provenance = [("commit", results.commit.clone()), ("device", results.device.clone())];
    Ok(Report {
        title: "mbls benchmark".to_owned(),
        provenance: provenance.map(|(name, value)| (name.to_owned(), value)).into(),
        suites: reports,
    })
}
