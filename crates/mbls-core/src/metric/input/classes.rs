use crate::{Error, Result};

/// Returns `classes` if rows can have this many: a class must fit into u32, the type of a label.
pub(crate) fn check_classes(classes: usize) -> Result<usize> {
    if classes >= 2 && u32::try_from(classes).is_ok() {
        return Ok(classes);
    }
    Err(Error::Setting {
        name: "classes",
        value: classes.to_string(),
        expected: "from 2 to 2^32 - 1",
    })
}
