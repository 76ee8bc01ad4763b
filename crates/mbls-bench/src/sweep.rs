//! Sweeps: trying settings at several values and choosing on the validation part.

use crate::measure::Description;
use crate::overrides::{Knob, Overrides};
use crate::results::{CandidateSummary, Cell, SweepSummary};
use crate::spec::{LossEntry, Suite};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use mbls_report::{Direction, FurtherTable, NumberColumn};
use std::str::FromStr;

/// The settings to try, and the metric by which they are chosen.
#[derive(Clone, Debug, Default, Args)]
pub struct SweepOptions {
    /// Try a setting at several values, for example lr=0.01,0.03,0.1: lr, batch-size, margin or
    /// alpha. May be repeated; several settings form a grid. Each loss tries the settings that it
    /// has; the best candidate on the validation part is reported.
    #[arg(long = "sweep", value_name = "SETTING=X,X,...")]
    pub(crate) sweeps: Vec<Axis>,
    /// The metric on the validation part by which settings are chosen: a key of results.json.
    /// Default: the negative log-likelihood (nll).
    #[arg(long, value_name = "KEY", requires = "sweeps")]
    pub(crate) sweep_metric: Option<String>,
}

/// A setting with the values to try.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    knob: Knob,
    values: Vec<f64>,
}

impl FromStr for Axis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Knob::ALL.map(Knob::name).join(", ");
        let (name, values) = text
            .split_once('=')
            .ok_or_else(|| format!("expected SETTING=X,X,... with one of {known}"))?;
        let knob = Knob::ALL.into_iter().find(|knob| knob.name() == name);
        let knob = knob.ok_or_else(|| format!("{name:?}: expected one of {known}"))?;
        let value = |text: &str| {
            let value = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
            value.ok_or_else(|| format!("{name}: {text:?}: expected a number"))
        };
        let values = values.split(',').map(value).collect::<Result<Vec<_>, _>>()?;
        if let Some(twice) =
            values.iter().enumerate().find(|(place, value)| values[..*place].contains(value))
        {
            return Err(format!("{name}: {} is given twice", twice.1));
        }
        Ok(Self { knob, values })
    }
}

/// A loss with the settings that it is trained with.
pub(crate) struct Candidate {
    /// The candidate settings, such as `lr=0.01,margin=5`; `None` without a sweep.
    pub(crate) label: Option<String>,
    /// The suite with these settings.
    pub(crate) suite: Suite,
    /// The loss with these settings.
    pub(crate) loss: LossEntry,
}

impl SweepOptions {
    /// Checks the options of the command line.
    ///
    /// # Errors
    ///
    /// If a setting is swept twice, or also overridden.
    pub(crate) fn check(&self, overrides: &Overrides) -> Result<()> {
        for (place, Axis { knob, .. }) in self.sweeps.iter().enumerate() {
            let name = knob.name();
            ensure!(
                self.sweeps[..place].iter().all(|other| other.knob != *knob),
                "--sweep {name}: it is given twice"
            );
            ensure!(
                overrides.value(*knob).is_none(),
                "--sweep {name} and --{name}: expected one of the two"
            );
        }
        Ok(())
    }

    /// Returns the metric by which settings are chosen.
    pub(crate) fn metric(&self) -> &str {
        self.sweep_metric.as_deref().unwrap_or("nll")
    }

    /// Returns the candidates of each given loss of a suite.
    ///
    /// # Errors
    ///
    /// If a value is out of range, or none of the losses has a setting.
    pub(crate) fn of_losses(
        &self,
        suite: &Suite,
        losses: &[&LossEntry],
    ) -> Result<Vec<Vec<Candidate>>> {
        for Axis { knob, values } in &self.sweeps {
            let has = |loss: &&LossEntry| {
                let (mut recipe, mut spec) = (suite.recipe.clone(), loss.spec.clone());
                values
                    .first()
                    .map_or(Ok(false), |value| knob.set(*value, &mut recipe, &mut spec))
                    .context("--sweep")
            };
            let found = losses.iter().map(has).collect::<Result<Vec<_>>>()?;
            let name = knob.name();
            ensure!(
                found.contains(&true),
                "--sweep {name}: none of the losses of the suite {} to run has a margin greater than 0",
                suite.name
            );
        }
        losses.iter().map(|loss| self.candidates(suite, loss)).collect()
    }

