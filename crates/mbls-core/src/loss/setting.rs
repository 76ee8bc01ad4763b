use crate::{Error, Result};

/// `value`, where it is finite and not negative.
pub(super) fn non_negative(name: &'static str, value: f64) -> Result<f64> {
    within(name, value, f64::MAX, "a finite number, 0 or greater")
}

/// `value`, where it lies in `[0, 1]`.
pub(super) fn fraction(name: &'static str, value: f64) -> Result<f64> {
    within(name, value, 1.0, "a number from 0 to 1")
}

fn within(name: &'static str, value: f64, highest: f64, expected: &'static str) -> Result<f64> {
    if (0.0..=highest).contains(&value) {
        Ok(value)
    } else {
        Err(Error::Setting { name, value: value.to_string(), expected })
    }
}
