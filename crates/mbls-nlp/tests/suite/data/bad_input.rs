//! Hostile and broken 20 Newsgroups.

use super::support::{Files, archive, builder, entry, folder};
use flate2::{Compression, write::GzEncoder};
use mbls_nlp::dataset::newsgroups::load;
use std::io::Write;
use std::path::Path;
use tar::EntryType;

fn assert_error(path: &Path, expected: &str) {
    let error = load(path).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}\nexpected: {expected}");
}

const GOOD: Files = &[("20_newsgroups/a/1", b"x"), ("20_newsgroups/b/2", b"y")];

#[test]
fn entries_that_do_not_belong_into_an_archive_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.tar.gz");
    for (name, kind, expected) in [
        (
            &b"20_newsgroups/a/../../9"[..],
            EntryType::Regular,
            "name of the entry \"20_newsgroups/a/../../9\": expected one below",
        ),
        (b"/20_newsgroups/a/9", EntryType::Regular, "expected one below the archive's folder"),
        (b"../a/9", EntryType::Directory, "expected one below the archive's folder"),
        // Even if the path stays inside.
        (b"20_newsgroups/a/../a/9", EntryType::Regular, "expected one below the archive's folder"),
        (
            b"20_newsgroups/a/9",
            EntryType::Symlink,
            "type of the entry \"20_newsgroups/a/9\": expected a file or a folder, found Symlink",
        ),
        (b"20_newsgroups/a/9", EntryType::Link, "found Link"),
        (b"20_newsgroups/a/9", EntryType::Char, "found Char"),
        (b"20_newsgroups/a/\xff", EntryType::Regular, "expected UTF-8, found other bytes"),
        (
            b"20_newsgroups/a/nine",
            EntryType::Regular,
            "expected <group>/<number> below the data set's folder",
        ),
        (
            b"20_newsgroups/a/b/9",
            EntryType::Regular,
            "expected <group>/<number> below the data set's folder",
        ),
        (
            b"20_newsgroups/a/1",
            EntryType::Regular,
            "messages: expected each once, found 20_newsgroups/a/1 twice",
        ),
        (b"20_newsgroup/a/1", EntryType::Regular, "folders: expected one folder of groups"),
        (
            b"20news-bydate-test/a/1",
            EntryType::Regular,
            "folders: expected one folder of groups, or both of",
        ),
    ] {
        let mut builder = builder(&path);
        GOOD.iter().for_each(|(name, content)| {
            entry(&mut builder, name.as_bytes(), EntryType::Regular, content);
        });
        entry(&mut builder, name, kind, b"");
        builder.into_inner().unwrap().finish().unwrap();
        assert_error(&path, expected);
    }
}

#[test]
fn names_of_entries_are_normalised() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.tar.gz");
    let mut builder = builder(&path);
    entry(&mut builder, b"./", EntryType::Directory, b"");
    entry(&mut builder, b"./20_newsgroups/a/1", EntryType::Regular, b"x");
    entry(&mut builder, b"././20_newsgroups//b/./2", EntryType::Regular, b"y");
    entry(&mut builder, b"20_newsgroups/a/Thumbs.db", EntryType::Regular, b"z");
    entry(&mut builder, b"__MACOSX/20_newsgroups/a/._1", EntryType::Regular, b"z");
    builder.into_inner().unwrap().finish().unwrap();
    assert_eq!(load(&path).unwrap().names, ["a/1", "b/2"]);
}

#[test]
fn damaged_archives_and_bombs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.tar.gz");
    archive(&path, GOOD);
    load(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let mut sum = bytes.clone();
    let end = sum.len();
    sum[end - 6] ^= 1;
    for (content, expected) in [
        (&bytes[..end - 9], "not a complete gzip file: truncated"),
        (&bytes[..end - 1], "not a complete gzip file: truncated"),
        (&sum, "not a complete gzip file"),
        (b"20_newsgroups", "not a complete gzip file"),
    ] {
        std::fs::write(&path, content).unwrap();
        assert_error(&path, expected);
    }
    // A message of five megabytes, compressed to some thousands of bytes.
    archive(&path, &[("20_newsgroups/a/1", &vec![b' '; 5 << 20])]);
    assert_error(&path, "20_newsgroups/a/1: the message exceeds the limit of 4194304 bytes");
    // An entry with a size but without data.
    let mut header = tar::Header::new_gnu();
    header.set_path("20_newsgroups/a/1").unwrap();
    header.set_size(1 << 20);
    header.set_cksum();
    let mut short = GzEncoder::new(std::fs::File::create(&path).unwrap(), Compression::fast());
    short.write_all(header.as_bytes()).unwrap();
    short.finish().unwrap();
    assert_error(
        &path,
        "number of bytes of the entry \"20_newsgroups/a/1\": expected 1048576, found 0",
    );
    assert_error(&dir.path().join("none"), "cannot open");
}

#[test]
fn folders_that_are_no_groups_are_refused() {
    for (files, expected) in [
        (&[][..], "number of messages: expected at least 1, found 0"),
        (
            &[("20_newsgroups/a/1", &b"x"[..])],
            "number of groups: expected at least 2, found 1: [\"a\"]",
        ),
        (
            &[("a/1", b"x"), ("a/b/2", b"x")],
            "entries: expected files whose names are numbers, found \"b\"",
        ),
        (
            &[("a/1", b"x"), ("a/two", b"x")],
            "entries: expected files whose names are numbers, found \"two\"",
        ),
        (
            &[("20news-bydate-train/a/1", b"x")],
            "folders: expected one folder of groups, or both of",
        ),
        (
            &[
                ("20news-bydate-train/a/1", b"x"),
                ("20news-bydate-train/b/1", b"x"),
                ("20news-bydate-test/c/1", b"x"),
            ],
            "group of 20news-bydate-test/c/1: expected one of the 2 for training, found c",
        ),
    ] {
        assert_error(folder(files).path(), expected);
    }
    let dir = folder(&[("a/1", &vec![b'x'; (4 << 20) + 1])]);
    assert_error(dir.path(), "the file exceeds the limit of 4194304 bytes");
    #[cfg(unix)]
    {
        let outside = tempfile::NamedTempFile::new().unwrap();
        let dir = folder(GOOD);
        std::os::unix::fs::symlink(outside.path(), dir.path().join("20_newsgroups/a/3")).unwrap();
        assert_error(dir.path(), "target of the link");
    }
}
