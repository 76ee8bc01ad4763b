//! Tests of Tiny-ImageNet and CUB: small sets in the official layouts, and sets with an error in
//! each place.

use mbls_data::Seed;
use mbls_vision::dataset::{Parts, Split, cub, tiny_imagenet};
use mbls_vision::{FilesConfig, ImageFiles, ImageSource, OnError, Result};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tiny_imagenet::ClassOrder;

fn write(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Returns a grey image of 64x64 pixels as a PGM file; the content determines the format.
fn pgm(value: u8) -> Vec<u8> {
    [b"P5 64 64 255\n".as_slice(), &[value; 64 * 64]].concat()
}

fn assert_error<T>(result: Result<T>, parts: &[&str]) {
    let message = result.err().expect("the set was accepted").to_string();
    assert!(parts.iter().all(|part| message.contains(part)), "{message:?} lacks one of {parts:?}");
}

const WNIDS: [&str; 3] = ["n30", "n10", "n20"];

/// Creates two training images and one test image for each of three classes.
fn tiny() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "wnids.txt", WNIDS.join("\n") + "\n");
    write(root, "words.txt", "n10\tten, X\nn15\tfifteen\nn20\ttwenty\nn30\tthirty\n");
    let mut annotations = String::new();
    for (i, wnid) in WNIDS.iter().enumerate() {
        for n in [2, 10] {
            write(root, &format!("train/{wnid}/images/{wnid}_{n}.JPEG"), pgm((10 * i + n) as u8));
        }
        write(root, &format!("train/{wnid}/{wnid}_boxes.txt"), "");
        write(root, &format!("val/images/val_{i}.JPEG"), pgm(i as u8));
        annotations += &format!("val_{i}.JPEG\t{wnid}\t0\t1\t2\t3\n");
    }
    write(root, "val/val_annotations.txt", annotations);
    folder
}

fn load(root: &Path, split: Split) -> Result<ImageFiles> {
    tiny_imagenet::load(root, split, ClassOrder::Listed, FilesConfig::default())
}

fn values(images: &ImageFiles) -> Vec<u8> {
    (0..images.labels().len()).map(|i| images.image(i).unwrap().pixels[0]).collect()
}

#[test]
fn tiny_imagenet_is_read_in_the_order_of_paths() {
    let folder = tiny();
    let train = load(folder.path(), Split::Train).unwrap();
    assert_eq!((train.name(), train.classes(), train.channels()), ("tiny-imagenet-train", 3, 3));
    assert_eq!(train.common_shape(), Some([3, 64, 64]));
    // n10, n20, n30; "_10" sorts before "_2".
    assert_eq!(values(&train), [20, 12, 30, 22, 10, 2]);
    assert_eq!(train.labels(), [1, 1, 2, 2, 0, 0]);
    assert_eq!(train.class_names(), ["thirty", "ten, X", "twenty"]);
    let test = load(folder.path(), Split::Test).unwrap();
    assert_eq!(
        (test.name(), values(&test), test.labels()),
        ("tiny-imagenet-test", vec![0, 1, 2], &[0, 1, 2][..])
    );
    let sorted = |split| {
        tiny_imagenet::load(folder.path(), split, ClassOrder::Sorted, FilesConfig::default())
            .unwrap()
    };
    assert_eq!(sorted(Split::Train).labels(), [0, 0, 1, 1, 2, 2]);
    assert_eq!(
        (sorted(Split::Test).labels(), sorted(Split::Test).class_names()[0].as_str()),
        (&[2, 0, 1][..], "ten, X")
    );
    write(folder.path(), "val/images/val_1.JPEG", b"P5 2 1 255\n\0\0");
    let test = load(folder.path(), Split::Test).unwrap();
    assert_error(
        test.image(1),
        &["val_1.JPEG", "height and width", "expected 64 x 64, found 1 x 2"],
    );
    // In a folder with the official name, and without the file of names.
    let outer = tempfile::tempdir().unwrap();
    fs::remove_file(folder.path().join("words.txt")).unwrap();
    fs::rename(folder.path(), outer.path().join("tiny-imagenet-200")).unwrap();
    assert_eq!(load(outer.path(), Split::Train).unwrap().class_names(), WNIDS);
}

