//! Tests of files as users have them: paths from other systems, EXIF orientations, files created by
//! operating systems, empty folders.

use mbls_vision::dataset::{Split, csv_list, cub, image_folder, tiny_imagenet};
use mbls_vision::{FilesConfig, ImageFiles, ImageSource, Result, decode, decode_oriented};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Creates a folder of files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// A grey image of one pixel.
const PIXEL: &[u8] = b"P5 1 1 255\n\x07";

fn message<T>(result: Result<T>) -> String {
    result.err().expect("accepted").to_string()
}

#[test]
fn lists_name_files_as_any_system_writes_them() {
    let load = |list: &str| {
        let files =
            folder(&[("cat/a.pgm", PIXEL), ("dog/b.pgm", PIXEL), ("list.csv", list.as_bytes())]);
        csv_list::load(
            files.path().join("list.csv"),
            None,
            Default::default(),
            FilesConfig::default(),
        )
        .map(|listed| listed.images)
    };
    let plain = load("path,label\ncat/a.pgm,cat\ndog/b.pgm,dog\n").unwrap();
    for list in [
        "path,label\n./cat/a.pgm,cat\n./dog/b.pgm,dog\n",
        "path,label\ncat//a.pgm,cat\ndog/./b.pgm,dog\n",
        "path,label\ncat/../cat/a.pgm,cat\nnone/../dog/b.pgm,dog\n",
        "path,label\ncat\\a.pgm,cat\n.\\dog\\b.pgm,dog\n",
    ] {
        let files = load(list).unwrap();
        assert_eq!(files.paths(), [Path::new("cat/a.pgm"), Path::new("dog/b.pgm")], "{list}");
        // The same data set, so results for one apply to the other.
        assert_eq!(files.digest(), plain.digest());
    }
    for (path, fault) in [
        ("../cat/a.pgm", "which leads out of the folder"),
        ("cat/../../cat/a.pgm", "which leads out of the folder"),
        ("..\\cat\\a.pgm", "which leads out of the folder"),
        ("/cat/a.pgm", "which is absolute"),
        ("C:\\cat\\a.pgm", "which is absolute"),
        (".", "which is the folder itself"),
    ] {
        let message = message(load(&format!("path,label\n{path},cat\n")));
        assert!(
            message.contains("line 2: path: expected one below the folder of the list")
                && message.ends_with(fault)
        );
    }
}

#[test]
fn paths_of_images_are_normalised() {
    let files = folder(&[("cat/a.pgm", PIXEL)]);
    let open = |path: &str| {
        ImageFiles::new(
            "x",
            files.path(),
            vec![(path.into(), 0)],
            vec!["cat".into()],
            FilesConfig::default(),
        )
    };
    for path in ["cat/a.pgm", "./cat/a.pgm", "cat/./a.pgm", "x/../cat//a.pgm"] {
        assert_eq!(open(path).unwrap().paths(), [Path::new("cat/a.pgm")]);
    }
    assert!(message(open("../a.pgm")).ends_with("found ../a.pgm, which leads out of the folder"));
}

#[test]
fn orientations_are_applied_as_pil_applies_them() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/exif");
    let values: Value =
        serde_json::from_slice(&fs::read(fixtures.join("values.json")).unwrap()).unwrap();
    for (file, expected) in
        values.as_object().unwrap().iter().filter(|(_, values)| values.is_array())
    {
        let expected: Vec<u8> = serde_json::from_value(expected.clone()).unwrap();
        let found = decode_oriented(&fixtures.join(file), 1 << 20, 15).unwrap();
        assert_eq!(file[..1].parse(), Ok(found.orientation), "{file}");
        assert_eq!(
            [found.image.height, found.image.width],
            [expected[0], expected[1]].map(usize::from),
            "{file}"
        );
        let apart = found
            .image
            .pixels
            .iter()
            .zip(&expected[2..])
            .map(|(a, b)| a.abs_diff(*b))
            .max()
            .unwrap();
        assert!(apart <= if file.ends_with("jpg") { 3 } else { 0 }, "{file}: {apart}");
    }
    // Limits and sizes apply to the rotated image.
    let upright = fixtures.join("6.png");
    assert!(message(decode(&upright, 1 << 20, 14)).ends_with("expected at most 14, found 3 x 5"));
    let open = |size| {
        let config = FilesConfig { size: Some(size), ..Default::default() };
        let names = vec!["x".to_owned()];
        ImageFiles::new("x", &fixtures, vec![("6.png".into(), 0)], names, config).unwrap().image(0)
    };
    assert_eq!(open([5, 3]).unwrap().shape(), [3, 5, 3]);
    assert!(message(open([3, 5])).ends_with("expected 3 x 5, found 5 x 3"));
}

