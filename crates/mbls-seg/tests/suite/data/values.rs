//! Mapping of mask values to classes.

use super::{assert_error, folder, image, load, mask, voc};
use mbls_data::{Dataset, Result, Seed};
use mbls_seg::dataset::{ClassCounts, ClassList, SegmentationFiles, VOID, folders};
use tempfile::TempDir;

/// Returns a data set of one image with a mask of these rows, and its folder.
fn one(rows: &[&[u8]], classes: ClassList) -> (SegmentationFiles, TempDir) {
    let files =
        folder(&[("i/a.ppm", &image(rows.len(), rows[0].len(), 9)), ("m/a.png", &mask(rows))]);
    let [images, masks] = ["i", "m"].map(|part| files.path().join(part));
    (folders::load(images, masks, classes, Default::default()).unwrap(), files)
}

fn read(content: &str) -> Result<ClassList> {
    let files = folder(&[("classes.txt", content.as_bytes())]);
    ClassList::read(files.path().join("classes.txt"))
}

#[test]
fn binary_masks_of_0_and_255_have_two_classes() {
    let rows: [&[u8]; 2] = [&[0, 255, 255], &[255, 0, 255]];
    let classes = read("0 ground\n255 thing\n").unwrap();
    assert_eq!(
        (classes.names(), classes.void_values()),
        (&["ground".into(), "thing".into()][..], vec![])
    );
    let (files, _folder) = one(&rows, classes.clone());
    assert_eq!(files.get(0, Seed(0)).unwrap().mask.classes, [0, 1, 1, 1, 0, 1]);
    let counts = files.class_counts(&[0]).unwrap();
    assert_eq!(counts, ClassCounts { classes: vec![2, 4], void: 0, most_void: None });
    assert_eq!(classes, ClassList::with_values(&[(0, "ground"), (255, "thing")], &[]).unwrap());
    // With default values the thing is void, and the counts contain its mask value.
    let names = ClassList::new(vec!["ground".into(), "thing".into()]).unwrap();
    let (files, _folder) = one(&rows, names);
    let counts = files.class_counts(&[0]).unwrap();
    assert_eq!(counts, ClassCounts { classes: vec![2, 0], void: 4, most_void: Some(255) });
}

#[test]
fn values_may_have_gaps_and_any_order() {
    let classes =
        read("\u{feff}200 roof top 1 2 3\r\n\r\n7 road\r\n4 Unlabelled\r\n9 don't care\r\n")
            .unwrap();
    assert_eq!(classes.names(), ["road", "roof top"]);
    assert_eq!((classes.values(), classes.void_values()), (vec![7, 200], vec![4, 9, 255]));
    let (files, _folder) = one(&[&[7, 200, 4], &[9, 9, 255]], classes.clone());
    assert_eq!(files.get(0, Seed(0)).unwrap().mask.classes, [0, 1, VOID, VOID, VOID, VOID]);
    let counts = files.class_counts(&[0]).unwrap();
    assert_eq!(counts, ClassCounts { classes: vec![1, 1], void: 4, most_void: Some(9) });
    let (files, _folder) = one(&[&[7, 200], &[7, 8]], classes);
    assert_error(
        files.get(0, Seed(0)),
        &["a.png", "value of the pixel in row 1, column 1: expected 4, 7, 9, 200 or 255, found 8"],
    );
    let classes = ClassList::with_values(&[(3, "c"), (1, "a"), (2, "b")], &[0, 128]).unwrap();
    assert_eq!(
        (classes.names(), classes.label(0)),
        (&["a".into(), "b".into(), "c".into()][..], Some(VOID))
    );
    let (files, _folder) = one(&[&[1, 2, 3, 0, 128, 4]], classes);
    assert_error(
        files.class_counts(&[0]),
        &["value of the pixel in row 0, column 5: expected 0, 1..=3, 128 or 255, found 4"],
    );
}