#[test]
fn wrong_tiny_imagenet_sets_are_named() {
    let after = |split, change: &dyn Fn(&Path), parts: &[&str]| {
        let folder = tiny();
        change(folder.path());
        assert_error(load(folder.path(), split), parts);
    };
    let train = |change: &dyn Fn(&Path), parts: &[&str]| after(Split::Train, change, parts);
    let test = |change: &dyn Fn(&Path), parts: &[&str]| after(Split::Test, change, parts);
    let remove = |path: &'static str| move |root: &Path| fs::remove_file(root.join(path)).unwrap();
    let put =
        |path: &'static str, content: &'static str| move |root: &Path| write(root, path, content);
    train(&remove("wnids.txt"), &["cannot open", "wnids.txt"]);
    train(&put("wnids.txt", ""), &["wnids.txt", "at least 1"]);
    train(&put("wnids.txt", "n10\nn10\n"), &["wnids.txt", "line 2", "not listed before"]);
    let many: String = (0..201).map(|i| format!("n{i}\n")).collect();
    train(&move |root| write(root, "wnids.txt", &many), &["wnids.txt", "at most 200", "201"]);
    train(&|root| write(root, "wnids.txt", [0xff, 10]), &["wnids.txt", "byte 0", "UTF-8"]);
    train(&put("wnids.txt", "n10\nn20\n"), &["train", "the classes of wnids.txt", "n30"]);
    train(&put("wnids.txt", "n10\nn20\nn30\nn40\n"), &["train", "one named n40", "none"]);
    train(&put("words.txt", "n10\tten\nn20\ttwenty\n"), &["words.txt", "one for n30"]);
    // Missing and extra images.
    train(
        &remove("train/n20/images/n20_2.JPEG"),
        &["tiny-imagenet-train images of n20", "as many as of n30, 2", "found 1"],
    );
    train(&put("train/n20/images/n20_3.JPEG", "x"), &["images of n20", "found 3"]);
    train(&put("train/n20/images/note.txt", "x"), &["train/n20/images", "only images", "note.txt"]);
    train(
        &|root| fs::remove_dir_all(root.join("train/n20/images")).unwrap(),
        &["read the folder", "train/n20/images"],
    );
    // A file in place of a folder.
    train(
        &|root| {
            fs::remove_dir_all(root.join("train")).unwrap();
            write(root, "train", "a file");
        },
        &["cannot read the folder", "train"],
    );
    train(
        &|root| {
            (0..499).for_each(|i| {
                WNIDS
                    .iter()
                    .for_each(|id| write(root, &format!("train/{id}/images/x{i}.JPEG"), "x"));
            });
        },
        &["1..=500", "found 501"],
    );
    let annotations = |lines: &'static str| put("val/val_annotations.txt", lines);
    test(&remove("val/val_annotations.txt"), &["cannot open", "val_annotations.txt"]);
    test(
        &annotations("val_0.JPEG n30"),
        &["val_annotations.txt", "line 1: fields", "between tabs"],
    );
    test(
        &annotations("val_0.JPEG\tn31\t0"),
        &["val_annotations.txt", "line 1: class", "one of wnids.txt", "n31"],
    );
    test(
        &annotations("val_0.JPEG\tn30\nval_0.JPEG\tn10"),
        &["line 2: file", "not listed before", "val_0.JPEG"],
    );
    test(
        &annotations("val_0.JPEG\tn30\nval_2.JPEG\tn10"),
        &["val_annotations.txt", "also for val_1.JPEG", "none"],
    );
    test(&remove("val/images/val_1.JPEG"), &["val/images", "val_1.JPEG", "none"]);
    test(
        &|root| fs::remove_dir_all(root.join("val/images")).unwrap(),
        &["read the folder", "val/images"],
    );
    test(
        &annotations("val_0.JPEG\tn30\nval_1.JPEG\tn30\nval_2.JPEG\tn10"),
        &["tiny-imagenet-test images of n10", "as many as of n30, 2", "found 1"],
    );
}

#[cfg(unix)]
#[test]
fn an_unreadable_folder_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tiny();
    let images = folder.path().join("train/n20/images");
    fs::set_permissions(&images, fs::Permissions::from_mode(0o000)).unwrap();
    // Permissions do not restrict root.
    let enforced = fs::read_dir(&images).is_err();
    let result = load(folder.path(), Split::Train);
    fs::set_permissions(&images, fs::Permissions::from_mode(0o700)).unwrap();
    if enforced {
        assert_error(result, &["cannot read the folder", "train/n20/images"]);
    } else {
        assert!(result.is_ok());
    }
}

const BIRDS: [&str; 2] = ["001.Auk", "002.Crow"];

/// Creates six images for each of two classes, the first four for training.
fn birds() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let [mut images, mut labels, mut split] = [const { String::new() }; 3];
    for i in 0..12 {
        let class = i / 6;
        let path = format!("{}/bird_{i}.jpg", BIRDS[class]);
        write(root, &format!("images/{path}"), pgm(i as u8));
        images += &format!("{} {path}\n", i + 1);
        labels += &format!("{} {}\n", i + 1, class + 1);
        split += &format!("{} {}\n", i + 1, u8::from(i % 6 < 4));
    }
    write(root, "images.txt", images);
    write(root, "image_class_labels.txt", labels);
    write(root, "train_test_split.txt", split);
    write(root, "classes.txt", "1 001.Auk\n2 002.Crow\n");
    folder
}

