//! Malicious or truncated tar archives and compressed files.

use crate::sandbox::{Sandbox, noise, tree};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::time::{Duration, Instant};
use tar::{Builder, EntryType, Header};

/// Builds an archive entry by entry without validation, which the tar crate's own methods would
/// apply.
struct Tar(Vec<u8>);

impl Tar {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn header(kind: EntryType, name: &[u8], size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o7777);
        header.set_cksum();
        header
    }

    fn entry(mut self, kind: EntryType, name: &[u8], content: &[u8]) -> Self {
        self.0.extend(Self::header(kind, name, content.len() as u64).as_bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, name.as_bytes(), content)
    }

    fn link(mut self, kind: EntryType, name: &str, to: &str) -> Self {
        let mut header = Self::header(kind, name.as_bytes(), 0);
        header.set_link_name(to).unwrap();
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

pub(crate) fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Creates a sandbox for a data set of one archive that is already downloaded.
pub(crate) fn put(set: &str, kind: &str, archive: &[u8]) -> Sandbox {
    let sandbox = Sandbox::of(set, &format!("urls = ['http://host.invalid/a']\n{kind}"));
    std::fs::create_dir_all(sandbox.own("")).unwrap();
    std::fs::write(sandbox.own("a"), archive).unwrap();
    sandbox
}

#[track_caller]
fn refused(archive: &[u8], expected: &[&str]) {
    for (kind, archive) in [("kind = 'tar'", archive), ("kind = 'tar.gz'", &gz(archive))] {
        let sandbox = put("", kind, archive);
        let text = sandbox.refused(&["--offline"], expected[0]);
        assert!(
            expected.iter().all(|expected| text.contains(expected)),
            "expected {expected:?}, found {text}"
        );
        // Nothing was written outside of the program's own folders.
        let left = tree(&sandbox.path(""));
        assert!(
            left.iter().all(|(name, _)| name == "manifest.toml" || name.starts_with("data/")),
            "{left:?}"
        );
        assert_eq!(
            std::fs::read_dir(sandbox.path("data")).unwrap().count(),
            1 + usize::from(sandbox.data("fetch-data.lock").exists())
        );
    }
}

#[test]
fn archives_are_unpacked() {
    let long = format!("top/{}/file", "long/".repeat(40));
    let plain = Tar::new()
        .entry(EntryType::Directory, b"./top/", b"")
        .file("./top/a", b"1")
        .entry(EntryType::Directory, b"top/empty", b"")
        .file("top/folder/b", &[7; 2000])
        .entry(EntryType::GNULongName, b"././@LongLink", format!("{long}\0").as_bytes())
        .file("top/long", b"2")
        .entry(EntryType::XGlobalHeader, b"pax_global_header", b"20 comment=whatever\n")
        .entry(EntryType::XHeader, b"PaxHeaders/c", b"23 path=top/pax-header\n")
        .file("top/c", b"3")
        .file("beside", b"4")
        .end();
    let set =
        "layout = [{ files = '*', count = 2 }, { files = 'folder/b', count = 1, bytes = 2000 }]";
    for (kind, archive) in [("tar", plain.clone()), ("tar.gz", gz(&plain))] {
        let sandbox =
            put(set, &format!("kind = '{kind}'\nroot = ['top']\nskip = ['beside']"), &archive);
        let run = sandbox.run(&["--offline"]);
        assert!(run.is_right, "{}", run.text);
        let long = long.strip_prefix("top/").unwrap().replace("//", "/");
        let expected =
            [("a", &b"1"[..]), ("folder/b", &[7; 2000]), (&long, b"2"), ("pax-header", b"3")];
        let found = tree(&sandbox.data("target"));
        let found: Vec<_> =
            found.iter().map(|(name, content)| (name.as_str(), &content[..])).collect();
        assert_eq!(found, expected);
        assert!(sandbox.data("target/empty").is_dir());
        assert!(!sandbox.own("a").exists(), "archives are removed once they are unpacked");
        #[cfg(unix)]
        {
            // The archive states mode 7777.
            use std::os::unix::fs::PermissionsExt;
            let mode = sandbox.data("target/a").metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o7111, 0, "{mode:o}");
        }
    }
}

