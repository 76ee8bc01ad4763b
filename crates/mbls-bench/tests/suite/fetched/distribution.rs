//! Data sets in the distributors' archives, fetched by the program.

use super::server::{Reply, Server};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use tempfile::TempDir;
use toml::{Table, Value};

/// The program's list of sources.
const LIST: &str = include_str!("../../../../mbls-fetch/datasets.toml");

/// A sample of a data set in the archives of its distributor.
pub(crate) struct Distribution {
    /// The name in the list of sources.
    pub(crate) name: &'static str,
    /// The downloads, in the order of the list.
    pub(crate) downloads: Vec<Vec<u8>>,
    /// Patterns of the layout for which the sample has another number of files, with that number.
    pub(crate) counts: Vec<(&'static str, usize)>,
}

/// Serves the samples on the loopback interface and fetches them into a new data folder.
pub(crate) fn fetch(samples: Vec<Distribution>) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let list: Table = LIST.parse().expect("a list of sources");
    let mut sections: Vec<_> =
        samples.iter().map(|sample| (sample.name, section(&list, sample))).collect();
    let names =
        sections.iter().flat_map(|(_, section)| download_names(section)).collect::<Vec<_>>();
    let downloads: HashMap<String, Vec<u8>> =
        names.into_iter().zip(samples.into_iter().flat_map(|sample| sample.downloads)).collect();
    let server = Server::start(move |_, request| {
        match downloads.get(request.path.trim_start_matches('/')) {
            Some(body) => Reply::file(request, body, "\"one\""),
            None => Reply::status(404),
        }
    });
    for (_, section) in &mut sections {
        let names = download_names(section);
        for (file, name) in files(section).into_iter().zip(names) {
            file.insert("urls".to_owned(), vec![server.url(&name)].into());
        }
    }
    let names: Vec<&str> = sections.iter().map(|&(name, _)| name).collect();
    let text = sections
        .into_iter()
        .map(|(name, section)| (name.to_owned(), Value::Table(section)))
        .collect::<Table>();
    let manifest = folder.path().join("manifest.toml");
    std::fs::write(&manifest, text.to_string()).expect("a file");
    let [data, manifest] = [folder.path(), &manifest].map(|path| path.to_str().expect("UTF-8"));
    let options = ["--data", data, "--manifest", manifest, "--no-proxy", "--attempts", "1"];
    let arguments =
        [&names[..], &options].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let code = mbls_fetch::run(&arguments).expect("fetch-data begins");
    assert_eq!(
        format!("{code:?}"),
        format!("{:?}", std::process::ExitCode::SUCCESS),
        "{names:?} were not fetched"
    );
    folder
}

/// Returns the list's section of a data set, with the sizes, checksums and file counts of the
/// sample.
fn section(list: &Table, sample: &Distribution) -> Table {
    let mut section = list[sample.name].as_table().expect("a data set").clone();
    let rules = section["layout"]
        .as_array_mut()
        .expect("a layout")
        .iter_mut()
        .map(|rule| rule.as_table_mut().expect("a rule"));
    let mut rules: HashMap<String, &mut Table> =
        rules.map(|rule| (rule["files"].as_str().expect("a pattern").to_owned(), rule)).collect();
    for &(pattern, count) in &sample.counts {
        let rule = rules
            .get_mut(pattern)
            .unwrap_or_else(|| panic!("{}: no rule for {pattern}", sample.name));
        rule.insert("count".to_owned(), (count as i64).into());
    }
    let mut files = files(&mut section);
    assert_eq!(files.len(), sample.downloads.len(), "{}: number of downloads", sample.name);
    for (file, download) in files.iter_mut().zip(&sample.downloads) {
        file.remove("md5");
        let sum: String =
            Sha256::digest(download).iter().map(|byte| format!("{byte:02x}")).collect();
        file.insert("sha256".to_owned(), sum.into());
        file.insert("size".to_owned(), (download.len() as i64).into());
    }
    section
}

fn files(section: &mut Table) -> Vec<&mut Table> {
    section["files"]
        .as_array_mut()
        .expect("files")
        .iter_mut()
        .map(|file| file.as_table_mut().expect("a file"))
        .collect()
}

/// Returns the distributor's names of the downloads.
fn download_names(section: &Table) -> Vec<String> {
    let first = |file: &Value| {
        file["urls"][0].as_str().and_then(|url| url.rsplit('/').next()).map(str::to_owned)
    };
    section["files"]
        .as_array()
        .expect("files")
        .iter()
        .map(|file| first(file).expect("an address"))
        .collect()
}
