//! Rejected input and its error messages.

use super::{assert_error, fixtures, folder, image, load, mask, voc, write};
use mbls_data::{Dataset, Result, Seed};
use mbls_seg::dataset::{
    ClassList, PairPaths, SegmentationConfig, SegmentationFiles, SegmentationSample, decode_mask,
    folders, voc_layout,
};
use std::fs;
use std::path::{Path, PathBuf};

/// Loads sample `a` after the content of one file of its data set is replaced.
fn with(file: &str, content: &[u8]) -> Result<SegmentationSample> {
    let dir = voc();
    write(dir.path(), file, content);
    load(dir.path(), "val")?.get(0, Seed(0))
}

const MASK: &str = "SegmentationClass/a.png";
const IMAGE: &str = "JPEGImages/a.jpg";
const LIST: &str = "ImageSets/Segmentation/val.txt";

#[test]
fn a_mask_of_another_size_than_its_image() {
    assert_error(
        with(MASK, &mask(&[&[0, 1]])),
        &[MASK, "height and width: expected 2 x 3, as of", IMAGE, "found 1 x 2"],
    );
    assert_error(with(IMAGE, &image(3, 2, 0)), &[MASK, "expected 3 x 2", "found 2 x 3"]);
}

#[test]
fn a_class_that_is_not_in_the_list() {
    for class in [21, 254] {
        let error =
            format!("value of the pixel in row 1, column 2: expected 0..=20 or 255, found {class}");
        assert_error(with(MASK, &mask(&[&[0, 1, 2], &[255, 20, class]])), &[MASK, &error]);
    }
    let dir = voc();
    write(dir.path(), MASK, &mask(&[&[0, 1, 2], &[255, 20, 21]]));
    let files = load(dir.path(), "train").unwrap();
    assert_error(files.class_counts(&[0, 1]), &[MASK, "found 21"]);
    assert_error(files.preload(), &[MASK, "found 21"]);
}

#[test]
fn a_mask_that_is_no_palette() {
    for (file, found) in [
        ("colour.png", "Rgb of 8 bits"),
        ("grey-alpha.png", "GrayscaleAlpha of 8 bits"),
        ("grey-1.png", "Grayscale of 1 bits"),
        ("grey-16.png", "Grayscale of 16 bits"),
    ] {
        let content = fs::read(fixtures().join(file)).unwrap();
        let error = format!("colour type: expected a palette, or grey of 8 bits, found {found}");
        assert_error(with(MASK, &content), &[MASK, &error]);
    }
    assert_error(
        with(MASK, &image(2, 3, 0)),
        &[MASK, "content: expected a PNG file, found [50, 36"],
    );
}

#[test]
fn a_mask_that_is_damaged() {
    let whole = mask(&[&[0, 1, 255], &[20, 20, 255]]);
    for len in [8, 20, 33, whole.len() / 2, whole.len() - 20] {
        assert_error(with(MASK, &whole[..len]), &[MASK, "content: expected a complete PNG file"]);
    }
    // A change of any byte of a small file gives an error or a mask, never a panic or another size.
    let whole = fs::read(fixtures().join("palette-2.png")).unwrap();
    let dir = voc();
    let path = dir.path().join("any.png");
    let mut refused = 0;
    for at in 0..whole.len() {
        for flip in [1, 0x80, 0xFF] {
            let mut broken = whole.clone();
            broken[at] ^= flip;
            fs::write(&path, &broken).unwrap();
            match decode_mask(&path, 1 << 20, 1 << 10) {
                Ok(mask) => {
                    assert_eq!((mask.height, mask.width, mask.classes.len()), (7, 13, 7 * 13));
                }
                Err(_) => refused += 1,
            }
        }
    }
    // Checksums detect all changes except for those after the pixels.
    assert!(refused >= 3 * (whole.len() - 16), "{refused} of {}", 3 * whole.len());
}

#[test]
fn no_memory_is_allocated_for_too_many_pixels() {
    let mut header = Vec::new();
    let mut encoder = png::Encoder::new(&mut header, 60_000, 60_000);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(vec![0; 3]);
    // Image decoders require a first chunk of data.
    encoder.write_header().unwrap().write_chunk(png::chunk::IDAT, &[0x78, 0x9c]).unwrap();
    assert_error(
        with(MASK, &header),
        &[MASK, "number of pixels: expected at most 89478485, found 60000 x 60000"],
    );
    assert_error(
        with(IMAGE, &header),
        &[IMAGE, "number of pixels: expected at most 89478485, found 60000 x 60000"],
    );

    let dir = voc();
    let open = |config| {
        voc_layout::load(dir.path(), "val", ClassList::voc(), config).unwrap().get(0, Seed(0))
    };
    let config = SegmentationConfig { max_pixels: 5, ..Default::default() };
    assert_error(open(config), &[IMAGE, "expected at most 5, found 3 x 2"]);
    let config = SegmentationConfig { max_file_bytes: 100, ..Default::default() };
    assert_error(open(config), &[MASK, "exceeds the limit of 100 bytes"]);
}

