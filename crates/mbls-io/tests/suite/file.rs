//! Tests of bounded reading: limits, truncation, invalid files.

use flate2::Compression;
use flate2::write::GzEncoder;
use mbls_io::file::{read_bounded, read_exact_size};
use mbls_io::gzip::read_strict;
use mbls_io::gzip::{self, GzReader};
use mbls_io::{Error, OnError, Result};
use proptest::prelude::*;
use std::io::{Read, Write};

fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Reads a file with these bytes with `read`; an error must name the file.
fn with_file<T>(bytes: &[u8], read: impl FnOnce(&std::path::Path) -> Result<T>) -> Result<T> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sample.bin");
    std::fs::write(&path, bytes).unwrap();
    let result = read(&path);
    if let Err(error) = &result {
        assert!(error.to_string().contains("sample.bin"), "{error}");
    }
    result
}

fn is_gzip(result: Result<Vec<u8>>) -> bool {
    matches!(result, Err(Error::Gzip { .. }))
}

fn is_too_large(result: Result<Vec<u8>>) -> bool {
    matches!(result, Err(Error::TooLarge { .. }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_whole_file_is_read_and_a_part_of_it_refused(content in prop::collection::vec(any::<u8>(), 0..400), cut in any::<prop::sample::Index>()) {
        let bytes = gz(&content);
        let size = content.len() as u64;
        prop_assert_eq!(&with_file(&bytes, |path| read_strict(path, size)).unwrap(), &content);
        let truncated = &bytes[..cut.index(bytes.len())];
        prop_assert!(is_gzip(with_file(truncated, |path| read_strict(path, size))));
        if size > 0 {
            prop_assert!(is_too_large(with_file(&bytes, |path| read_strict(path, size - 1))));
        }
    }

    #[test]
    fn a_changed_checksum_is_noticed(content in prop::collection::vec(any::<u8>(), 1..100)) {
        let mut bytes = gz(&content);
        let end = bytes.len();
        bytes[end - 8] ^= 1;
        prop_assert!(is_gzip(with_file(&bytes, |path| read_strict(path, 1000))));
    }
}

#[test]
fn a_gzip_bomb_stops_at_the_limit() {
    let bomb = gz(&vec![0; 64 << 20]);
    assert!(bomb.len() < 100_000);
    let error = with_file(&bomb, |path| read_strict(path, 1000)).unwrap_err();
    assert!(
        error.to_string().ends_with("the unpacked content exceeds the limit of 1000 bytes"),
        "{error}"
    );
}

#[test]
fn what_follows_a_gzip_file_is_refused() {
    for garbage in [&b"x"[..], b"garbage at the end", &[0; 600]] {
        let bytes = [gz(b"content"), garbage.to_vec()].concat();
        assert!(
            matches!(with_file(&bytes, |path| read_strict(path, 1000)), Err(Error::Gzip { .. })),
            "{garbage:?}"
        );
    }
    // Two members form one file.
    let bytes = [gz(b"one "), gz(b"two")].concat();
    assert_eq!(with_file(&bytes, |path| read_strict(path, 1000)).unwrap(), b"one two");
    assert!(matches!(with_file(&bytes, |path| read_strict(path, 6)), Err(Error::TooLarge { .. })));
}

#[test]
fn what_follows_a_gzip_file_can_be_ignored_and_is_counted() {
    let whole = [gz(b"one "), gz(b""), gz(b"two")].concat();
    let read = |behind: &[u8], on_error| {
        with_file(&[&whole, behind].concat(), |path| gzip::read(path, 1000, on_error))
            .map_err(|error| error.to_string())
    };
    for (behind, kind) in [
        (&[0; 600][..], "zeros"),
        (b"\0", "zeros"),
        (b"garbage", "other bytes"),
        (b"\0\x1f", "other"),
    ] {
        assert_eq!(
            read(behind, OnError::Skip).unwrap(),
            (b"one two".to_vec(), behind.len() as u64)
        );
        let error = read(behind, OnError::Fail).unwrap_err();
        let expected =
            format!("not a complete gzip file: {} bytes after its end, {kind}", behind.len());
        assert!(error.contains(&expected) && error.contains("`--skip-undecodable`"), "{error}");
    }
    assert_eq!(read(b"", OnError::Skip).unwrap(), (b"one two".to_vec(), 0));
    // More zeros than a buffer holds, read in small pieces.
    let (content, ignored) = with_file(&[&whole[..], &vec![0; 1 << 20]].concat(), |path| {
        let mut reader = GzReader::open(path, OnError::Skip)?;
        let mut content = Vec::new();
        let mut byte = [0];
        while reader.read(&mut byte).map_err(gzip::broken(path))? == 1 {
            content.push(byte[0]);
        }
        Ok((content, reader.ignored()))
    })
    .unwrap();
    assert_eq!((content, ignored), (b"one two".to_vec(), 1 << 20));
    // A damaged member is not padding: ignoring it would lose data.
    let mut sum = gz(b"more");
    let end = sum.len();
    sum[end - 8] ^= 1;
    for behind in
        [&gz(b"more")[..8], &sum, &[0x1f], &[0x1f, 0x8b], &[&gz(b"more")[..], b"\x1f"].concat()]
    {
        assert!(
            read(behind, OnError::Skip).unwrap_err().contains("not a complete gzip file"),
            "{behind:?}"
        );
    }
    assert!(with_file(b"garbage", |path| gzip::read(path, 1000, OnError::Skip)).is_err());
    assert!(is_too_large(with_file(&whole, |path| Ok(gzip::read(path, 6, OnError::Skip)?.0))));
}

#[test]
fn what_is_not_gzip_is_refused() {
    for bytes in [&b""[..], b"plain text, not gzip at all", &[0x1f, 0x8b]] {
        assert!(
            matches!(with_file(bytes, |path| read_strict(path, 1000)), Err(Error::Gzip { .. })),
            "{bytes:?}"
        );
    }
}

#[test]
fn sizes_are_exact() {
    assert_eq!(with_file(b"12345", |path| read_exact_size(path, 5)).unwrap(), b"12345");
    let error = with_file(b"12345", |path| read_exact_size(path, 6)).unwrap_err();
    assert!(error.to_string().ends_with("expected 6 bytes, found 5"), "{error}");
    assert!(matches!(
        with_file(b"12345", |path| read_exact_size(path, 4)),
        Err(Error::FileSize { found: 5, .. })
    ));
    assert_eq!(with_file(b"12345", |path| read_bounded(path, 5)).unwrap(), b"12345");
    assert!(matches!(
        with_file(b"12345", |path| read_bounded(path, 4)),
        Err(Error::TooLarge { limit: 4, .. })
    ));
}

#[test]
fn missing_files_and_directories_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.gz");
    for error in [read_strict(&missing, 1).unwrap_err(), read_exact_size(&missing, 1).unwrap_err()]
    {
        assert!(matches!(error, Error::Io { .. }));
        assert!(error.to_string().contains("missing.gz"));
    }
    let error = read_bounded(directory.path(), 1 << 20).unwrap_err();
    assert!(error.to_string().ends_with("expected a regular file, found a directory"), "{error}");
}