#[test]
fn names_that_lead_outside_are_rejected() {
    let names = [
        "/tmp/escaped",
        "../escaped",
        "a/../../escaped",
        "a/..",
        "..",
        "C:escaped",
        "..\\escaped",
        "a\nb",
        "",
    ];
    for name in names {
        let archive = Tar::new().file("first", b"1").file(name, b"2").end();
        refused(&archive, &[&format!("entry \"{}\": name: expected", name.escape_debug())]);
        let archive = Tar::new()
            .entry(EntryType::GNULongName, b"long", name.as_bytes())
            .file("plain", b"2")
            .end();
        refused(&archive, &["name: expected"]);
    }
    let archive = Tar::new().entry(EntryType::Regular, b"\xff", b"1").end();
    refused(&archive, &["a name in UTF-8"]);
    let archive = Tar::new()
        .entry(EntryType::XHeader, b"x", b"21 path=../../escape\n")
        .file("plain", b"2")
        .end();
    refused(&archive, &["entry \"../../escape\": name: expected a path without .."]);
    let archive = Tar::new().entry(EntryType::Directory, b"../escaped", b"").end();
    refused(&archive, &["entry \"../escaped\": name"]);
}

#[test]
fn links_and_devices_are_rejected() {
    for (kind, word) in [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a hard link"),
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a pipe"),
        (EntryType::GNUSparse, "a sparse file"),
        (EntryType::GNULongLink, "a link with a long name"),
        (EntryType::new(b'Z'), "something else"),
    ] {
        for to in ["/etc", "first", "../.."] {
            let archive = Tar::new()
                .file("first", b"1")
                .link(kind, "link", to)
                .file("link/passwd", b"2")
                .end();
            refused(
                &archive,
                &[&format!("entry \"link\": expected a file or a folder, found {word}")],
            );
        }
    }
}

#[test]
fn duplicate_names_are_rejected() {
    let twice = |first: &str, second: &str| {
        refused(
            &Tar::new().file(first, b"1").file(second, b"2").end(),
            &[
                &format!("entry \"{second}\""),
                if second.starts_with("a/") { "cannot create" } else { "" },
            ],
        );
    };
    twice("a", "a");
    twice("a", "./a");
    twice("b/a", "b//a");
    twice("a", "a/b");
    refused(&Tar::new().file("a/b", b"1").file("a", b"2").end(), &["entry \"a\""]);
    refused(
        &Tar::new().file("a", b"1").entry(EntryType::Directory, b"a", b"").end(),
        &["entry \"a\""],
    );
    refused(
        &Tar::new().entry(EntryType::Directory, b"a", b"").file("a", b"1").end(),
        &["entry \"a\""],
    );
    let two_names = Tar::new().entry(EntryType::GNULongName, b"1", b"a").entry(
        EntryType::GNULongName,
        b"2",
        b"b",
    );
    refused(&two_names.file("c", b"1").end(), &["entry \"2\": a second name"]);
}

#[test]
fn names_outside_the_root_are_rejected() {
    let archive = Tar::new().file("top/a", b"1").file("other/b", b"2").end();
    let sandbox = put("", "kind = 'tar'\nroot = ['top', 'roof']", &archive);
    sandbox.refused(&["--offline"], "entry \"other/b\": name: expected one below top or roof");
    // The root must match a whole component.
    let archive = Tar::new().file("topper/a", b"1").end();
    let sandbox = put("", "kind = 'tar'\nroot = ['top']", &archive);
    sandbox.refused(&["--offline"], "entry \"topper/a\"");
}

