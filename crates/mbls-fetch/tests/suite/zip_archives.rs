//! Malicious or truncated zip archives.

use crate::archives::put;
use crate::sandbox::{noise, tree};
use flate2::{Compress, Compression, FlushCompress};
use std::io::{Cursor, Write};
use std::time::{Duration, Instant};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const OFFLINE: &[&str] = &["--offline"];

fn options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .unix_permissions(0o777)
}

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        if name.ends_with('/') {
            writer.add_directory(*name, options()).unwrap();
        } else {
            writer.start_file(*name, options()).unwrap();
            writer.write_all(content).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

/// Replaces a name by another of the same length, which the zip crate would not write.
fn renamed(mut archive: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut count = 0;
    for place in 0..archive.len() - from.len() {
        if archive[place..].starts_with(from.as_bytes()) {
            archive[place..place + from.len()].copy_from_slice(to.as_bytes());
            count += 1;
        }
    }
    assert_eq!(count, 2, "the name in the entry and in the directory");
    archive
}

#[test]
fn zip_archives_are_unpacked() {
    let content = noise(100_000, 1);
    let archive =
        archive(&[("top/", b""), ("top/a/b", &content), ("top/empty", b""), ("__MACOSX/x", b"1")]);
    let set = "layout = [{ files = 'a/*', count = 1 }]";
    let sandbox = put(set, "kind = 'zip'\nroot = ['top']\nskip = ['__MACOSX/*']", &archive);
    let run = sandbox.run(OFFLINE);
    assert!(run.is_right, "{}", run.text);
    assert_eq!(
        tree(&sandbox.data("target")),
        [("a/b".to_owned(), content), ("empty".to_owned(), Vec::new())]
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = sandbox.data("target/a/b").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7111, 0, "{mode:o}");
    }
}

#[test]
fn names_that_lead_outside_are_rejected() {
    for name in ["/tmp/esc", "../../ab", "C:escape", "..\\..\\ab", "a/b/c/..", "escape\nd"] {
        let archive = renamed(
            archive(&[("first", b"1"), ("harmless", b"2")]),
            "harmless",
            &format!("{name:8}").replace(' ', "x"),
        );
        let text = put("", "kind = 'zip'", &archive).refused(OFFLINE, "name: expected");
        assert!(text.contains(&name[..2].escape_debug().to_string()), "{text}");
    }
}

#[test]
fn links_are_rejected() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link", "/etc", options()).unwrap();
    let archive = writer.finish().unwrap().into_inner();
    put("", "kind = 'zip'", &archive)
        .refused(OFFLINE, "entry \"link\": expected a file or a folder, found a symbolic link");
}

#[test]
fn duplicate_names_are_rejected() {
    let twice =
        renamed(archive(&[("a", b"1"), ("second", b"2"), ("third1", b"3")]), "third1", "second");
    put("", "kind = 'zip'", &twice)
        .refused(OFFLINE, "entry \"second\": name: expected one that does not exist yet");
    let twice = archive(&[("a/b", b"1"), ("a//b", b"2")]);
    put("", "kind = 'zip'", &twice)
        .refused(OFFLINE, "entry \"a//b\": name: expected one that does not exist yet");
    put("", "kind = 'zip'", &archive(&[("a", b"1"), ("a/b", b"2")]))
        .refused(OFFLINE, "entry \"a/b\"");
    put("", "kind = 'zip'\nroot = ['a']", &archive(&[("a/b", b"1"), ("c", b"2")]))
        .refused(OFFLINE, "entry \"c\": name");
}

#[test]
fn truncated_archives_are_rejected() {
    let whole = archive(&[("a", &noise(3000, 2)), ("b", &noise(3000, 3))]);
    for length in
        (0..whole.len()).step_by(131).chain([1, 3, 4, 29, 30, whole.len() - 22, whole.len() - 1])
    {
        put("", "kind = 'zip'", &whole[..length]).refused(OFFLINE, "not a complete zip archive");
    }
    // Damaged content fails the checksum of its entry.
    let mut damaged = whole.clone();
    damaged[4000] ^= 1;
    put("", "kind = 'zip'", &damaged).refused(OFFLINE, "entry \"b\"");
}

#[test]
fn limits_are_enforced() {
    let archive = archive(&[("a", &[1; 600]), ("b", &[2; 600])]);
    let run = |set: &str| put(set, "kind = 'zip'", &archive);
    run("max-bytes = 1199\nmax-entries = 2")
        .refused(OFFLINE, "entry \"b\": size of all files: expected at most 1199");
    run("max-bytes = 1200\nmax-file-bytes = 599\nmax-entries = 2")
        .refused(OFFLINE, "entry \"a\": size: expected at most 599");
    run("max-bytes = 1200\nmax-entries = 1")
        .refused(OFFLINE, "entry \"b\": number of entries: expected at most 1");
    assert!(run("max-bytes = 1200\nmax-file-bytes = 600\nmax-entries = 2").run(OFFLINE).is_right);
}

/// Builds an archive of one entry with ten gigabytes of zeros, which declares a size of `size`
/// bytes.
fn bomb(size: u64) -> Vec<u8> {
    let mut deflate = Compress::new(Compression::default(), false);
    let mut block = Vec::with_capacity(1 << 20);
    deflate.compress_vec(&vec![0; 10_000_000], &mut block, FlushCompress::Full).unwrap();
    // Independent deflate blocks, followed by an empty last one.
    let content = [block.repeat(1000), vec![3, 0]].concat();
    let packed = u32::try_from(content.len()).unwrap().to_le_bytes();
    let size = u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes();
    let common =
        [&[20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0, 0, 0, 0, 0][..], &packed, &size, &[4, 0, 0, 0]]
            .concat();
    let directory = [&b"PK\x01\x02\x14\x00"[..], &common, &[0; 14], b"bomb"].concat();
    let begin = u32::try_from(34 + content.len()).unwrap().to_le_bytes();
    let entry = [&b"PK\x03\x04"[..], &common, b"bomb", &content].concat();
    let length = u32::try_from(directory.len()).unwrap().to_le_bytes();
    let end = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &length, &begin, &[0, 0]].concat();
    [entry, directory, end].concat()
}

#[test]
fn decompression_bombs_are_rejected_early() {
    let start = Instant::now();
    // One that declares its true size, and one that does not.
    put("", "kind = 'zip'", &bomb(u64::MAX))
        .refused(OFFLINE, "entry \"bomb\": size: expected at most 1000000");
    put("", "kind = 'zip'", &bomb(1000))
        .refused(OFFLINE, "entry \"bomb\": cannot be unpacked: File is larger than its declared");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
