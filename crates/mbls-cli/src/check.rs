//! Checks that the user asks for: `ece>0.05`.

use crate::measure::{Key, Measured};
use anyhow::{Context, Error, Result};
use std::fmt;
use std::str::FromStr;

/// A comparison of a metric, or of an end of its interval, with a number. It is true if the check
/// fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Check {
    key: Key,
    end: End,
    compare: Compare,
    number: f64,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Value,
    Low,
    High,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl FromStr for Check {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let expected = "expected a metric, one of > >= < <=, and a number, such as ece>0.05";
        let at = text.find(['<', '>']).context(expected)?;
        let (left, right) = text.split_at(at);
        let (compare, number) = match right.as_bytes() {
            [b'>', b'=', ..] => (Compare::AtLeast, &right[2..]),
            [b'>', ..] => (Compare::Above, &right[1..]),
            [b'<', b'=', ..] => (Compare::AtMost, &right[2..]),
            _ => (Compare::Below, &right[1..]),
        };
        let left = left.trim();
        let (name, end) = match left.split_once('.') {
            None => (left, End::Value),
            Some((name, "low")) => (name, End::Low),
            Some((name, "high")) => (name, End::High),
            Some((_, end)) => anyhow::bail!("{end:?} of a metric: expected low or high"),
        };
        let key = Key::of_name(name).with_context(|| {
            let names: Vec<&str> = crate::measure::KEYS.iter().map(|key| key.name()).collect();
            format!("metric {name:?}: expected one of {}", names.join(", "))
        })?;
        let number: f64 = number.trim().parse().ok().context(expected)?;
        anyhow::ensure!(!number.is_nan(), expected);
        Ok(Self { key, end, compare, number })
    }
}

impl Check {
    /// Returns the value if the check fails.
    ///
    /// # Errors
    ///
    /// Returns an error if the value is undefined.
    pub(crate) fn fails(&self, measured: &Measured) -> Result<Option<f64>> {
        let value = match self.end {
            End::Value => measured.value(self.key),
            End::Low => measured.interval(self.key).map(|interval| interval.low),
            End::High => measured.interval(self.key).map(|interval| interval.high),
        };
        let value = value.with_context(|| {
            format!("{}: --fail-if {self}: the value is undefined for this file", measured.file)
        })?;
        let fails = match self.compare {
            Compare::Above => value > self.number,
            Compare::AtLeast => value >= self.number,
            Compare::Below => value < self.number,
            Compare::AtMost => value <= self.number,
        };
        Ok(fails.then_some(value))
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.end {
            End::Value => "",
            End::Low => ".low",
            End::High => ".high",
        };
        let compare = match self.compare {
            Compare::Above => ">",
            Compare::AtLeast => ">=",
            Compare::Below => "<",
            Compare::AtMost => "<=",
        };
        write!(f, "{}{end}{compare}{}", self.key.name(), self.number)
    }
}
