//! Where the files of data sets are.

use crate::spec::{CandleOrigin, DataSpec};
use std::path::{Path, PathBuf};

/// Returns the folder that holds a data set's files; `None` where there is none.
///
/// The digits are part of the repository. Others are looked for in `data`.
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

/// Says why [`locate`] finds nothing.
pub(crate) fn missing(spec: &DataSpec, data: Option<&Path>) -> String {
    match (spec.folder(), data) {
        (Some(""), Some(data)) => format!("{} does not exist", data.display()),
        (Some(folder), Some(data)) => {
            format!("the folder {} does not exist", data.join(folder).display())
        }
        (Some(""), None) => "where the data is is given by --data".to_owned(),
        (folder, _) => {
            let folder = folder.unwrap_or("fixtures/digits");
            format!(
                "its folder {folder} is looked for in --data DIR or MBLS_DATA_DIR, and neither is given"
            )
        }
    }
}
