//! Parsing of command line options, which are passed on unchanged.

use anyhow::{Context, Result};

/// Returns the value of the option `name`, given as `--name value` or `--name=value`.
///
/// # Errors
///
/// If the option is the last argument.
pub(crate) fn value<'a>(arguments: &'a [String], name: &str) -> Result<Option<&'a str>> {
    for (place, argument) in arguments.iter().enumerate() {
        if let Some(value) = argument.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            return Ok(Some(value));
        }
        if argument == name {
            let value = arguments.get(place + 1).map(String::as_str);
            return value.map(Some).with_context(|| format!("{name}: expected a value after it"));
        }
    }
    Ok(None)
}
