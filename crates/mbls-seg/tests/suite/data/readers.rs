//! Readers.

use super::{fixtures, folder, image, load, mask, voc, write};
use mbls_data::{Dataset, Seed};
use mbls_seg::dataset::{
    ClassCounts, ClassList, SegmentationConfig, SegmentationFiles, decode_mask, folders,
    voc as voc_2012, voc_layout,
};
use serde_json::Value;
use std::path::{Path, PathBuf};

#[test]
fn masks_are_pils_indices() {
    let values: Value =
        serde_json::from_slice(&std::fs::read(fixtures().join("values.json")).unwrap()).unwrap();
    let values = values.as_object().unwrap();
    assert_eq!(values.len(), 9);
    for (file, rows) in values {
        let rows: Vec<Vec<u8>> = serde_json::from_value(rows.clone()).unwrap();
        let found = decode_mask(fixtures().join(file), 1 << 20, 1 << 20).unwrap();
        assert_eq!((found.height, found.width), (rows.len(), rows[0].len()), "{file}");
        assert_eq!(found.classes, rows.concat(), "{file}");
    }
}

#[test]
fn the_voc_layout_is_read_in_the_order_of_its_list() {
    let dir = voc();
    let train = load(dir.path(), "train").unwrap();
    assert_eq!((train.len(), train.name(), train.classes().len()), (2, "voc-layout-train", 21));
    let paths: Vec<&Path> = train.pairs().iter().map(|pair| pair.image.as_path()).collect();
    assert_eq!(paths, [Path::new("b.jpg"), Path::new("a.jpg")]);
    let a = train.get(1, Seed(0)).unwrap();
    assert_eq!((a.image.shape(), &a.image.pixels), ([3, 2, 3], &vec![10; 18]));
    assert_eq!(
        (a.mask.height, a.mask.width, &a.mask.classes[..]),
        (2, 3, &[0, 1, 255, 20, 20, 255][..])
    );
    assert_eq!(a.mask.valid_pixels(), 4);
    assert!(train.get(2, Seed(0)).is_err());

    let mut classes = vec![0; 21];
    (classes[0], classes[1], classes[7], classes[20]) = (2, 1, 1, 2);
    let counts = ClassCounts { classes, void: 2, most_void: Some(255) };
    assert_eq!(train.class_counts(&[0, 1]).unwrap(), counts);
    let first = train.class_counts(&[0]).unwrap();
    assert_eq!((first.classes[7], first.void, first.most_void, first.pixels()), (1, 0, None, 2));
    assert!(train.class_counts(&[2]).is_err());
    assert_eq!(load(dir.path(), "val").unwrap().len(), 1);
}

#[test]
fn voc_2012_is_found_where_it_is_unpacked() {
    for inner in ["", "VOC2012", "VOCdevkit/VOC2012"] {
        let outer = tempfile::tempdir().unwrap();
        let files = voc();
        std::fs::create_dir_all(outer.path().join(inner)).unwrap();
        for part in ["JPEGImages", "SegmentationClass", "ImageSets"] {
            std::fs::rename(files.path().join(part), outer.path().join(inner).join(part)).unwrap();
        }
        assert_eq!(
            voc_2012::load(outer.path(), "train", SegmentationConfig::default()).unwrap().len(),
            2,
            "{inner}"
        );
    }
}

#[test]
fn images_with_other_endings_are_found() {
    let dir = voc();
    write(dir.path(), "JPEGImages/c.d.png", &image(1, 1, 3));
    write(dir.path(), "SegmentationClass/c.d.png", &mask(&[&[3]]));
    write(dir.path(), "ImageSets/Segmentation/more.txt", b"c.d\r\n");
    let more = load(dir.path(), "more").unwrap();
    assert_eq!(more.pairs()[0].image, Path::new("c.d.png"));
    assert_eq!(more.get(0, Seed(0)).unwrap().mask.classes, [3]);
}

#[test]
fn folders_are_paired_by_name() {
    let dir = folder(&[
        ("images/b.jpg", &image(1, 1, 1)),
        ("images/a.ppm", &image(1, 2, 2)),
        ("images/.hidden", b""),
        ("masks/a.png", &mask(&[&[4, 5]])),
        ("masks/b.PNG", &mask(&[&[255]])),
    ]);
    let [images, masks] = ["images", "masks"].map(|part| dir.path().join(part));
    let files =
        folders::load(&images, &masks, ClassList::voc(), SegmentationConfig::default()).unwrap();
    assert_eq!(files.roots(), [images.as_path(), masks.as_path()]);
    let samples: Vec<Vec<u8>> =
        (0..2).map(|i| files.get(i, Seed(0)).unwrap().mask.classes).collect();
    assert_eq!(samples, [vec![4, 5], vec![255]]);
    assert!(files.get(1, Seed(0)).unwrap().is_all_void());
}

#[test]
fn class_files_have_any_order_and_names_of_words() {
    let dir = folder(&[("classes.txt", b"1 potted plant 0 0 1\n255 Void 0 0 0\n0\ttv\n")]);
    assert_eq!(
        ClassList::read(dir.path().join("classes.txt")).unwrap().names(),
        ["tv", "potted plant"]
    );
    assert_eq!(ClassList::voc().names()[15], "person");
}

#[test]
fn memory_is_kept_to_its_budget() {
    let dir = voc();
    let open = |cache_bytes| {
        let config = SegmentationConfig { cache_bytes, ..Default::default() };
        voc_layout::load(dir.path(), "train", ClassList::voc(), config).unwrap()
    };
    // 2 and 6 pixels of 4 bytes.
    for (budget, kept) in [(0, 0), (7, 0), (8, 1), (31, 1), (32, 2)] {
        let files = open(budget);
        let first: Vec<_> = (0..2).map(|i| files.get(i, Seed(0)).unwrap()).collect();
        assert_eq!(files.preload().unwrap(), kept, "{budget}");
        let again: Vec<_> = (0..2).map(|i| files.get(i, Seed(9)).unwrap()).collect();
        assert_eq!(first, again);
        assert_eq!(files.class_counts(&[0, 1]).unwrap().void, 2);
    }
    // Cached samples are not read again.
    let files = open(1 << 20);
    assert_eq!(files.preload().unwrap(), 2);
    std::fs::remove_file(dir.path().join("SegmentationClass/a.png")).unwrap();
    assert!(files.get(1, Seed(0)).is_ok());
}

#[test]
fn digests_tell_data_sets_apart() {
    let dir = voc();
    let digest = |files: SegmentationFiles| files.digest();
    let train = digest(load(dir.path(), "train").unwrap());
    assert_eq!(train, digest(load(dir.path(), "train").unwrap()));
    assert_ne!(train, digest(load(dir.path(), "val").unwrap()));
    let names: Vec<String> = (0..30).map(|i| i.to_string()).collect();
    let other = ClassList::new(names).unwrap();
    assert_ne!(
        train,
        digest(voc_layout::load(dir.path(), "train", other, Default::default()).unwrap())
    );
    write(dir.path(), "SegmentationClass/b.png", &mask(&[&[7, 0, 1]]));
    let path: PathBuf = dir.path().join("SegmentationClass/b.png");
    std::fs::OpenOptions::new().append(true).open(path).unwrap().set_len(4000).unwrap();
    assert_ne!(train, digest(load(dir.path(), "train").unwrap()));
}
