//! Errors about classes with fewer samples than parts.

use super::Counted;

/// Adds advice to the error about a class that is too small to be split; returns other errors
/// unchanged.
pub(crate) fn too_small(
    error: mbls_data::Error,
    counted: Counted,
    names: &[String],
) -> anyhow::Error {
    let is_class = matches!(error, mbls_data::Error::SplitClass { .. });
    let error = anyhow::Error::from(error.with_class_names(names));
    if !is_class {
        return error;
    }
    let (noun, parts) = match counted {
        Counted::Images => ("images", "folders train, val and test"),
        Counted::Texts => ("texts", "files train, val and test"),
        Counted::Pixels => ("images", "lists train.txt, val.txt and test.txt"),
    };
    error.context(format!(
        "a class has too few {noun} for training, validation and test: add {noun}, remove the class, or split the data \
         yourself ({parts})"
    ))
}
