//! Tests of lists of lines, folders, and paths confined to their folder.

use mbls_io::listing::{
    Endings, PathFault, below, entries, filled_lines, is_ignored, lines, listed, names, real,
};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn file(content: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.txt");
    fs::write(&path, content).unwrap();
    (folder, path)
}

fn read(content: &[u8]) -> mbls_io::Result<Vec<String>> {
    let (_folder, path) = file(content);
    lines(&path)
}

#[test]
fn lines_are_the_same_from_every_editor() {
    for content in [
        "cat\n\ndog\n",
        "cat\n\ndog",
        "\u{feff}cat\n\ndog\n",
        "cat\r\n\r\ndog\r\n",
        "\u{feff}cat\r\n\r\ndog\r\n",
        "cat\r\rdog\r",
        "cat \t\n  \ndog\u{a0}\n",
        "cat\n\ndog\n\n\n \r\n\t\n",
    ] {
        assert_eq!(read(content.as_bytes()).unwrap(), ["cat", "", "dog"], "{content:?}");
    }
    for content in ["", "\u{feff}", "\n\r\n\r", " "] {
        assert!(read(content.as_bytes()).unwrap().is_empty(), "{content:?}");
    }
    // White space at the start of a line is kept, and so are letters of any script.
    assert_eq!(read(" Käse\n  猫".as_bytes()).unwrap(), [" Käse", "  猫"]);
}

#[test]
fn other_encodings_are_named() {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| {
        text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>()
    };
    for (content, error) in [
        (
            utf16("\u{feff}cat\n", u16::to_le_bytes),
            "line 1 (byte 0): expected text in UTF-8, found the byte-order mark of UTF-16",
        ),
        (
            utf16("\u{feff}cat\n", u16::to_be_bytes),
            "line 1 (byte 0): expected text in UTF-8, found the byte-order mark of UTF-16",
        ),
        (
            utf16("cat\n", u16::to_le_bytes),
            "line 1 (byte 1): expected text in UTF-8, found a zero byte, as in UTF-16",
        ),
        (
            utf16("cat\n", u16::to_be_bytes),
            "line 1 (byte 0): expected text in UTF-8, found a zero byte, as in UTF-16",
        ),
        (b"cat\nK\xe4se\n".to_vec(), "line 2 (byte 5): expected text in UTF-8, found other bytes"),
        (
            "\u{feff}cat\n\u{feff}dog\n".into(),
            "line 2 (byte 7): expected text in UTF-8, found a byte-order mark that",
        ),
    ] {
        let message = read(&content).unwrap_err().to_string();
        assert!(message.contains(error), "{message}");
    }
}

#[test]
fn names_have_a_line_each() {
    let read = |content: &str, expected| {
        let (_folder, path) = file(content.as_bytes());
        names(&path, expected).map_err(|error| error.to_string())
    };
    assert_eq!(read("\u{feff}cat\r\ndog\r\n\r\n", None).unwrap(), ["cat", "dog"]);
    assert_eq!(read("cat\rdog", Some(2)).unwrap(), ["cat", "dog"]);
    for (content, expected, error) in [
        ("cat\n\ndog\n", None, "line 2: expected a name, found an empty line"),
        ("cat\ndog\n\ncat\n", None, "line 3: expected a name, found an empty line"),
        (
            "cat\ndog\ncat \n",
            None,
            "line 3: expected a name not listed before, found cat, as in line 1",
        ),
        ("\u{feff}cat\ncat\n", None, "line 2: expected a name not listed before, found cat"),
        ("\n\n", None, "number of lines: expected at least 1, found 0"),
        ("cat\n", Some(2), "number of lines: expected 2, found 1"),
    ] {
        let message = read(content, expected).unwrap_err();
        assert!(message.contains(error), "{message}");
    }
    let (_folder, path) = file(b"\xef\xbb\xbf\r\na\r\n\r\n b\r\n\r\n");
    assert_eq!(filled_lines(&path).unwrap(), [(2, "a".to_owned()), (4, " b".to_owned())]);
}

