use crate::Exit;
use crate::argument::Apply;
use crate::calibrate::{Held, write_npy};
use crate::input;
use crate::messages::Messages;
use anyhow::{Context, Result, ensure};
use mbls_core::calibration::{Calibrator, SavedCalibrator};
use mbls_io::file;

/// A matrix for ten thousand classes has less.
const LARGEST: u64 = 1 << 32;

pub(crate) fn run(arguments: &Apply, messages: &mut Messages<'_>) -> Result<Exit> {
    let text = file::read_bounded(&arguments.calibrator, LARGEST)?;
    let saved: SavedCalibrator = serde_json::from_slice(&text).with_context(|| {
        let name = arguments.calibrator.display();
        format!("{name}: expected a calibrator that mbls calibrate --save wrote")
    })?;
    let calibrator = saved.into_calibrator();
    let name = arguments.file.display().to_string();
    let rows = input::open_scores(&arguments.file, &arguments.input, messages)?;
    ensure!(
        rows.scores.shape().len() <= 2,
        "{name}: scores of shape {:?}: expected [N, C]",
        rows.scores.shape()
    );
    let held = Held::all(&rows).with_context(|| name.clone())?;
    let probs =
        held.scores().and_then(|scores| calibrator.probs(&scores)).with_context(|| name.clone())?;
    write_npy(&arguments.out, &probs, held.classes)?;
    messages.note(format_args!(
        "{}: {} rows of {} classes, by {calibrator}",
        arguments.out.display(),
        rows.rows(),
        held.classes
    ));
    Ok(Exit::Fine)
}
