//! A class with fewer samples than parts.

use super::Counted;

/// Says what to do where a class is too small to be split; other errors stay as they are.
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
        "a class has too few {noun} for training, validation and tests: add {noun} of it, leave the class out, or make the parts \
         yourself ({parts})"
    ))
}