    /// Returns the candidates of a loss: all combinations of the values of the settings that it
    /// has.
    fn candidates(&self, suite: &Suite, loss: &LossEntry) -> Result<Vec<Candidate>> {
        let mut candidates =
            vec![Candidate { label: None, suite: suite.clone(), loss: loss.clone() }];
        for Axis { knob, values } in &self.sweeps {
            let mut finer = Vec::new();
            for Candidate { label, suite, loss } in candidates {
                let mut taken = false;
                for value in values {
                    let (mut suite, mut loss) = (suite.clone(), loss.clone());
                    taken =
                        knob.set(*value, &mut suite.recipe, &mut loss.spec).context("--sweep")?;
                    if taken {
                        let setting = format!("{}={}", knob.name(), in_words(*value));
                        let label =
                            label.iter().cloned().chain([setting]).collect::<Vec<_>>().join(",");
                        finer.push(Candidate { label: Some(label), suite, loss });
                    }
                }
                if !taken {
                    finer.push(Candidate { label, suite, loss });
                }
            }
            candidates = finer;
        }
        for candidate in &mut candidates {
            let Some(label) = &candidate.label else { continue };
            for loss in candidate.suite.loss.iter_mut().filter(|loss| loss.id == candidate.loss.id)
            {
                *loss = candidate.loss.clone();
            }
            candidate.suite =
                candidate.suite.clone().checked().with_context(|| format!("--sweep {label}"))?;
        }
        Ok(candidates)
    }
}