#[test]
fn files_without_content() {
    for file in [MASK, IMAGE] {
        let dir = voc();
        write(dir.path(), file, b"");
        // Detected when the data set is opened.
        assert_error(load(dir.path(), "val"), &[file, "size: expected at least 1 byte, found 0"]);
    }
    assert_error(decode_mask(folder(&[("x", b"")]).path().join("x"), 1, 1), &["x: size"]);
    assert_error(with(LIST, b""), &[LIST, "number of lines: expected at least 1, found 0"]);
    assert_error(with(LIST, b"\n\n"), &[LIST, "number of lines: expected at least 1, found 0"]);
}

#[test]
fn lists_that_name_what_is_not_there() {
    assert_error(
        with(LIST, b"a\nmissing\n"),
        &[LIST, "line 2: image: expected", "JPEGImages/missing.jpg", "found no such file"],
    );
    let dir = voc();
    fs::remove_file(dir.path().join(MASK)).unwrap();
    assert_error(
        load(dir.path(), "val"),
        &[LIST, "line 1: mask: expected", MASK, "found no such file"],
    );
    assert_error(
        with(LIST, b"a\nb\na\n"),
        &[LIST, "line 3: expected a name not listed before, found a"],
    );
    assert_error(with(LIST, b"a\n\xff\n"), &[LIST, "line 2 (byte 2): expected text in UTF-8"]);
    assert_error(load(dir.path(), "test"), &["cannot open", "ImageSets/Segmentation/test.txt"]);
}

#[test]
fn paths_that_leave_their_folder() {
    for name in ["../a", "/etc/passwd", "x/../../a"] {
        let error = format!(
            "line 1: name: expected one below the folders of images and masks, found {name:?}"
        );
        assert_error(with(LIST, name.as_bytes()), &[LIST, &error]);
    }
    let dir = voc();
    for split in ["../Segmentation/val", "", "a/b", "/val"] {
        assert_error(
            load(dir.path(), split),
            &["split: expected the name of a list, such as train"],
        );
    }
    let pairs = vec![PairPaths { image: "../a.jpg".into(), mask: "a.png".into() }];
    let result =
        SegmentationFiles::new("x", [dir.path(); 2], pairs, ClassList::voc(), Default::default());
    assert_error(result, &["data set x: path ../a.jpg: expected one below"]);
    let result =
        SegmentationFiles::new("x", [dir.path(); 2], vec![], ClassList::voc(), Default::default());
    assert_error(result, &["data set x: images: expected at least 1, found 0"]);
}

#[cfg(unix)]
#[test]
fn links_that_leave_their_folder() {
    let (dir, outside) = (voc(), folder(&[("a.png", &mask(&[&[0, 1, 2], &[0, 1, 2]]))]));
    fs::remove_file(dir.path().join(MASK)).unwrap();
    std::os::unix::fs::symlink(outside.path().join("a.png"), dir.path().join(MASK)).unwrap();
    assert_error(load(dir.path(), "val"), &[MASK, "target of the link: expected below"]);
    fs::remove_file(outside.path().join("a.png")).unwrap();
    assert_error(load(dir.path(), "val"), &["cannot open", MASK]);
}

#[test]
fn folders_that_cannot_be_read() {
    for (part, kind) in [("JPEGImages", "image"), ("SegmentationClass", "mask")] {
        let dir = voc();
        fs::remove_dir_all(dir.path().join(part)).unwrap();
        assert_error(load(dir.path(), "val"), &["cannot open", part]);
        fs::write(dir.path().join(part), kind).unwrap();
        assert_error(
            load(dir.path(), "val"),
            &[part, "file type: expected a folder, found a file"],
        );
    }
    let dir = voc();
    fs::remove_file(dir.path().join(MASK)).unwrap();
    fs::create_dir(dir.path().join(MASK)).unwrap();
    assert_error(load(dir.path(), "val"), &[MASK, "file type: expected a regular file"]);
}

