//! Tests of readers: the repository's digits, small generated files, and files with an error in
//! each field.

use flate2::Compression;
use flate2::write::GzEncoder;
use mbls_data::{Dataset, Seed};
use mbls_vision::dataset::{Split, cifar10, cifar100, digits, fashion_mnist, mnist};
use mbls_vision::{ImageSource, LabelledImages, Result};
use std::io::Write;
use std::path::Path;
use tempfile::TempDir;

fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

/// Checks that the message of an error contains all of `parts`.
fn assert_error(result: Result<LabelledImages>, parts: &[&str]) {
    let message = result.expect_err("the file was accepted").to_string();
    assert!(parts.iter().all(|part| message.contains(part)), "{message:?} lacks one of {parts:?}");
}

fn counts(images: &LabelledImages) -> Vec<usize> {
    let mut counts = vec![0; images.classes()];
    images.labels().iter().for_each(|&label| counts[label as usize] += 1);
    counts
}

#[test]
fn the_digits_are_the_published_ones() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/digits/digits.csv.gz");
    let images = digits::load(path).unwrap();
    assert_eq!(
        (images.len(), images.shape(), images.classes(), images.full_scale()),
        (1797, [1, 8, 8], 10, 16)
    );
    assert_eq!(counts(&images), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert_eq!(images.labels()[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let first = images.image(0).unwrap();
    assert_eq!(
        first.pixels[..24],
        [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0]
    );
    let sample = images.get(0, Seed(0)).unwrap();
    assert_eq!(sample.pixels[2..4], [5.0 / 16.0, 13.0 / 16.0]);
    // The constants of `Normalise::digits`.
    let values: Vec<f64> =
        (0..1797).flat_map(|i| images.get(i, Seed(0)).unwrap().pixels).map(f64::from).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let std = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
    let mut constants = [mean as f32, (mean + std) as f32];
    mbls_vision::transform::Normalise::digits().apply(&mut constants);
    assert!(constants[0].abs() < 3e-4 && (constants[1] - 1.0).abs() < 3e-4, "{constants:?}");
}

#[test]
fn wrong_digit_files_are_named() {
    let line = |pixel: &str, label: &str| format!("{}{pixel},{label}\n", "0,".repeat(63));
    let read = |content: &str, expected| {
        let directory = directory(&[("d.csv.gz", &gz(content.as_bytes()))]);
        digits::load_file(directory.path().join("d.csv.gz"), expected)
    };
    let good = line("16", "9");
    assert_eq!(read(&good.repeat(3), None).unwrap().len(), 3);
    assert_error(
        read(&(good.clone() + &line("17", "1")), None),
        &["d.csv.gz", "line 2, field 64 (value)", "0..=16", "\"17\""],
    );
    assert_error(
        read(&line("1", "10"), None),
        &["d.csv.gz", "line 1, field 65 (label)", "0..=9", "\"10\""],
    );
    assert_error(read(&line("x", "1"), None), &["line 1, field 64", "\"x\""]);
    assert_error(read(&line("-1", "1"), None), &["line 1, field 64", "\"-1\""]);
    assert_error(
        read(&(good.clone() + "1,2,3\n"), None),
        &["d.csv.gz", "line 2", "65 fields", "found 3"],
    );
    assert_error(read("", None), &["number of lines", "at least 1"]);
    assert_error(read(&good.repeat(3), Some(4)), &["number of lines", "expected 4, found 3"]);
    assert_error(read(&"0".repeat(2 << 20), None), &["d.csv.gz", "exceeds the limit"]);
    let whole = gz(good.as_bytes());
    let directory = directory(&[
        ("cut.gz", &whole[..whole.len() - 3]),
        ("plain.gz", good.as_bytes()),
        ("latin.gz", &gz(b"\xff")),
        ("d.gz", &whole),
    ]);
    let at = |name: &str| directory.path().join(name);
    assert_error(digits::load_file(at("cut.gz"), None), &["cut.gz", "truncated"]);
    assert_error(
        digits::load_file(at("plain.gz"), None),
        &["plain.gz", "not a complete gzip file"],
    );
    assert_error(digits::load_file(at("latin.gz"), None), &["latin.gz", "byte 0"]);
    assert_error(digits::load(at("d.gz")), &["expected 1797, found 1"]);
    assert_error(digits::load(at("missing.gz")), &["missing.gz"]);
}

const IMAGES: &str = "t10k-images-idx3-ubyte";
const LABELS: &str = "t10k-labels-idx1-ubyte";

/// Returns an idx file of the given sizes whose elements are computed by `element`.
fn idx(sizes: &[u32], element: impl Fn(usize) -> u8) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    let elements: usize = sizes.iter().map(|&size| size as usize).product();
    bytes.extend((0..elements).map(element));
    bytes
}

fn idx_images(n: u32) -> Vec<u8> {
    idx(&[n, 28, 28], |i| (i % 256) as u8)
}

fn idx_labels(n: u32) -> Vec<u8> {
    idx(&[n], |i| (i % 10) as u8)
}

fn mnist_of(images: &[u8], labels: &[u8]) -> Result<LabelledImages> {
    mnist::load(directory(&[(IMAGES, images), (LABELS, labels)]).path(), Split::Test)
}

#[test]
fn idx_files_are_read_plain_and_packed() {
    let plain = mnist_of(&idx_images(12), &idx_labels(12)).unwrap();
    assert_eq!(
        (plain.len(), plain.shape(), plain.classes(), plain.full_scale()),
        (12, [1, 28, 28], 10, 255)
    );
    assert_eq!(plain.labels(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    assert_eq!(plain.pixels(1).unwrap()[..3], [16, 17, 18]);
    let packed = directory(&[
        ("train-images-idx3-ubyte.gz", &gz(&idx_images(12))),
        ("train-labels-idx1-ubyte.gz", &gz(&idx_labels(12))),
    ]);
    let packed = mnist::load(packed.path(), Split::Train).unwrap();
    assert_eq!(
        (packed.name(), packed.labels(), packed.digest()),
        ("mnist-train", plain.labels(), plain.digest())
    );
}

#[test]
fn wrong_idx_files_are_named() {
    let (images, labels) = (idx_images(5), idx_labels(5));
    let changed = |bytes: &[u8], at: usize, value: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = value;
        bytes
    };
    let with_images = |images: &[u8], parts: &[&str]| {
        assert_error(mnist_of(images, &labels), &[&[IMAGES], parts].concat());
    };
    with_images(&changed(&images, 2, 9), &["magic number", "0x00000803", "0x00000903"]);
    with_images(&changed(&images, 3, 1), &["magic number", "0x00000801"]);
    with_images(&changed(&images, 0, 1), &["magic number"]);
    with_images(&changed(&images, 11, 32), &["size of dimension 1", "expected 28, found 32"]);
    with_images(&changed(&images, 15, 27), &["size of dimension 2", "expected 28, found 27"]);
    with_images(&changed(&images, 4, 255), &["size of dimension 0", "1..=10000 records"]);
    with_images(&changed(&images, 7, 6), &["with 6 records", "4720 bytes", "3936 bytes"]);
    with_images(
        &images[..images.len() - 1],
        &["with 5 records", "expected 3936 bytes, found 3935 bytes"],
    );
    with_images(&[&images[..], &[0]].concat(), &["with 5 records", "found 3937 bytes"]);
    with_images(&images[..15], &["header", "expected 16 bytes, found 15 bytes"]);
    with_images(&[], &["header", "found 0 bytes"]);
    with_images(&idx_images(4), &["number of images", "expected 5", LABELS, "found 4"]);
    with_images(
        &[&images[..16], &vec![0; 8_000_000]].concat(),
        &["exceeds the limit of 7840016 bytes"],
    );
    let with_labels = |labels: &[u8], parts: &[&str]| {
        assert_error(mnist_of(&images, labels), &[&[LABELS], parts].concat());
    };
    with_labels(&changed(&labels, 8 + 3, 10), &["label 3", "0..=9", "found 10"]);
    with_labels(
        &labels[..labels.len() - 1],
        &["with 5 records", "expected 13 bytes, found 12 bytes"],
    );
    with_labels(&idx_labels(0), &["size of dimension 0", "found 0"]);
    with_labels(&images, &["magic number", "0x00000801", "0x00000803"]);
    with_labels(&[&labels[..], &[0; 10_000]].concat(), &["exceeds the limit of 10008 bytes"]);
    // Compressed files: a gzip bomb, a truncated file, trailing garbage; and no file at all.
    let packed = |content: &[u8], parts: &[&str]| {
        let directory = directory(&[(LABELS, &labels), (&format!("{IMAGES}.gz"), content)]);
        assert_error(
            mnist::load(directory.path(), Split::Test),
            &[&["t10k-images-idx3-ubyte.gz"], parts].concat(),
        );
    };
    let whole = gz(&images);
    packed(
        &gz(&[images.clone(), vec![0; 30_000_000]].concat()),
        &["exceeds the limit of 7840016 bytes"],
    );
    packed(&whole[..whole.len() / 2], &["truncated"]);
    packed(&[whole.clone(), b"garbage".to_vec()].concat(), &["not a complete gzip file"]);
    assert_error(
        mnist::load(directory(&[(LABELS, &labels)]).path(), Split::Test),
        &["cannot open", IMAGES],
    );
}

const RECORD: usize = 3073;

/// Returns records whose pixels encode their position, with cycling labels.
fn records(n: usize) -> Vec<u8> {
    (0..n)
        .flat_map(|r| (0..RECORD).map(move |i| if i == 0 { (r % 10) as u8 } else { (r + i) as u8 }))
        .collect()
}

#[test]
fn cifar_files_are_read_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("cifar-10-batches-bin");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("test_batch.bin"), records(10_000)).unwrap();
    for dir in [directory.path(), &folder] {
        let images = cifar10::load(dir, Split::Test).unwrap();
        assert_eq!((images.len(), images.shape(), images.classes()), (10_000, [3, 32, 32], 10));
        assert_eq!(counts(&images), [1000; 10]);
        assert_eq!(images.pixels(3).unwrap()[..2], [4, 5]);
        // Green and blue planes follow the 1,024 red values.
        assert_eq!(images.pixels(3).unwrap()[1024], (3 + 1 + 1024) as u8);
    }
    let mut uneven = records(10_000);
    uneven[RECORD] = 7;
    std::fs::write(folder.join("test_batch.bin"), uneven).unwrap();
    let parts =
        ["cifar-10-batches-bin", "images of class 1 (automobile)", "expected 1000, found 999"];
    assert_error(cifar10::load(directory.path(), Split::Test), &parts);
    assert_error(cifar10::load(directory.path(), Split::Train), &["data_batch_1.bin"]);
    for number in 1..=5 {
        let mut batch = records(10_000);
        batch[1] = number;
        std::fs::write(folder.join(format!("data_batch_{number}.bin")), batch).unwrap();
    }
    let images = cifar10::load(directory.path(), Split::Train).unwrap();
    let firsts: Vec<u8> = (0..5).map(|i| images.pixels(i * 10_000).unwrap()[0]).collect();
    assert_eq!((images.len(), firsts), (50_000, vec![1, 2, 3, 4, 5]));
    std::fs::write(folder.join("data_batch_4.bin"), records(9_999)).unwrap();
    assert_error(
        cifar10::load(directory.path(), Split::Train),
        &["data_batch_4.bin", "expected 30730000 bytes, found 30726927"],
    );
}