/// Formats a value for a folder's name: `0.01`, `1e-9`.
fn in_words(value: f64) -> String {
    if value == 0.0 || (1e-6..1e9).contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

/// Chooses among the candidates of a loss by a metric on the validation part, averaged over seeds;
/// ties go to the first. Returns the index of the choice and the comparison. `cells` are the runs
/// of each candidate, `None` for failed ones.
///
/// # Errors
///
/// If the metric is undefined for all candidates.
pub(crate) fn choose(
    candidates: &[Candidate],
    cells: &[Option<Vec<Cell>>],
    metric: Description,
) -> Result<(usize, SweepSummary)> {
    let value = |cells: &Option<Vec<Cell>>| -> Option<f64> {
        let cells = cells.as_ref()?;
        let values = cells.iter().map(|cell| cell.validation.get(metric.key).copied());
        Some(values.sum::<Option<f64>>()? / cells.len() as f64).filter(|value| !value.is_nan())
    };
    let values: Vec<Option<f64>> = cells.iter().map(value).collect();
    let mut best: Option<(usize, f64)> = None;
    for (place, value) in
        values.iter().enumerate().filter_map(|(place, value)| Some((place, (*value)?)))
    {
        let better = best.is_none_or(|(_, best)| match metric.better {
            Direction::Higher => value > best,
            Direction::Lower | Direction::Neither => value < best,
        });
        if better {
            best = Some((place, value));
        }
    }
    let Some(Candidate { suite, loss, .. }) = candidates.first() else {
        bail!("there are no candidates to choose from")
    };
    let (chosen, _) = best.with_context(|| {
        format!(
            "{}, {}: {} is undefined on the validation part for all settings",
            suite.name, loss.id, metric.key
        )
    })?;
    let summary = |(place, candidate): (usize, &Candidate)| CandidateSummary {
        candidate: candidate.label.clone().unwrap_or_default(),
        validation: values.get(place).copied().flatten(),
        chosen: place == chosen,
    };
    let candidates = candidates.iter().enumerate().map(summary).collect();
    let summary = SweepSummary {
        suite: suite.name.clone(),
        loss: loss.id.clone(),
        metric: metric.key.to_owned(),
        candidates,
    };
    Ok((chosen, summary))
}

impl SweepSummary {
    /// Returns the lines printed about the choice: all candidates with their values.
    pub(crate) fn lines(&self, metric: Description) -> Vec<String> {
        let Self { suite, loss, candidates, .. } = self;
        let line = |found: &CandidateSummary| {
            let value = found
                .validation
                .map_or_else(|| "undefined".to_owned(), |value| metric.print(value));
            let chosen = if found.chosen { ", chosen" } else { "" };
            format!(
                "{suite}, {loss}, {}: {} {value} on the validation part{chosen}",
                found.candidate, metric.title
            )
        };
        candidates.iter().map(line).collect()
    }
}

/// Returns the report's table of all swept losses; `None` without any.
pub(crate) fn table(sweeps: &[&SweepSummary], metric: Description) -> Option<FurtherTable> {
    let rows = sweeps.iter().flat_map(|sweep| {
        sweep.candidates.iter().map(|found| {
            let chosen = if found.chosen { " (chosen)" } else { "" };
            (
                vec![sweep.loss.clone(), format!("{}{chosen}", found.candidate)],
                vec![found.validation],
            )
        })
    });
    let rows: Vec<_> = rows.collect();
    (!rows.is_empty()).then(|| FurtherTable {
        title: "Settings tried".to_owned(),
        note: format!(
            "{} on the validation part, averaged over seeds; the test part is not used for the choice.",
            metric.title
        ),
        names: ["Loss", "Settings"].map(str::to_owned).to_vec(),
        numbers: vec![NumberColumn {
            title: metric.title.to_owned(),
            unit: metric.unit,
            digits: metric.digits,
        }],
        rows,
        page_only: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::described::{ACCURACY, NLL};
    use crate::spec::CellKey;
    use mbls_core::loss::{LossSpec, MarginChoice};
    use std::collections::BTreeMap;

    fn options(axes: &[&str]) -> SweepOptions {
        let sweeps = axes.iter().map(|axis| axis.parse().unwrap()).collect();
        SweepOptions { sweeps, sweep_metric: None }
    }

    fn candidates(axes: &[&str], loss: &str) -> Vec<Candidate> {
        let suite = Suite::find("digits").unwrap();
        let loss = suite.loss.iter().find(|entry| entry.id == loss).unwrap();
        options(axes).candidates(&suite, loss).unwrap()
    }

    fn labels(candidates: &[Candidate]) -> Vec<&str> {
        candidates.iter().map(|candidate| candidate.label.as_deref().unwrap_or("none")).collect()
    }

    #[test]
    fn every_loss_tries_the_settings_that_it_has() {
        let grid = ["lr=0.01,0.1", "margin=2,4.50"];
        let found = candidates(&grid, "mbls");
        assert_eq!(
            labels(&found),
            ["lr=0.01,margin=2", "lr=0.01,margin=4.5", "lr=0.1,margin=2", "lr=0.1,margin=4.5"]
        );
        assert_eq!(found[1].suite.recipe.learning_rate, 0.01);
        assert!(matches!(
            found[1].loss.spec,
            LossSpec::Margin { margin: MarginChoice::Fixed(4.5), .. }
        ));
        assert!(found[1].suite.loss.contains(&found[1].loss));
        assert_eq!(labels(&candidates(&grid, "ce")), ["lr=0.01", "lr=0.1"]);
        assert_eq!(labels(&candidates(&grid[1..], "ce")), ["none"]);
        // With margin 0 it is another loss.
        assert_eq!(labels(&candidates(&grid[1..], "m0")), ["none"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("lr", "expected SETTING=X,X,... with one of lr, batch-size, margin, alpha"),
            ("rate=1", "\"rate\": expected one of lr, batch-size"),
            ("lr=0.1,fast", "lr: \"fast\": expected a number"),
            ("lr=", "lr: \"\": expected a number"),
            ("lr=0.1,inf", "lr: \"inf\": expected a number"),
            ("lr=0.1,0.10", "lr: 0.1 is given twice"),
        ] {
            let error = text.parse::<Axis>().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        let error =
            |axes: &[&str], overrides| options(axes).check(&overrides).unwrap_err().to_string();
        assert!(
            error(&["lr=1,2", "lr=3"], Overrides::default())
                .contains("--sweep lr: it is given twice")
        );
        let overrides = Overrides { margin: Some(1.0), ..Overrides::default() };
        assert!(
            error(&["margin=1,2"], overrides)
                .contains("--sweep margin and --margin: expected one of the two")
        );
        let suite = Suite::find("digits").unwrap();
        let error = |axis| {
            format!("{:#}", options(&[axis]).candidates(&suite, &suite.loss[0]).err().unwrap())
        };
        assert!(error("lr=0.1,0").contains("--sweep lr=0: "), "{}", error("lr=0.1,0"));
        let none = options(&["margin=1,2"])
            .of_losses(&suite, &[&suite.loss[0]])
            .err()
            .unwrap()
            .to_string();
        assert!(
            none.contains("--sweep margin: none of the losses of the suite digits to run"),
            "{none}"
        );
        assert!(
            error("batch-size=1.5").contains("batch-size = 1.5: expected a positive whole number")
        );
    }

    #[test]
    fn the_validation_part_chooses_and_ties_go_to_the_first() {
        let tried = candidates(&["lr=0.01,0.03,0.1,0.3"], "ce");
        let cell = |value: Option<f64>| Cell {
            key: CellKey {
                suite: "digits".into(),
                model: "small-cnn".parse().unwrap(),
                loss: "ce".into(),
                candidate: None,
                seed: 0,
            },
            split: "test".to_owned(),
            n: 1,
            seconds: 1.0,
            epochs: 1,
            stopped: None,
            best_epoch: 0,
            metrics: BTreeMap::from([("nll".to_owned(), -9.0)]),
            validation: value.into_iter().map(|value| ("nll".to_owned(), value)).collect(),
            margin: None,
            shift: None,
        };
        let cells = |values: &[f64]| {
            Some(values.iter().map(|value| cell(Some(*value))).collect::<Vec<_>>())
        };
        let found = [cells(&[0.5, 0.75]), cells(&[0.25, 0.75]), None, cells(&[0.5, 0.75])];
        let (chosen, summary) = choose(&tried, &found, NLL).unwrap();
        assert_eq!(chosen, 1);
        assert_eq!(summary.candidates[2].validation, None);
        let lines = summary.lines(NLL);
        assert_eq!(lines[1], "digits, ce, lr=0.03: NLL 0.5000 on the validation part, chosen");
        assert_eq!(lines[2], "digits, ce, lr=0.1: NLL undefined on the validation part");
        assert_eq!(table(&[&summary], NLL).unwrap().rows[1].0, ["ce", "lr=0.03 (chosen)"]);
        // The largest value wins for a metric where higher is better; a candidate with an undefined
        // seed is excluded.
        let higher = Description { key: "nll", ..ACCURACY };
        assert_eq!(choose(&tried, &found, higher).unwrap().0, 0);
        let undefined = [Some(vec![cell(Some(0.1)), cell(None)]), cells(&[9.0]), None, None];
        assert_eq!(choose(&tried, &undefined, NLL).unwrap().0, 1);
        let error = choose(&tried, &[None, None, None, None], NLL).unwrap_err().to_string();
        assert!(error.contains("digits, ce: nll is undefined on the validation part"), "{error}");
    }
}
