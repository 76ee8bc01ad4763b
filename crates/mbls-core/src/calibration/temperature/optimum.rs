use super::TemperatureScaling;
use super::rows::Rows;
use crate::Result;
use crate::metric::Score;

/// The temperature at which the derivative changes its sign, or the end of the range that it points to.
pub(super) fn optimum<T: Score>(rows: &Rows<T>) -> Result<f64> {
    let start = rows.derivatives(0.0)?;
    if start[0] == 0.0 {
        return Ok(1.0);
    }
    // The derivative rises with b: negative at `low`, positive at `high`.
    let (mut low, mut high) = (-libm::log(TemperatureScaling::MAX), -libm::log(TemperatureScaling::MIN));
    if start[0] > 0.0 {
        if rows.derivatives(low)?[0] >= 0.0 {
            return Ok(TemperatureScaling::MAX);
        }
        high = 0.0;
    } else {
        if rows.derivatives(high)?[0] <= 0.0 {
            return Ok(TemperatureScaling::MIN);
        }
        low = 0.0;
    }
    Ok(libm::exp(-root(rows, low, high, start)?).clamp(TemperatureScaling::MIN, TemperatureScaling::MAX))
}

/// The root of the derivative in `log b` between `low` and `high`, from 0, where the derivatives are given.
fn root<T: Score>(rows: &Rows<T>, mut low: f64, mut high: f64, start: [f64; 2]) -> Result<f64> {
    const TOLERANCE: f64 = 1e-13;
    let (mut at, [mut first, mut second]) = (0.0, start);
    let mut last_step = high - low;
    loop {
        let newton = at - first / second;
        // A Newton step must stay inside and halve the step before it, or the bracket is halved: so it ends.
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