#[test]
fn wrong_cifar_files_are_named() {
    let read = |content: &[u8], expected| {
        let directory = directory(&[("part.bin", content)]);
        cifar10::load_file(directory.path().join("part.bin"), expected)
    };
    let good = records(4);
    assert_eq!(read(&good, None).unwrap().len(), 4);
    assert_eq!(read(&good, Some(4)).unwrap().labels(), [0, 1, 2, 3]);
    assert_error(read(&good, Some(5)), &["part.bin", "expected 15365 bytes, found 12292"]);
    assert_error(read(&good, Some(usize::MAX)), &["part.bin", "found 12292"]);
    assert_error(
        read(&good[..good.len() - 1], None),
        &["part.bin", "size", "a multiple of 3073 bytes", "12291 bytes"],
    );
    assert_error(read(&[&good[..], &[0]].concat(), None), &["part.bin", "12293 bytes"]);
    assert_error(read(&[], None), &["part.bin", "0 bytes"]);
    assert_error(read(&[], Some(0)), &["part.bin", "at least one record"]);
    let mut bad = good.clone();
    bad[2 * RECORD] = 10;
    assert_error(read(&bad, None), &["part.bin", "label of record 2", "0..=9", "found 10"]);
    let huge = directory(&[]);
    let path = huge.path().join("huge.bin");
    // A sparse file of a tebibyte, which must not be read.
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert_error(
        cifar10::load_file(&path, None),
        &["huge.bin", "exceeds the limit of 184380000 bytes"],
    );
    assert_error(
        cifar10::load_file(&path, Some(4)),
        &["huge.bin", "expected 12292 bytes, found 1099511627776"],
    );
}