#[test]
fn cub_has_the_official_parts_and_a_correct_protocol() {
    let folder = birds();
    let set = cub::load(folder.path(), FilesConfig::default()).unwrap();
    assert_eq!(
        (values(&set.images), set.images.labels()),
        ((0..12).collect(), &[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1][..])
    );
    assert_eq!(set.images.class_names(), BIRDS);
    assert_eq!(
        (&set.train[..], &set.test[..]),
        (&[0, 1, 2, 3, 6, 7, 8, 9][..], &[4, 5, 10, 11][..])
    );
    let published = set.parts(cub::Protocol::Published).unwrap();
    assert_eq!(published, Parts { train: set.train.clone(), validation: set.test.clone() });
    let correct =
        |seed| set.parts(cub::Protocol::Correct { validation: 2, seed: Seed(seed) }).unwrap();
    let Parts { train, validation } = correct(1);
    assert_eq!((train.len(), validation.len()), (6, 2));
    assert!(
        validation[0] < 4 && (6..10).contains(&validation[1]),
        "one of each class: {validation:?}"
    );
    let mut all = [train, validation].concat();
    all.sort_unstable();
    assert_eq!(all, set.train);
    assert_eq!(correct(1), correct(1));
    assert!((2..20).any(|seed| correct(seed) != correct(1)));
    for validation in [0, 1, 7, 8, 9, usize::MAX] {
        assert_error(
            set.parts(cub::Protocol::Correct { validation, seed: Seed(1) }),
            &["cannot split"],
        );
    }
}

#[test]
fn parts_of_cub_stay_right_without_what_is_skipped() {
    let folder = birds();
    write(folder.path(), "images/001.Auk/bird_1.jpg", "");
    write(folder.path(), "images/002.Crow/bird_10.jpg", "");
    let config = FilesConfig { on_error: OnError::Skip, ..Default::default() };
    let set = cub::load(folder.path(), config).unwrap();
    let of = |part: &[usize]| {
        part.iter().map(|&i| set.images.image(i).unwrap().pixels[0]).collect::<Vec<_>>()
    };
    assert_eq!((of(&set.train), of(&set.test)), (vec![0, 2, 3, 6, 7, 8, 9], vec![4, 5, 11]));
    assert_eq!(set.images.skipped().len(), 2);
}

#[test]
fn wrong_cub_sets_are_named() {
    let after = |change: &dyn Fn(&Path), parts: &[&str]| {
        let folder = birds();
        change(folder.path());
        assert_error(cub::load(folder.path(), FilesConfig::default()), parts);
    };
    let replace = |file: &'static str, from: &'static str, to: &'static str| {
        move |root: &Path| {
            let content = fs::read_to_string(root.join(file)).unwrap();
            assert!(content.contains(from));
            write(root, file, content.replacen(from, to, 1));
        }
    };
    for file in ["images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt"] {
        after(&|root| fs::remove_file(root.join(file)).unwrap(), &["cannot open", file]);
        after(&|root| write(root, file, ""), &[file, "number of lines"]);
        after(&replace(file, "2 ", "3 "), &[file, "line 2", "2 and a value"]);
        after(&replace(file, "1 ", "1-"), &[file, "line 1", "1 and a value"]);
    }
    after(
        &replace("classes.txt", "002.Crow", "Crow"),
        &["images.txt", "line 7: path", "in the folder of its class, Crow"],
    );
    after(
        &replace("image_class_labels.txt", "12 2\n", ""),
        &["image_class_labels.txt", "number of lines", "expected 12, found 11"],
    );
    after(
        &replace("image_class_labels.txt", "3 1\n", "3 3\n"),
        &["line 3: class", "1..=2", "\"3\""],
    );
    after(
        &replace("image_class_labels.txt", "3 1\n", "3 0\n"),
        &["line 3: class", "1..=2", "\"0\""],
    );
    after(
        &replace("image_class_labels.txt", "3 1\n", "3 2\n"),
        &["images.txt", "line 3: path", "002.Crow", "001.Auk/bird_2.jpg"],
    );
    after(
        &replace("train_test_split.txt", "3 1\n", "3 2\n"),
        &["train_test_split.txt", "line 3: part", "0 or 1", "\"2\""],
    );
    after(
        &|root| {
            let lines: String = (1..=12).map(|i| format!("{i} {}\n", u8::from(i <= 6))).collect();
            write(root, "train_test_split.txt", lines);
        },
        &["images of class 0 (001.Auk)", "6 for training, 0 for testing"],
    );
    after(
        &replace("images.txt", "001.Auk/bird_2.jpg", "../001.Auk/bird_2.jpg"),
        &["images.txt", "line 3: path", "below"],
    );
    after(
        &replace("images.txt", "001.Auk/bird_2.jpg", "/etc/passwd"),
        &["images.txt", "line 3: path", "below"],
    );
    after(
        &replace("images.txt", "001.Auk/bird_2.jpg", "001.Auk/bird_0.jpg"),
        &["line 3: path", "not listed before"],
    );
    after(
        &|root| fs::remove_file(root.join("images/001.Auk/bird_2.jpg")).unwrap(),
        &["cannot open", "bird_2.jpg"],
    );
    after(
        &|root| write(root, "images/001.Auk/bird_99.jpg", ""),
        &["images", "those of images.txt", "001.Auk/bird_99.jpg"],
    );
    after(
        &|root| write(root, "images/003.Dodo/bird.jpg", ""),
        &["images", "the folders of classes.txt", "003.Dodo"],
    );
    after(&|root| fs::remove_dir_all(root.join("images")).unwrap(), &["images"]);
}