#[test]
fn archives_truncated_anywhere_are_rejected() {
    let whole = Tar::new().file("a", &noise(1500, 1)).file("b", &noise(10, 2)).end();
    // Within headers, contents, padding, between entries, before and within the end mark: 512 +
    // 1536 + 512 + 512 + 1024.
    let end = whole.len() - 1024;
    for length in [
        0,
        1,
        511,
        512,
        513,
        1000,
        2012,
        2030,
        2048,
        2049,
        2559,
        2560,
        2565,
        2600,
        end,
        end + 1,
        end + 511,
    ] {
        let sandbox = put("", "kind = 'tar'", &whole[..length]);
        let text = sandbox.refused(&["--offline"], "truncated");
        if length > 2048 {
            assert!(text.contains("\"a\"") || text.contains("\"b\""), "{length}: {text}");
        }
    }
    let text = put("", "kind = 'tar'", &whole[..2565]).refused(&["--offline"], "truncated");
    assert!(text.contains("entry \"b\": expected 10 bytes, found 5: truncated"), "{text}");
    assert!(put("", "kind = 'tar'", &whole).run(&["--offline"]).is_right);
    let packed = gz(&whole);
    for length in
        [0, 1, 9, 10, 11, packed.len() / 2, packed.len() - 9, packed.len() - 8, packed.len() - 1]
    {
        put("", "kind = 'tar.gz'", &packed[..length]).refused(&["--offline"], "set: a");
    }
    // A wrong checksum after the correct content.
    let mut damaged = packed.clone();
    let place = damaged.len() - 6;
    damaged[place] ^= 1;
    put("", "kind = 'tar.gz'", &damaged).refused(&["--offline"], "cannot read what follows \"b\"");
    let mut damaged = whole.clone();
    damaged[2048 + 3] ^= 1;
    put("", "kind = 'tar'", &damaged).refused(&["--offline"], "cannot read the entry after \"a\"");
}

#[test]
fn limits_are_enforced() {
    let archive = Tar::new().file("a", &[1; 600]).file("b", &[2; 600]).end();
    let run = |set: &str| put(set, "kind = 'tar'", &archive);
    run("max-bytes = 1199\nmax-entries = 2")
        .refused(&["--offline"], "entry \"b\": size of all files: expected at most 1199");
    run("max-bytes = 1200\nmax-file-bytes = 599\nmax-entries = 2")
        .refused(&["--offline"], "entry \"a\": size: expected at most 599");
    run("max-bytes = 1200\nmax-entries = 1")
        .refused(&["--offline"], "entry \"b\": number of entries: expected at most 1");
    assert!(
        run("max-bytes = 1200\nmax-file-bytes = 600\nmax-entries = 2").run(&["--offline"]).is_right
    );
    // Names of one megabyte.
    for kind in [EntryType::GNULongName, EntryType::XHeader, EntryType::XGlobalHeader] {
        let archive = Tar::new().entry(kind, b"name", &vec![b'a'; 1 << 20]).file("a", b"1").end();
        refused(&archive, &["entry \"name\": expected at most 65536 bytes"]);
    }
    // Two sizes of one file, of which readers use one or the other.
    let archive =
        Tar::new().entry(EntryType::XHeader, b"x", b"10 size=1\n").file("a", b"123").end();
    refused(&archive, &["expected no size record"]);
}

/// Ten gigabytes of zeros in ten megabytes: a gzip file may have several members.
pub(crate) fn ten_gigabytes() -> Vec<u8> {
    gz(&vec![0; 10_000_000]).repeat(1000)
}