#[test]
fn images_in_memory_are_checked() {
    let new = |pixels: Vec<u8>, labels: Vec<u32>, full_scale| {
        LabelledImages::new("x", [1, 2, 2], pixels, labels, 3, full_scale)
    };
    assert_eq!(new(vec![16; 8], vec![0, 2], 16).unwrap().len(), 2);
    assert_error(
        new(vec![0; 8], vec![0, 3], 16),
        &["data set x", "label of image 1", "0..=2", "found 3"],
    );
    assert_error(
        new(vec![0; 7], vec![0, 1], 16),
        &["data set x: pixels", "2 images of shape [1, 2, 2]", "7 values"],
    );
    assert_error(new(vec![17; 8], vec![0, 1], 16), &["value in image 0", "0..=16", "found 17"]);
    assert_error(new(vec![0; 8], vec![0, 1], 0), &["full scale"]);
    assert_error(LabelledImages::new("x", [1, 0, 2], vec![], vec![], 3, 255), &["shape"]);
    assert_error(
        LabelledImages::new("x", [1 << 40, 1 << 40, 1], vec![], vec![0], 3, 255),
        &["pixels"],
    );
    let images = new(vec![1; 8], vec![0, 1], 255).unwrap();
    assert!(
        images.image(2).is_err() && images.pixels(2).is_err() && images.get(2, Seed(0)).is_err()
    );
}

