//! Selection by name.

use crate::{Error, Result};
use std::fmt::Display;

/// Returns the element of `all` whose `Display` form is `name`.
///
/// # Errors
///
/// [`Error::Value`] for `what`, listing the known names.
///
/// ```
/// assert_eq!(mbls_io::by_name("size", [1, 2, 3], "2")?, 2);
/// let error = mbls_io::by_name("size", [1, 2, 3], "two").unwrap_err();
/// assert_eq!(error.to_string(), r#"size: expected one of 1, 2, 3, found "two""#);
/// # Ok::<(), mbls_io::Error>(())
/// ```
pub fn by_name<T: Display>(what: &str, all: impl IntoIterator<Item = T>, name: &str) -> Result<T> {
    let mut known = Vec::new();
    for one in all {
        let written = one.to_string();
        if written == name {
            return Ok(one);
        }
        known.push(written);
    }
    Err(Error::value(what, format_args!("one of {}", known.join(", ")), format_args!("{name:?}")))
}
