//! Enum variants without settings, in configuration files.

use serde::{Deserialize, Deserializer};

/// Refuses fields of a unit variant. Serde accepts and ignores any; a setting without effect is an
/// error here.
pub(crate) fn no_settings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NoSettings {}
    NoSettings::deserialize(deserializer).map(|NoSettings {}| ())
}
