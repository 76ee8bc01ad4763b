use crate::Exit;
use crate::argument::{Format, Select};
use crate::input;
use crate::measure::{Settings, measure};
use crate::messages::Messages;
use crate::output::{Selected, write_selected};
use crate::selective::{for_coverage, for_risk};
use anyhow::{Context, Result, ensure};
use std::io::Write;

/// Coverages that are listed if no threshold is asked for.
const COVERAGES: [f64; 7] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0];

pub(crate) fn run(
    arguments: &Select,
    out: &mut dyn Write,
    messages: &mut Messages<'_>,
) -> Result<Exit> {
    for (name, value) in [("--risk", arguments.risk), ("--coverage", arguments.coverage)] {
        let fits = value.is_none_or(|value| value > 0.0 && value <= 1.0);
        ensure!(fits, "{name} {}: expected above 0, at most 1", value.unwrap_or_default());
    }
    let level = arguments.level;
    ensure!(level > 0.0 && level < 1.0, "--level {level}: expected between 0 and 1");
    ensure!(
        arguments.format != Format::Csv,
        "--format csv of a threshold: expected table, json or markdown"
    );
    let rows = input::open(&arguments.file, &arguments.input, None, messages)?;
    let measured = measure(&rows, &Settings::usual(), &arguments.without_intervals(), messages)?;
    let curve = measured.state.sorted().context("no rows")?.risk_coverage();
    let thresholds = match (arguments.risk, arguments.coverage) {
        (Some(risk), _) => {
            let found = for_risk(&curve, risk, level).with_context(|| {
                format!(
                    "{}: no threshold keeps the risk at most {risk} with probability {level}: the \
                     {} rows have too many errors or are too few",
                    rows.file, curve.n
                )
            })?;
            vec![found]
        }
        (None, Some(coverage)) => for_coverage(&curve, coverage, level).into_iter().collect(),
        (None, None) => COVERAGES
            .into_iter()
            .filter_map(|coverage| for_coverage(&curve, coverage, level))
            .collect(),
    };
    let aurc = (curve.aurc(), curve.excess_aurc());
    let asked = arguments.risk.is_some() || arguments.coverage.is_some();
    let selected = Selected { file: rows.file, samples: curve.n, level, asked, aurc, thresholds };
    write_selected(&selected, arguments.format, out)?;
    Ok(Exit::Fine)
}