#[test]
fn decompression_bombs_are_rejected_early() {
    let start = Instant::now();
    let zeros = ten_gigabytes();
    assert!(zeros.len() < 12_000_000);
    let header = |size| gz(Tar::header(EntryType::Regular, b"bomb", size).as_bytes());
    let bomb = [header(10_000_000_000), zeros.clone()].concat();
    put("", "kind = 'tar.gz'", &bomb)
        .refused(&["--offline"], "entry \"bomb\": size: expected at most 1000000");
    // A skipped entry is still read, up to the total limit.
    put("", "kind = 'tar.gz'\nskip = ['bomb']", &bomb)
        .refused(&["--offline"], "the archive unpacks to more than");
    // After the end mark.
    let bomb = [gz(&Tar::new().file("a", b"1").end()), zeros.clone()].concat();
    put("", "kind = 'tar.gz'", &bomb).refused(&["--offline"], "what follows \"a\"");
    put("layout = []", "kind = 'gz'\nname = 'a'", &zeros)
        .refused(&["--offline"], "expected at most 1000000 bytes");
    let md5 = "unpacked-md5 = '900150983cd24fb0d6963f7d28e17f72'";
    put("", &format!("kind = 'gz'\nname = 'a'\n{md5}"), &zeros)
        .refused(&["--offline"], "at most 1000000 bytes");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn compressed_files_have_checksums_of_their_content() {
    let content = noise(5000, 3);
    let sum = format!("kind = 'gz'\nname = 'b/c'\nunpacked-sha256 = '{}'", crate::sha256(&content));
    let sandbox = put("", &sum, &gz(&content));
    assert!(sandbox.run(&["--offline"]).is_right);
    assert_eq!(std::fs::read(sandbox.data("target/b/c")).unwrap(), content);
    // The test vector of RFC 1321 for "abc".
    let md5 = "kind = 'gz'\nname = 'a'\nunpacked-md5 = '900150983cd24fb0d6963f7d28e17f72'";
    assert!(put("", md5, &gz(b"abc")).run(&["--offline"]).is_right);
    put("", md5, &gz(b"abd")).refused(&["--offline"], "MD5 sum of the unpacked content");
    let packed = gz(b"abc");
    put("", md5, &packed[..packed.len() - 1]).refused(&["--offline"], "not a complete gzip file");
    put("", "kind = 'gz'\nname = 'a'", &packed[..packed.len() - 1])
        .refused(&["--offline"], "not a complete gzip file");
    put("", md5, b"").refused(&["--offline"], "set: a");
    put("", "kind = 'gz'\nname = 'a'", b"no gzip")
        .refused(&["--offline"], "not a complete gzip file");
    // The target may be the file itself.
    let sandbox = put("", "kind = 'gz'", &gz(b"abc"));
    assert!(sandbox.run(&["--offline"]).is_right);
    assert_eq!(sandbox.content(), b"abc");
}

#[test]
fn archives_of_the_tar_crate_are_read() {
    let mut builder = Builder::new(Vec::new());
    let source = tempfile::tempdir().unwrap();
    std::fs::create_dir(source.path().join("d")).unwrap();
    std::fs::write(source.path().join("d/f"), b"content").unwrap();
    builder.append_dir_all("top", source.path()).unwrap();
    let sandbox = put(
        "layout = [{ files = 'd/f', count = 1 }]",
        "kind = 'tar'\nroot = ['top']",
        &builder.into_inner().unwrap(),
    );
    let run = sandbox.run(&["--offline"]);
    assert!(run.is_right, "{}", run.text);
    assert_eq!(tree(&sandbox.data("target")), [("d/f".to_owned(), b"content".to_vec())]);
}

#[test]
fn the_library_unpacks_as_the_program_does() {
    let list = |rest: &str| {
        format!(
            "[set]\ntitle = ''\nterms = ''\ntarget = 'target'\nmax-bytes = 1000\nmax-entries = 2\n{rest}\n[[set.files]]\nurls = ['http://host/a']\n\
             kind = 'tar'\nroot = ['top']"
        )
    };
    let temporary = tempfile::tempdir().unwrap();
    let path = |name: &str| temporary.path().join(name);
    std::fs::write(path("good"), Tar::new().file("top/a", b"1").file("top/b/c", b"23").end())
        .unwrap();
    std::fs::write(path("bad"), Tar::new().file("top/../../a", b"1").end()).unwrap();
    let files = mbls_fetch::unpack(
        &list("layout = [{ files = '**', count = 2 }]"),
        &path("good"),
        &path("new"),
    )
    .unwrap();
    let found: Vec<_> =
        files.iter().map(|file| (file.path.as_str(), file.bytes, file.sha256.clone())).collect();
    assert_eq!(found, [("a", 1, crate::sha256(b"1")), ("b/c", 2, crate::sha256(b"23"))]);
    assert_eq!(
        tree(&path("new")),
        [("a".to_owned(), b"1".to_vec()), ("b/c".to_owned(), b"23".to_vec())]
    );
    for (list, packed, expected) in [
        (
            list("layout = [{ files = '**', count = 3 }]"),
            "good",
            "number of files **: expected 3, found 2",
        ),
        (list(""), "bad", "a path without .."),
        (list("") + "\nsize = 3", "good", "expected 3 bytes"),
        (
            list("") + "\n[[set.files]]\nurls = ['http://host/b']\nkind = 'tar'",
            "good",
            "files: expected one, found 2",
        ),
        (
            list("") + "\n" + &list("").replace("set", "two").replace("target'", "other'"),
            "good",
            "expected one data set, found 2",
        ),
    ] {
        let _ = std::fs::remove_dir_all(path("new"));
        let error =
            format!("{:#}", mbls_fetch::unpack(&list, &path(packed), &path("new")).unwrap_err());
        assert!(error.contains(expected), "expected {expected}, found {error}");
    }
}
