use crate::{Error, Result};

/// Returns `value` if it is finite and not negative.
pub(in crate::loss) fn non_negative(name: &'static str, value: f64) -> Result<f64> {
    const EXPECTED: &str = "a finite number, 0 or greater";
    check(name, value, (0.0..=f64::MAX).contains(&value), EXPECTED)
}

/// Checks that each of `values` is finite and not negative.
pub(in crate::loss) fn each_non_negative(name: &'static str, values: &[f64]) -> Result<()> {
    values.iter().try_for_each(|&value| non_negative(name, value).map(drop))
}

/// Returns `value` if it is finite and greater than 0.
pub(in crate::loss) fn positive(name: &'static str, value: f64) -> Result<f64> {
    check(name, value, value > 0.0 && value.is_finite(), "a finite number greater than 0")
}

/// Returns `value` if it is in `[0, 1]`.
pub(in crate::loss) fn fraction(name: &'static str, value: f64) -> Result<f64> {
    check(name, value, (0.0..=1.0).contains(&value), "a number from 0 to 1")
}

fn check(name: &'static str, value: f64, valid: bool, expected: &'static str) -> Result<f64> {
    if valid { Ok(value) } else { Err(Error::Setting { name, value: value.to_string(), expected }) }
}