#[test]
fn a_digest_changes_with_any_value() {
    let digest = |pixels: Vec<u8>, labels: Vec<u32>, shape| {
        LabelledImages::new("x", shape, pixels, labels, 3, 255).unwrap().digest()
    };
    let reference = digest(vec![1, 2, 3, 4], vec![0, 1], [1, 1, 2]);
    assert_eq!(reference, digest(vec![1, 2, 3, 4], vec![0, 1], [1, 1, 2]));
    assert_ne!(reference, digest(vec![1, 2, 4, 3], vec![0, 1], [1, 1, 2]));
    assert_ne!(reference, digest(vec![1, 2, 3, 4], vec![0, 2], [1, 1, 2]));
    assert_ne!(reference, digest(vec![1, 2, 3, 4], vec![0, 1], [1, 2, 1]));
}

#[test]
fn fashion_mnist_is_read_like_mnist() {
    let directory = directory(&[(IMAGES, &idx_images(3)), (LABELS, &idx_labels(3))]);
    let images = fashion_mnist::load(directory.path(), Split::Test).unwrap();
    assert_eq!(
        (images.name(), images.shape(), images.labels()),
        ("fashion-mnist-test", [1, 28, 28], &[0, 1, 2][..])
    );
    assert_eq!(images.class_names()[9], "Ankle boot");
    assert_error(
        fashion_mnist::load(directory.path(), Split::Train),
        &["cannot open", "train-labels-idx1-ubyte"],
    );
}