#[test]
fn names_say_what_is_void() {
    let void = [
        "void",
        "Void",
        "IGNORE",
        "ignored",
        "unlabelled",
        "unlabeled",
        "Unknown",
        "border",
        "don't care",
    ];
    for name in void.into_iter().chain(["dont_care"]) {
        let classes = read(&format!("0 sky\n1 {name}\n2 road\n")).unwrap();
        assert_eq!((classes.len(), classes.void_values()), (2, vec![1, 255]), "{name}");
        let classes = read(&format!("0 sky 1 2 3\n255 {name} 1 2 3\n")).unwrap();
        assert_eq!(
            (classes.len(), classes.void_values(), classes.is_default()),
            (1, vec![255], true),
            "{name}"
        );
    }
    // 255 is a named class, and other values are void.
    let classes = read("0 ignore\n1 ignore\n128 ground\n255 thing\n").unwrap();
    assert_eq!((classes.values(), classes.void_values()), (vec![128, 255], vec![0, 1]));
    for name in ["voided", "background", "borders", "unknown-bird"] {
        assert_eq!(read(&format!("0 {name}\n")).unwrap().names(), [name]);
    }
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    let with = |values: &[(u8, &str)], void: &[u8]| ClassList::with_values(values, void);
    assert_error(
        with(&[(1, "a"), (1, "b")], &[]),
        &["value 1 of the masks: expected one name, found a and b"],
    );
    assert_error(
        with(&[(1, "a"), (2, "b")], &[2]),
        &["value 2 of the masks: expected one name, found b and void"],
    );
    assert_error(with(&[(1, "void")], &[2]), &["number of classes: expected 1..=255, found 0"]);
    assert_error(with(&[(1, "a"), (2, "a")], &[]), &["name of class 1", "found \"a\""]);
    assert_error(with(&[(1, " ")], &[]), &["name of class 0: expected a name"]);
    let names: Vec<String> = (0..=255).map(|value| format!("c{value}")).collect();
    let all: Vec<(u8, &str)> = (0..=255).zip(names.iter().map(String::as_str)).collect();
    assert_error(with(&all, &[]), &["number of classes: expected 1..=255, found 256"]);
    assert_eq!(with(&all[1..], &[0]).unwrap().label(255), Some(254));
    assert_error(
        read("0 a\n0 b\n"),
        &["classes.txt: line 2: value: expected one not listed before"],
    );
}

#[test]
fn the_digest_knows_the_values_that_are_not_positions() {
    let digest = |classes| one(&[&[0, 1]], classes).0.digest();
    let plain = digest(ClassList::new(vec!["a".into(), "b".into()]).unwrap());
    assert_eq!(plain, digest(read("0 a\n1 b\n").unwrap()));
    assert_eq!(plain, digest(read("1 b\n0 a\n255 void\n").unwrap()));
    let others = [
        read("0 a\n2 b\n").unwrap(),
        read("0 a\n255 b\n").unwrap(),
        read("0 a\n1 b\n2 void\n").unwrap(),
        ClassList::with_values(&[(0, "a"), (1, "b")], &[3]).unwrap(),
    ];
    let mut seen = vec![plain];
    for classes in others {
        assert!(!classes.is_default());
        let found = digest(classes);
        assert!(!seen.contains(&found));
        seen.push(found);
    }
}

#[test]
fn counts_are_kept_and_are_those_of_the_images_asked_for() {
    let dir = voc();
    let files = load(dir.path(), "train").unwrap();
    let all = files.class_counts(&[0, 1]).unwrap();
    std::fs::remove_file(dir.path().join("SegmentationClass/a.png")).unwrap();
    std::fs::remove_file(dir.path().join("SegmentationClass/b.png")).unwrap();
    assert_eq!(files.class_counts(&[0, 1]).unwrap(), all);
    // Indices in any order, with repetitions.
    assert_eq!(files.class_counts(&[1, 0]).unwrap(), all);
    assert_eq!(files.class_counts(&[1, 1]).unwrap().void, 4);
    assert_eq!(files.class_counts(&[]).unwrap().pixels(), 0);
    // Masks that training has decoded are not read again.
    let dir = voc();
    let files = load(dir.path(), "train").unwrap();
    assert!(files.get(1, Seed(0)).is_ok());
    std::fs::remove_file(dir.path().join("SegmentationClass/a.png")).unwrap();
    assert_eq!(files.class_counts(&[1]).unwrap().void, 2);
}