#[cfg(unix)]
#[test]
fn folders_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder(&[("images/a.jpg", &image(1, 1, 1)), ("masks/a.png", &mask(&[&[0]]))]);
    let [images, masks] = ["images", "masks"].map(|part| dir.path().join(part));
    fs::set_permissions(&masks, fs::Permissions::from_mode(0o000)).unwrap();
    let is_allowed_everything = fs::read_dir(&masks).is_ok();
    let result = pair(&images, &masks);
    fs::set_permissions(&masks, fs::Permissions::from_mode(0o700)).unwrap();
    if is_allowed_everything {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED: this user may read every folder");
        return;
    }
    assert_error(result, &["masks", "ermission denied"]);
}

fn pair(images: &Path, masks: &Path) -> Result<SegmentationFiles> {
    folders::load(images, masks, ClassList::voc(), SegmentationConfig::default())
}

#[test]
fn folders_that_do_not_match() {
    let refused = |files: &[(&str, &[u8])], parts: &[&str]| {
        let dir = folder(files);
        fs::create_dir_all(dir.path().join("images")).unwrap();
        fs::create_dir_all(dir.path().join("masks")).unwrap();
        let [images, masks] = ["images", "masks"].map(|part| dir.path().join(part));
        assert_error(pair(&images, &masks), parts);
    };
    let (image, mask) = (image(1, 1, 1), mask(&[&[0]]));
    let a: [(&str, &[u8]); 2] = [("images/a.jpg", &image), ("masks/a.png", &mask)];
    refused(&[], &["images: images: expected at least 1, found 0"]);
    refused(&a[..1], &["masks: PNG files: expected at least 1, found 0"]);
    let more =
        |file: (&'static str, &[u8]), parts: &[&str]| refused(&[&a[..], &[file]].concat(), parts);
    more(
        ("images/b.jpg", &image),
        &["masks: masks: expected b.png, as there is b.jpg, found no such file"],
    );
    more(
        ("masks/b.png", &mask),
        &["images: images: expected an image for each mask, such as b.png, found none"],
    );
    more(
        ("images/a.png", &image),
        &["images: images: expected one file called a, found a.jpg and a.png"],
    );
    more(("images/notes.txt", b"x"), &["images: entries: expected only images, found notes.txt"]);
    more(("masks/b.jpg", &image), &["masks: entries: expected only PNG files, found b.jpg"]);
    more(("images/inner/a.jpg", &image), &["images: entries: expected only images, found inner"]);
    assert_error(
        pair(Path::new("nowhere/images"), Path::new("nowhere/masks")),
        &["cannot open nowhere/images"],
    );
}

#[test]
fn class_files_with_wrong_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("classes.txt");
    let many: String = (0..=255).map(|id| format!("{id} name{id}\n")).collect();
    for (content, error) in [
        ("", "number of classes: expected 1..=255, found 0"),
        ("255 void\n", "number of classes: expected 1..=255, found 0"),
        (
            "0 sky\n1 road 1 2\n",
            "line 2: expected a value and a name, or a value, a name, red, green and blue, found \"1 road 1 2\"",
        ),
        ("sky\n", "line 1: expected a value and a name"),
        ("0 sky\n-1 road\n", "line 2: value: expected 0..=255, found \"-1\""),
        ("0 sky\n256 road\n", "line 2: value: expected 0..=255, found \"256\""),
        ("0 sky 1 2 256\n", "line 1: colour: expected 0..=255, found \"256\""),
        ("0 potted plant 1 2 x\n", "line 1: colour: expected 0..=255, found \"x\""),
        ("0 sky\n1 road\n0 tree\n", "line 3: value: expected one not listed before, found \"0\""),
        ("0 sky\n1 road\n2 sky\n", "line 3: name: expected one not listed before, found \"sky\""),
        ("255 void\n255 nothing\n", "line 2: value: expected one not listed before, found \"255\""),
        (&many, "number of classes: expected 1..=255, found 256"),
    ] {
        fs::write(&path, content).unwrap();
        assert_error(ClassList::read(&path), &["classes.txt: ", error]);
    }
    fs::write(&path, many.replace("name255", "void")).unwrap();
    assert_eq!(ClassList::read(&path).unwrap().len(), 255);
    assert_error(ClassList::read(dir.path().join("none")), &["cannot open", "none"]);
    assert_error(ClassList::new(vec![]), &["number of classes: expected 1..=255, found 0"]);
    let names =
        |names: &[&str]| ClassList::new(names.iter().map(|name| (*name).to_owned()).collect());
    assert_error(names(&["a", " "]), &["name of class 1: expected a name"]);
    assert_error(
        names(&["a", "a"]),
        &["name of class 1: expected a name that no class before it has, found \"a\""],
    );
}
