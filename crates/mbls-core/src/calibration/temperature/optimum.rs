use super::rows::Rows;
use super::{TemperatureBound, TemperatureScaling};
use crate::Result;
use crate::metric::ScoreType;

/// The range that contains most optimal temperatures; the search tries its ends first.
const USUAL: (f64, f64) = (1e-2, 1e4);

/// Returns the temperature at which the derivative changes its sign, or the end of the range
/// towards which the loss decreases.
pub(super) fn optimum<T: ScoreType>(rows: &Rows<T>) -> Result<(f64, Option<TemperatureBound>)> {
    let Some((least, greatest)) = rows.ranges() else {
        // All logits of each row are equal.
        return Ok((1.0, None));
    };
    // In units of the rows' logits. The derivative increases with b = 1 / T: it is negative at
    // `low`, positive at `high`.
    let ends = (least / TemperatureScaling::RANGE, greatest * TemperatureScaling::RANGE);
    let (low, high) = (-libm::log(ends.1), -libm::log(ends.0));
    let one = -libm::log(rows.unit());
    let at = if low < one && one < high { one } else { 0.5 * (low + high) };
    let start = rows.derivatives(at)?;
    if start[0] == 0.0 {
        return Ok((rows.in_units(libm::exp(-at)), None));
    }
    // The derivative changes its sign before one of two ends, or not at all. Most optima lie before
    // the first.
    let rises = start[0] < 0.0;
    let usual = -libm::log(if rises { USUAL.0 } else { USUAL.1 });
    let (end, bound, temperature) = if rises {
        (high, TemperatureBound::Lower, ends.0)
    } else {
        (low, TemperatureBound::Upper, ends.1)
    };
    let between = at.min(end) < usual && usual < at.max(end);
    let mut near = at;
    let mut bracket = None;
    for far in between.then_some(usual).into_iter().chain([end]) {
        let first = rows.derivatives(far)?[0];
        if (rises && first > 0.0) || (!rises && first < 0.0) {
            bracket = Some((near.min(far), near.max(far)));
            break;
        }
        near = far;
    }
    let Some((low, high)) = bracket else {
        return Ok((rows.in_units(temperature), Some(bound)));
    };
    let root = libm::exp(-root(rows, low, high, at, start)?);
    Ok((rows.in_units(root.clamp(ends.0, ends.1)), None))
}

/// Returns the root of the derivative in `log b` between `low` and `high`, starting at a point
/// whose derivatives are given.
fn root<T: ScoreType>(
    rows: &Rows<T>,
    mut low: f64,
    mut high: f64,
    mut at: f64,
    start: [f64; 2],
) -> Result<f64> {
    const TOLERANCE: f64 = 1e-13;
    let [mut first, mut second] = start;
    let mut last_step = high - low;
    loop {
        let newton = at - first / second;
        // A Newton step must stay inside the bracket and be less than half as long as the step
        // before; otherwise the bracket is bisected. This ensures termination.
        let inside = newton > low && newton < high && (newton - at).abs() < 0.5 * last_step;
        let next = if inside { newton } else { 0.5 * (low + high) };
        last_step = (next - at).abs();
        if last_step < TOLERANCE || next <= low || next >= high {
            return Ok(next);
        }
        at = next;
        [first, second] = rows.derivatives(at)?;
        if first == 0.0 {
            return Ok(at);
        }
        *(if first > 0.0 { &mut high } else { &mut low }) = at;
    }
}