#[test]
fn damaged_orientations_are_none() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/exif");
    let jpeg = fs::read(fixtures.join("6.jpg")).unwrap();
    let files = folder(&[]);
    let path = files.path().join("a.jpg");
    let start = jpeg.windows(6).position(|part| part == b"Exif\0\0").unwrap();
    let mut seen = [0; 9];
    // Identifier, byte order, and the first entry of the directory.
    for at in start..start + 30 {
        for value in [0, 1, 9, 0xFF] {
            let mut changed = jpeg.clone();
            changed[at] = value;
            fs::write(&path, &changed).unwrap();
            // The pixels are intact: the image in any orientation.
            seen[usize::from(decode_oriented(&path, 1 << 20, 15).unwrap().orientation)] += 1;
        }
    }
    assert!(seen[0] == 0 && seen[1] > 10 && seen[6] > 10, "{seen:?}");
}

#[test]
fn what_systems_leave_is_ignored_everywhere() {
    let files = folder(&[
        ("cat/a.pgm", PIXEL),
        ("cat/Thumbs.db", b"x"),
        ("cat/desktop.ini", b"x"),
        ("dog/THUMBS.DB", b"x"),
        ("dog/Desktop.ini", b"x"),
        ("dog/__MACOSX/b.pgm", PIXEL),
        ("dog/b.pgm", PIXEL),
        ("__MACOSX/cat/._a.pgm", b"x"),
        ("Thumbs.db", b"x"),
    ]);
    let images = image_folder::load(files.path(), None, FilesConfig::default()).unwrap();
    assert_eq!(images.paths(), [Path::new("cat/a.pgm"), Path::new("dog/b.pgm")]);
    assert_eq!(images.class_names(), ["cat", "dog"]);
}

#[test]
fn an_empty_class_is_a_warning_in_a_test_part_alone() {
    let files = folder(&[("cat/a.pgm", PIXEL), ("dog/Thumbs.db", b"x"), ("fox/b.pgm", PIXEL)]);
    let load = |classes: Option<&[String]>| {
        image_folder::load(files.path(), classes, FilesConfig::default())
    };
    assert!(message(load(None)).ends_with("dog: number of images: expected at least 1, found 0"));
    let classes = ["ant", "cat", "dog", "fox"].map(str::to_owned);
    let images = load(Some(&classes)).unwrap();
    assert_eq!((images.labels(), images.classes()), (&[1, 3][..], 4));
    let [warning] = images.warnings() else { panic!("{:?}", images.warnings()) };
    assert!(warning.ends_with("dog: no image of class 2 (dog)"), "{warning}");
    assert_eq!(images.class_counts(&[0, 1]).unwrap(), [0, 1, 0, 1]);
    assert_eq!(images.class_counts(&[1]).unwrap(), [0, 0, 0, 1]);
    assert!(message(images.class_counts(&[2])).contains("index 2 is out of range"));
    // No image at all is an error in any part.
    let files = folder(&[("dog/Thumbs.db", b"x")]);
    let empty = image_folder::load(files.path(), Some(&classes), FilesConfig::default());
    assert!(message(empty).ends_with("number of images: expected at least 1, found 0"));
}

#[test]
fn published_lists_are_read_from_any_editor() {
    // A byte-order mark, Windows line ends, blank lines at the end, and, in a list of annotations,
    // between lines.
    let files = folder(&[
        ("wnids.txt", "\u{feff}n20\r\nn10\r\n\r\n".as_bytes()),
        ("words.txt", "\u{feff}n10\tten\r\n\r\nn20\ttwenty\r\n".as_bytes()),
        ("train/n10/images/a.JPEG", b"x"),
        ("train/n20/images/b.JPEG", b"x"),
        ("train/n20/images/Thumbs.db", b"x"),
        ("val/images/v.JPEG", b"x"),
        ("val/images/w.JPEG", b"x"),
        (
            "val/val_annotations.txt",
            "\u{feff}v.JPEG\tn20\t0\r\n\r\nw.JPEG\tn10\t0\r\n\r\n".as_bytes(),
        ),
    ]);
    for (split, labels) in [(Split::Train, [1, 0]), (Split::Test, [0, 1])] {
        let order = tiny_imagenet::ClassOrder::Listed;
        let images =
            tiny_imagenet::load(files.path(), split, order, FilesConfig::default()).unwrap();
        assert_eq!(images.labels(), labels);
        assert_eq!(images.class_names(), ["twenty", "ten"]);
    }
    let files = folder(&[
        ("classes.txt", "\u{feff}1 001.Auk\r\n".as_bytes()),
        ("images.txt", "\u{feff}1 001.Auk\\a.jpg\r\n2 ./001.Auk/b.jpg\r\n\r\n".as_bytes()),
        ("image_class_labels.txt", b"1 1\r2 1\r"),
        ("train_test_split.txt", b"1 1 \n2 0\t\n\n"),
    ]);
    let lists = cub::Lists::read(files.path()).unwrap();
    assert_eq!(lists.files, [Path::new("001.Auk/a.jpg"), Path::new("001.Auk/b.jpg")]);
    assert_eq!(
        (lists.is_train, lists.class_names),
        (vec![true, false], vec!["001.Auk".to_owned()])
    );
}
