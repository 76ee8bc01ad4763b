use crate::Exit;
use crate::argument::Calibrate;
use crate::calibrate::{Held, MethodName, compare, write_npy};
use crate::input::{self, Content, Rows, Scored};
use crate::measure::{Settings, check_intervals, measure, measure_predictions};
use crate::messages::Messages;
use crate::output::{Calibrated, write_calibrated};
use anyhow::{Context, Result, bail, ensure};
use mbls_core::calibration::{Calibrator, SavedCalibrator};
use mbls_core::metric::Predictions;
use mbls_io::atomic;
use std::io::Write;

pub(crate) fn run(
    arguments: &Calibrate,
    out: &mut dyn Write,
    messages: &mut Messages<'_>,
) -> Result<Exit> {
    check_intervals(&arguments.intervals)?;
    let settings = Settings::from(&arguments.metrics);
    let fit = input::open(&arguments.fit, &arguments.input, None, messages)?;
    let apply = match &arguments.apply {
        Some(path) => Some(input::open(path, &arguments.input, None, messages)?),
        None => None,
    };
    // Measuring checks every row, and names those that are wrong.
    let mut without = arguments.intervals;
    without.no_intervals = true;
    let of_fit = measure(&fit, &settings, &without, messages)?;
    let held = Held::labelled(scored(&fit)?).with_context(|| fit.file.clone())?;
    let mut candidates = Vec::new();
    let spec = match arguments.method.spec(held.classes, settings.bins) {
        Some(spec) => spec,
        None => {
            let every = MethodName::every(held.classes, settings.bins);
            candidates =
                compare(&held, &every, &arguments.intervals).with_context(|| fit.file.clone())?;
            let fitted = candidates.iter().filter_map(|one| Some((one.nll?, one.spec)));
            // Of equal ones the first, which is the simpler one.
            let best = fitted.reduce(|a, b| if b.0 < a.0 { b } else { a });
            best.context("no method could be fitted")?.1
        }
    };
    let calibrator =
        spec.fit(&held.scores()?, &held.labels).with_context(|| format!("{}: {spec}", fit.file))?;
    let target = apply.as_ref().unwrap_or(&fit);
    let rows = scored(target)?;
    ensure!(
        rows.classes == held.classes,
        "{} has {} classes and {} has {}: expected as many",
        fit.file,
        held.classes,
        target.file,
        rows.classes
    );
    let before = match &apply {
        Some(rows) => measure(rows, &settings, &without, messages)?,
        None => of_fit,
    };
    let test = Held::labelled(rows).with_context(|| target.file.clone())?;
    let probs = calibrator.probs(&test.scores()?).with_context(|| target.file.clone())?;
    let predictions = Predictions::from_probs(&probs, test.classes, &test.labels)?;
    let after = measure_predictions(&predictions, &settings, &before)?;
    if let Some(path) = &arguments.out {
        ensure!(
            before.ignored == 0 && rows.scores.shape().len() <= 2,
            "--out: {} has ignored rows or pixels, whose probabilities would lose their places",
            target.file
        );
        write_npy(path, &probs, test.classes)?;
    }
    let text = calibrator.to_string();
    if let Some(path) = &arguments.save {
        let mut json = serde_json::to_vec_pretty(&SavedCalibrator::from(calibrator))?;
        json.push(b'\n');
        atomic::write(path, &json)?;
    }
    let fitted_to = fit.file.clone();
    let on_fitted = apply.is_none();
    let calibrated = Calibrated { text, fitted_to, on_fitted, spec, candidates, before, after };
    write_calibrated(&calibrated, arguments.format, out)?;
    Ok(Exit::Fine)
}

fn scored(rows: &Rows) -> Result<&Scored> {
    match &rows.content {
        Content::Scores(scored) => Ok(scored),
        Content::TopLabels(_) => bail!(
            "{}: confidences alone: expected the scores of all classes, which a calibrator maps",
            rows.file
        ),
    }
}