/// CIFAR-100 records whose coarse label is `r % 20`, fine label `r % 100`.
fn cifar100_records(n: usize) -> Vec<u8> {
    let value = |r: usize, i: usize| match i {
        0 => (r % 20) as u8,
        1 => (r % 100) as u8,
        _ => (r + i) as u8,
    };
    (0..n).flat_map(|r| (0..=RECORD).map(move |i| value(r, i))).collect()
}

#[test]
fn cifar100_has_two_labels() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("cifar-100-binary");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("test.bin"), cifar100_records(10_000)).unwrap();
    let load = |labels| cifar100::load(directory.path(), Split::Test, labels);
    let fine = load(cifar100::Labels::Fine).unwrap();
    assert_eq!((fine.len(), fine.shape(), fine.classes()), (10_000, [3, 32, 32], 100));
    assert_eq!(
        (counts(&fine), fine.labels()[99], fine.pixels(3).unwrap()[0]),
        (vec![100; 100], 99, 5)
    );
    assert!(fine.class_names().is_empty());
    let coarse = load(cifar100::Labels::Coarse).unwrap();
    assert_eq!((counts(&coarse), coarse.labels()[99]), (vec![500; 20], 19));
    assert_error(
        cifar100::load(directory.path(), Split::Train, cifar100::Labels::Fine),
        &["train.bin"],
    );
    // With names, if they exist.
    let names = |n: usize| (0..n).map(|i| format!("class {i}\n")).collect::<String>();
    std::fs::write(folder.join("fine_label_names.txt"), names(100)).unwrap();
    std::fs::write(folder.join("coarse_label_names.txt"), names(19)).unwrap();
    assert_eq!(load(cifar100::Labels::Fine).unwrap().class_names()[99], "class 99");
    assert_error(
        load(cifar100::Labels::Coarse),
        &["coarse_label_names.txt", "number of lines", "expected 20, found 19"],
    );
    std::fs::write(folder.join("coarse_label_names.txt"), "a\na\n").unwrap();
    assert_error(
        load(cifar100::Labels::Coarse),
        &["coarse_label_names.txt", "line 2", "not listed before"],
    );
    std::fs::write(folder.join("coarse_label_names.txt"), "a\n\nb\n").unwrap();
    assert_error(
        load(cifar100::Labels::Coarse),
        &["coarse_label_names.txt", "line 2", "an empty line"],
    );
    let mut uneven = cifar100_records(10_000);
    uneven[1] = 99;
    std::fs::write(folder.join("test.bin"), uneven).unwrap();
    assert_error(
        load(cifar100::Labels::Fine),
        &["test.bin", "images of class 0", "expected 100, found 99"],
    );
    std::fs::write(folder.join("test.bin"), cifar100_records(9_999)).unwrap();
    assert_error(
        load(cifar100::Labels::Fine),
        &["test.bin", "expected 30740000 bytes, found 30736926"],
    );
}

#[test]
fn wrong_cifar100_files_are_named() {
    let read = |content: &[u8]| {
        let directory = directory(&[("part.bin", content)]);
        cifar100::load_file(directory.path().join("part.bin"), None, cifar100::Labels::Fine)
    };
    let good = cifar100_records(4);
    assert_eq!(read(&good).unwrap().labels(), [0, 1, 2, 3]);
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let record = RECORD + 1;
    assert_error(
        read(&changed(2 * record, 20)),
        &["part.bin", "coarse label of record 2", "0..=19", "found 20"],
    );
    assert_error(
        read(&changed(2 * record + 1, 100)),
        &["part.bin", "fine label of record 2", "0..=99", "found 100"],
    );
    assert_error(read(&good[1..]), &["part.bin", "a multiple of 3074 bytes"]);
}

#[test]
fn class_names_are_one_for_each_class() {
    let images = LabelledImages::new("x", [1, 1, 1], vec![0], vec![0], 2, 255).unwrap();
    assert!(images.class_names().is_empty());
    assert_error(
        images.clone().with_class_names(["a"]),
        &["data set x: class names", "expected 2, found 1"],
    );
    assert_eq!(images.with_class_names(["a", "b"]).unwrap().class_names(), ["a", "b"]);
}