#[test]
fn paths_are_normalised_before_they_are_judged() {
    for (path, expected) in [
        ("a", Ok("a")),
        ("./cat/a.pgm", Ok("cat/a.pgm")),
        ("././a", Ok("a")),
        ("cat//a", Ok("cat/a")),
        ("cat/./a", Ok("cat/a")),
        ("cat/a/", Ok("cat/a")),
        ("cat/x/../a", Ok("cat/a")),
        ("./x/.././a", Ok("a")),
        ("...", Ok("...")),
        ("a..b/..c", Ok("a..b/..c")),
        ("", Err(PathFault::Empty)),
        (".", Err(PathFault::Folder)),
        ("./", Err(PathFault::Folder)),
        ("a/..", Err(PathFault::Folder)),
        ("..", Err(PathFault::Outside)),
        ("../a", Err(PathFault::Outside)),
        ("./../a", Err(PathFault::Outside)),
        ("x/../../a", Err(PathFault::Outside)),
        ("a/../../a/b", Err(PathFault::Outside)),
        ("/a", Err(PathFault::Absolute)),
        ("//a", Err(PathFault::Absolute)),
    ] {
        assert_eq!(below(Path::new(path)), expected.map(PathBuf::from), "{path}");
        assert_eq!(listed(path), expected.map(PathBuf::from), "{path}");
        // The same list, written on Windows.
        assert_eq!(listed(&path.replace('/', "\\")), expected.map(PathBuf::from), "{path}");
    }
    for path in ["C:\\a", "C:/a", "c:", "\\\\server\\share\\a"] {
        assert_eq!(listed(path), Err(PathFault::Absolute), "{path}");
    }
    assert_eq!(listed("a:b.png").map_err(|fault| fault.to_string()), Ok("a:b.png".into()));
    assert_eq!(PathFault::Outside.to_string(), "which leads out of the folder");
}

#[test]
fn what_systems_leave_is_no_entry() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        ".DS_Store",
        "Thumbs.db",
        "THUMBS.DB",
        "ehthumbs.db",
        "Desktop.ini",
        "desktop.ini",
        "._a.png",
        "a.png",
        "thumbs.png",
    ] {
        fs::write(folder.path().join(name), "x").unwrap();
        assert_eq!(
            is_ignored(name),
            !name.ends_with("a.png") && name != "thumbs.png" || name == "._a.png",
            "{name}"
        );
    }
    fs::create_dir(folder.path().join("__MACOSX")).unwrap();
    fs::create_dir(folder.path().join("cat")).unwrap();
    let found = entries(folder.path(), &real(folder.path()).unwrap()).unwrap();
    let found: Vec<(&str, bool)> =
        found.iter().map(|entry| (entry.name.as_str(), entry.is_folder)).collect();
    assert_eq!(found, [("a.png", false), ("cat", true), ("thumbs.png", false)]);
}

#[test]
fn endings_have_any_case() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.JPG", "b.d.Png", "c.jpg", "c.png", "e", "f.gz"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let files = Endings::read(folder.path()).unwrap();
    let file = |name: &str, endings: &[&str]| {
        files.file(name, endings).map(|file| file.map(str::to_owned))
    };
    assert_eq!(file("a", &["jpg", "png"]).unwrap().as_deref(), Some("a.JPG"));
    assert_eq!(file("b.d", &["jpg", "png"]).unwrap().as_deref(), Some("b.d.Png"));
    assert_eq!(file("c", &["png"]).unwrap().as_deref(), Some("c.png"));
    for (name, ending) in
        [("a", "png"), ("A", "jpg"), ("b", "png"), ("e", "jpg"), ("e", "e"), ("", "gz")]
    {
        assert_eq!(file(name, &[ending]).unwrap(), None, "{name}");
    }
    let message = file("c", &["jpg", "png"]).unwrap_err().to_string();
    assert!(
        message.ends_with("entries: expected one file called c, found c.jpg and c.png"),
        "{message}"
    );
    assert_eq!(
        Endings::read(&folder.path().join("none")).unwrap().file("a", &["jpg"]).unwrap(),
        None
    );
    assert!(Endings::read(&folder.path().join("e")).is_err());
}
