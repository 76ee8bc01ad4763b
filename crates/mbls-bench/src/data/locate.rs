//! Finds the files of data sets.

use crate::spec::{CandleOrigin, DataSpec};
use std::path::{Path, PathBuf};

/// Returns the folder of a data set's files; `None` if there is none.
///
/// The digits are part of the repository. Other data sets are searched in `data`.
pub(crate) fn locate(spec: &DataSpec, data: Option<&Path>) -> Option<PathBuf> {
    if matches!(spec, DataSpec::CandleDatasets { from: CandleOrigin::Hub, .. }) {
        return Some(PathBuf::new());
    }
    match spec.folder() {
        None => Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/digits")),
        Some("") => data.filter(|data| data.exists()).map(Path::to_owned),
        Some(folder) => data.map(|data| data.join(folder)).filter(|folder| folder.is_dir()),
    }
}

/// Explains why [`locate`] returned `None`.
pub(crate) fn missing(spec: &DataSpec, data: Option<&Path>) -> String {
    match (spec.folder(), data) {
        (Some(""), Some(data)) => format!("{} does not exist", data.display()),
        (Some(folder), Some(data)) => {
            format!("the folder {} does not exist", data.join(folder).display())
        }
        (Some(""), None) => "expected the path of the data in --data".to_owned(),
        (folder, _) => {
            let folder = folder.unwrap_or("fixtures/digits");
            format!(
                "its folder {folder} is searched in --data DIR or MBLS_DATA_DIR, but neither is given"
            )
        }
    }
}
