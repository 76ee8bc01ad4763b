//! Lists, folders and images as they occur in practice.

use super::{assert_error, folder, image, load, mask, voc, write};
use mbls_data::{Dataset, Seed};
use mbls_seg::dataset::{ClassList, folders, voc_layout};
use std::path::Path;

#[test]
fn lists_of_the_voc_layout_come_from_any_editor() {
    let lists: [&[u8]; 8] = [
        b"\xef\xbb\xbfb\r\na\r\n",
        b"b\ra\r",
        b"b  \na\t\n\n\n",
        b"b\n\na",
        b"./b\na",
        b"x/../b\na",
        b".\\b\na",
        b"\xef\xbb\xbf\r\nb\r\n\r\na\r\n\r\n",
    ];
    for list in lists {
        let dir = voc();
        write(dir.path(), "ImageSets/Segmentation/train.txt", list);
        let files = load(dir.path(), "train").unwrap();
        let names: Vec<&Path> = files.pairs().iter().map(|pair| pair.image.as_path()).collect();
        assert_eq!(names, [Path::new("b.jpg"), Path::new("a.jpg")], "{list:?}");
    }
    let wrong = |list: &[u8], parts: &[&str]| {
        let dir = voc();
        write(dir.path(), "ImageSets/Segmentation/train.txt", list);
        assert_error(load(dir.path(), "train"), parts);
    };
    let utf16: Vec<u8> = "\u{feff}a\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    wrong(&utf16, &["train.txt", "line 1", "UTF-16"]);
    wrong(b"a\n\n./a\n", &["line 3: expected a name not listed before, found ./a, as in line 1"]);
    wrong(b"\n\nc\n", &["line 3: image: expected", "JPEGImages/c.jpg", "found no such file"]);
    wrong(b"a  1\nb -1\n", &["line 1: image", "as in a list of ImageSets/Main"]);
}

#[test]
fn endings_have_any_case_in_the_voc_layout() {
    let dir = folder(&[
        ("JPEGImages/a.JPG", &image(1, 1, 1)),
        ("JPEGImages/b.d.Jpeg", &image(1, 1, 2)),
        ("JPEGImages/s/c.PNG", &image(1, 1, 3)),
        ("SegmentationClass/a.PNG", &mask(&[&[1]])),
        ("SegmentationClass/b.d.png", &mask(&[&[2]])),
        ("SegmentationClass/s/c.Png", &mask(&[&[3]])),
        ("ImageSets/Segmentation/train.TXT", b"a\nb.d\ns/c\n"),
    ]);
    let files = load(dir.path(), "train").unwrap();
    let values: Vec<u8> = (0..3).map(|i| files.get(i, Seed(0)).unwrap().mask.classes[0]).collect();
    assert_eq!((values, files.name()), (vec![1, 2, 3], "voc-layout-train"));
    assert_eq!(load(dir.path(), "./train").unwrap().name(), "voc-layout-train");
    // The name is ambiguous.
    write(dir.path(), "JPEGImages/a.png", &image(1, 1, 1));
    assert_error(
        load(dir.path(), "train"),
        &["JPEGImages: entries: expected one file called a, found a.JPG and a.png"],
    );
}

#[test]
fn what_systems_leave_is_no_pair() {
    let dir = folder(&[
        ("i/a.ppm", &image(1, 1, 1)),
        ("i/Thumbs.db", b"x"),
        ("i/desktop.ini", b"x"),
        ("m/a.PNG", &mask(&[&[1]])),
        ("m/THUMBS.DB", b"x"),
        ("m/__MACOSX/._a.png", b"x"),
    ]);
    let [images, masks] = ["i", "m"].map(|part| dir.path().join(part));
    assert_eq!(
        folders::load(images, masks, ClassList::voc(), Default::default()).unwrap().len(),
        1
    );
}

#[test]
fn masks_belong_to_upright_images() {
    // The image is 5 wide and 3 high in the file, and 3 wide and 5 high after rotation.
    let turned =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/exif/6.jpg"))
            .unwrap();
    let sample = |rows: &[&[u8]]| {
        let dir = folder(&[
            ("JPEGImages/a.jpg", &turned),
            ("SegmentationClass/a.png", &mask(rows)),
            ("ImageSets/Segmentation/val.txt", b"a"),
        ]);
        voc_layout::load(dir.path(), "val", ClassList::voc(), Default::default())
            .unwrap()
            .get(0, Seed(0))
    };
    assert_eq!(sample(&[&[0; 3][..]; 5]).unwrap().size(), [5, 3]);
    let error = "rotated by its EXIF orientation 6, found 3 x 5";
    assert_error(
        sample(&[&[0; 5][..]; 3]),
        &["a.png: height and width: expected 5 x 3, as of", error],
    );
    let message = sample(&[&[0; 4][..]; 3]).unwrap_err().to_string();
    assert!(message.ends_with("a.jpg, found 3 x 4"), "{message}");
}
