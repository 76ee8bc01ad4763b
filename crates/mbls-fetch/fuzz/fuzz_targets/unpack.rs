//! Treats the input as the download of a data set. Whatever the archive is, nothing outside the
//! destination changes, the destination contains no links or programs and no more than the list of
//! sources allows, and files unpacked without an error match the report.
//!
//! The first byte selects the kind of archive and the settings of the list of sources.

#![no_main]

mod mend;

use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const MAX_BYTES: u64 = 6000;
const MAX_FILE_BYTES: u64 = 3000;
const MAX_ENTRIES: usize = 6;
const KINDS: [&str; 5] = ["tar", "zip", "tar.gz", "gz", "tar"];
const PACKED: [bool; 5] = [false, false, false, true, true];
const SELECTIONS: [&str; 3] = ["", "root = ['top', 'other/deep']", "skip = ['*.skip', 'top/**']"];

/// A folder of this process in `TMPDIR`, with the download, a folder in which the destination is
/// created next to another file, and an empty folder that is the working directory.
fn sandbox() -> &'static Path {
    static SANDBOX: OnceLock<PathBuf> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let sandbox = std::env::temp_dir().join(format!("mbls-fuzz-{}", std::process::id()));
        let make = |name: &str| fs::create_dir_all(sandbox.join(name)).expect("a folder");
        ["outer", "working"].into_iter().for_each(make);
        fs::write(sandbox.join("outer/beside"), b"beside").expect("a file");
        sandbox
    })
}

/// Returns the sizes of all files below a folder by path. Asserts that there are only folders and
/// files with a single name that are not executable.
fn tree(root: &Path) -> BTreeMap<String, u64> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let (path, found) = (folder.join(entry.file_name()), entry.metadata().expect("no link is followed"));
            assert!(found.is_file() || found.is_dir(), "{path:?} is {:?}", found.file_type());
            if found.is_dir() {
                folders.push(path);
                continue;
            }
            assert!(found.nlink() == 1 && found.mode() & 0o7111 == 0, "{path:?}");
            files.insert(path.to_str().expect("a name in UTF-8").to_owned(), found.len());
        }
    }
    files
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("bytes in memory")
}

/// Returns the paths, sizes and checksums of the files, if there was no error.
fn unpack(kind: &str, selection: &str, bytes: &[u8]) -> Option<Vec<(String, u64, String)>> {
    let (packed, new) = (sandbox().join("packed"), sandbox().join("outer/new"));
    fs::write(&packed, bytes).expect("a file");
    let (selection, name) = if kind == "gz" { ("", "name = 'a'") } else { (selection, "") };
    let list = format!(
        "[set]\ntitle = ''\nterms = ''\ntarget = 'target'\nmax-bytes = {MAX_BYTES}\nmax-file-bytes = {MAX_FILE_BYTES}\n\
         max-entries = {MAX_ENTRIES}\n[[set.files]]\nurls = ['http://host/a']\nkind = '{kind}'\n{selection}\n{name}"
    );
    let unpacked = mbls_fetch::unpack(&list, &packed, &new);

    assert!(tree(&sandbox().join("working")).is_empty() && sandbox().read_dir().expect("a folder").count() == 3);
    let beside = sandbox().join("outer").read_dir().expect("a folder").count();
    assert!(
        beside == 1 + usize::from(new.exists())
            && fs::read(sandbox().join("outer/beside")).is_ok_and(|beside| beside == b"beside")
    );
    let files = tree(&new);
    fs::remove_dir_all(&new).expect("a folder");
    assert!(files.len() <= MAX_ENTRIES && files.values().sum::<u64>() <= MAX_BYTES, "{files:?}");
    assert!(files.values().all(|&bytes| bytes <= MAX_FILE_BYTES), "{files:?}");

    let unpacked = unpacked.map_err(|error| assert!(!error.to_string().contains("panicked"))).ok()?;
    let reported = unpacked.iter().map(|file| (file.path.clone(), file.bytes));
    assert!(reported.eq(files), "{unpacked:?}");
    Some(unpacked.into_iter().map(|file| (file.path, file.bytes, file.sha256)).collect())
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    std::env::set_current_dir(sandbox().join("working")).expect("a folder");
    let (kind, selection) = (usize::from(choice) % KINDS.len(), usize::from(choice) / KINDS.len() % SELECTIONS.len());
    let files = if PACKED[kind] && KINDS[kind] == "gz" {
        unpack("gz", "", &gzip(bytes))
    } else {
        unpack(KINDS[kind], SELECTIONS[selection], bytes)
    };
    if PACKED[kind] && KINDS[kind] == "tar" {
        assert_eq!(unpack("tar.gz", SELECTIONS[selection], &gzip(bytes)), files);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if let Some((&mut choice, bytes)) = data[..size].split_first_mut()
        && !seed.is_multiple_of(4)
    {
        match KINDS[usize::from(choice) % KINDS.len()] {
            "tar" => mend::tar(bytes),
            "zip" => mend::zip(bytes),
            _ => None,
        };
    }
    size
});
