//! 20 Newsgroups in its layouts.

use super::support::{Files, archive, builder, entry, folder};
use mbls_data::Seed;
use mbls_nlp::dataset::newsgroups::{Newsgroups, load};
use mbls_nlp::dataset::{DuplicateConfig, Protocol};
use tar::EntryType;

const WHOLE: Files = &[
    ("20_newsgroups/sci.space/9", b"From: a\r\n\r\nto the moon\r\n"),
    ("20_newsgroups/alt.atheism/51060", b"From: b\nSubject: c\n\ncaf\xe9\n\nend"),
    ("20_newsgroups/sci.space/10", b"no header"),
    ("20_newsgroups/README", b"beside the groups"),
];

fn assert_whole(set: &Newsgroups) {
    // Names are ordered lexicographically, not numerically.
    assert_eq!(set.names, ["alt.atheism/51060", "sci.space/10", "sci.space/9"]);
    assert_eq!(set.texts.texts(), ["\n\ncafé\n\nend", "no header", "\n\nto the moon\n"]);
    assert_eq!(set.texts.labels(), [0, 1, 1]);
    assert_eq!(set.texts.class_names(), ["alt.atheism", "sci.space"]);
    assert!(set.division.is_whole());
}

#[test]
fn folders_and_archives_are_the_same() {
    let dir = folder(WHOLE);
    assert_whole(&load(dir.path()).unwrap());
    assert_whole(&load(dir.path().join("20_newsgroups")).unwrap());
    let path = dir.path().join("set.tar.gz");
    archive(&path, WHOLE);
    assert_whole(&load(&path).unwrap());
    // Within other folders, with entries for folders and files added by an operating system.
    let mut builder = builder(&path);
    for (name, content) in WHOLE {
        entry(&mut builder, b"./data/", EntryType::Directory, b"");
        entry(&mut builder, format!("./data/{name}").as_bytes(), EntryType::Regular, content);
        entry(&mut builder, b"./data/20_newsgroups/._sci.space", EntryType::Regular, b"resource");
    }
    builder.into_inner().unwrap().finish().unwrap();
    assert_whole(&load(&path).unwrap());
}

#[test]
fn the_division_by_date_is_kept() {
    let text = |i: usize| {
        format!("From: x\n\nmessage number {i} of {} words about {}", i * 7, i * i).into_bytes()
    };
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for i in 0..24 {
        files.push((format!("20news-bydate-train/{}/{i}", ["a", "b"][i % 2]), text(i)));
        files.push((format!("20news-bydate-test/{}/{i}", ["a", "b"][i % 2]), text(100 + i)));
    }
    // Duplicates of a test message with other headers, one of them in the other group.
    for name in ["a/98", "b/99"] {
        files.push((
            format!("20news-bydate-train/{name}"),
            [b"Xref: y\n\n> ", &text(104)[9..]].concat(),
        ));
    }
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    let dir = folder(&files);
    let set = load(dir.path()).unwrap();
    assert_eq!(
        (set.texts.len(), &set.division.train, &set.division.test),
        (50, &(0..26), &Some(26..50))
    );
    let copies =
        ["a/98", "b/99"].map(|name| set.names.iter().position(|other| other == name).unwrap());
    let protocol = Protocol::Correct {
        validation: 4,
        test: 24,
        duplicates: DuplicateConfig::default(),
        seed: Seed(1),
    };
    let parts = set.parts(&protocol).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len()), (20, 4));
    assert_eq!(parts.test, (26..50).collect::<Vec<_>>());
    assert!(
        copies.iter().all(|copy| !parts.train.contains(copy) && !parts.validation.contains(copy))
    );
    assert_eq!(protocol.vocabulary_texts(&set.texts, &parts).unwrap().len(), 20);
    let error = set.parts(&Protocol::Published { seed: 1 }).unwrap_err().to_string();
    assert!(error.starts_with("protocol: expected correct"), "{error}");
    let path = dir.path().join("set.tgz");
    archive(&path, &files);
    assert_eq!(load(&path).unwrap().texts, set.texts);
}
