//! Compares data sets loaded by candle-datasets with our own readers, pixel by pixel.

use candle_core::{DType, Device, Tensor};
use candle_datasets::vision;
use mbls_vision::candle_datasets::{CandleSet, Layout, from_candle, to_candle};
use mbls_vision::dataset::{Split, cifar10, fashion_mnist, mnist};
use mbls_vision::{Error, ImageSource, LabelledImages};
use std::path::{Path, PathBuf};
use std::process::Command;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/candle-datasets").join(name)
}

fn assert_same(found: &LabelledImages, expected: &LabelledImages) {
    assert_eq!(
        (found.name(), found.shape(), found.labels(), found.class_names()),
        (expected.name(), expected.shape(), expected.labels(), expected.class_names())
    );
    for i in 0..expected.labels().len() {
        assert_eq!(found.pixels(i).unwrap(), expected.pixels(i).unwrap(), "image {i}");
    }
}

/// Writes an idx file of `u8` with the given sizes.
fn idx(path: &Path, sizes: &[u32], values: impl Iterator<Item = u8>) {
    let header = [0, 0, 8, sizes.len() as u8]
        .into_iter()
        .chain(sizes.iter().flat_map(|size| size.to_be_bytes()));
    std::fs::write(path, header.chain(values).collect::<Vec<_>>()).unwrap();
}

#[test]
fn mnist_from_a_folder_is_what_our_reader_has() {
    let folder = tempfile::tempdir().unwrap();
    for (part, count) in [("train", 300u32), ("t10k", 20)] {
        // Contains each of the 256 values.
        let pixels = (0..count as usize * 784).map(|at| (at * 7 % 256) as u8);
        idx(&folder.path().join(format!("{part}-images-idx3-ubyte")), &[count, 28, 28], pixels);
        idx(
            &folder.path().join(format!("{part}-labels-idx1-ubyte")),
            &[count],
            (0..count).map(|i| (i % 10) as u8),
        );
    }
    let loaded = vision::mnist::load_dir(folder.path()).unwrap();
    let (train, test) = CandleSet::Mnist.load_dir(folder.path()).unwrap();
    assert_same(&train, &mnist::load(folder.path(), Split::Train).unwrap());
    assert_same(&test, &mnist::load(folder.path(), Split::Test).unwrap());
    let (train, test) = CandleSet::FashionMnist.load_dir(folder.path()).unwrap();
    assert_same(&train, &fashion_mnist::load(folder.path(), Split::Train).unwrap());
    assert_same(&test, &fashion_mnist::load(folder.path(), Split::Test).unwrap());
    // Converted back, to the same floats.
    let back = to_candle(&train, &test).unwrap();
    let values = |t: &Tensor| {
        t.flatten_all().unwrap().to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap()
    };
    assert!(values(&back.train_images) == values(&loaded.train_images));
    assert!(values(&back.test_images) == values(&loaded.test_images));
    assert_eq!(values(&back.train_labels), values(&loaded.train_labels));
    assert_eq!(values(&back.test_labels), values(&loaded.test_labels));
    assert_eq!((back.train_images.dims(), back.labels), (&[300, 1, 28, 28][..], 10));
    assert_eq!((back.train_images.dtype(), back.train_labels.dtype()), (DType::F32, DType::U8));

    let file = folder.path().join("t10k-images-idx3-ubyte");
    std::fs::write(&file, [0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 28, 0, 0, 0, 28]).unwrap();
    let error = CandleSet::Mnist.load_dir(folder.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("mnist from {}", folder.path().display())), "{error}");
    std::fs::remove_file(&file).unwrap();
    let error = CandleSet::Mnist.load_dir(folder.path()).unwrap_err().to_string();
    assert!(error.contains("t10k-images-idx3-ubyte"), "{error}");
}

#[test]
fn cifar10_from_a_folder_is_what_our_reader_has() {
    let folder = tempfile::tempdir().unwrap();
    for (file, name) in [
        "data_batch_1",
        "data_batch_2",
        "data_batch_3",
        "data_batch_4",
        "data_batch_5",
        "test_batch",
    ]
    .iter()
    .enumerate()
    {
        let record = |i: usize| {
            std::iter::once((i % 10) as u8)
                .chain((0..3072).map(move |at| ((at * 13 + i * 31 + file * 3) % 256) as u8))
        };
        let records: Vec<u8> = (0..10_000).flat_map(record).collect();
        std::fs::write(folder.path().join(name).with_extension("bin"), records).unwrap();
    }
    let (train, test) = CandleSet::Cifar10.load_dir(folder.path()).unwrap();
    assert_same(&train, &cifar10::load(folder.path(), Split::Train).unwrap());
    assert_same(&test, &cifar10::load(folder.path(), Split::Test).unwrap());
}

/// Printed at the end of a test of the hub.
const DONE: &str = "the test of the hub is complete";

/// Runs a test of this file again in a subprocess whose environment sets the hub's cache to
/// `cache`. The hub's address is unreachable.
///
/// Returns true in the subprocess.
fn with_cache(test: &str, cache: &Path) -> bool {
    if std::env::var_os("MBLS_TEST_HUB").is_some() {
        return true;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again
        .args([&format!("candle_datasets::{test}"), "--exact", "--nocapture"])
        .env("MBLS_TEST_HUB", "1");
    let output =
        again.env("HF_HUB_CACHE", cache).env("HF_ENDPOINT", "http://127.0.0.1:9").output().unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    assert!(output.status.success() && text.contains(DONE), "{text}");
    false
}

/// The parquet files have four and two images in the size of each set; `NAME.bin` has the same
/// images as a label and the values row by row.
#[test]
fn images_of_the_hub_are_upright() {
    if !with_cache("images_of_the_hub_are_upright", &fixture("hub")) {
        return;
    }
    for (set, name, class, size) in [
        (CandleSet::Cifar10, "cifar10", "airplane", 3072),
        (CandleSet::Mnist, "mnist", "0", 784),
        (CandleSet::FashionMnist, "fashion-mnist", "T-shirt/top", 784),
    ] {
        let (train, test) = set.load_hub().unwrap();
        assert_eq!(
            (train.name(), test.name()),
            (&*format!("{name}-train"), &*format!("{name}-test"))
        );
        assert_eq!(
            (train.class_names()[0].as_str(), test.class_names()[0].as_str()),
            (class, class)
        );
        let records = std::fs::read(fixture(&format!("{name}.bin"))).unwrap();
        let expected: Vec<_> = records
            .chunks(1 + size)
            .map(|record| (u32::from(record[0]), record[1..].to_vec()))
            .collect();
        let found = |part: &LabelledImages| -> Vec<_> {
            let pixels = |i: usize| part.pixels(i).unwrap().to_owned();
            part.labels().iter().enumerate().map(|(i, &label)| (label, pixels(i))).collect()
        };
        assert!(found(&train) == expected[..4], "{name}");
        assert!(found(&test) == expected[4..], "{name}");
    }
    // Still needed while candle-datasets transposes those of CIFAR-10.
    let lying = from_candle("cifar10", &vision::cifar::load().unwrap(), [3, 32, 32], Layout::Usual)
        .unwrap()
        .0;
    let upright = CandleSet::Cifar10.load_hub().unwrap().0;
    let at = |images: &LabelledImages, row: usize, column: usize| {
        images.pixels(1).unwrap()[1024 + row * 32 + column]
    };
    assert!((0..1024).all(|i| at(&lying, i / 32, i % 32) == at(&upright, i % 32, i / 32)));
    println!("{DONE}");
}

/// candle-datasets panics on it.
#[test]
fn an_image_of_the_hub_that_does_not_decode_is_an_error() {
    let cache = tempfile::tempdir().unwrap();
    copy(&fixture("hub"), cache.path());
    if !with_cache("an_image_of_the_hub_that_does_not_decode_is_an_error", cache.path()) {
        return;
    }
    let error = CandleSet::Cifar10.load_hub().unwrap_err();
    assert!(
        matches!(&error, Error::Panic(text) if text.contains("cifar10 from the hub")),
        "{error}"
    );
    println!("{DONE}");
}

/// Copies a folder with invalid PNG files.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&from, &to);
        } else {
            let mut bytes = std::fs::read(from).unwrap();
            for at in 0..bytes.len().saturating_sub(4) {
                if bytes[at..].starts_with(b"\x89PNG") {
                    bytes[at] = 0;
                }
            }
            std::fs::write(to, bytes).unwrap();
        }
    }
}

/// Returns a data set of two classes with the single image `images` of class `label` in both parts.
fn one(images: &Tensor, label: u8) -> vision::Dataset {
    let labels = Tensor::new(&[label], &Device::Cpu).unwrap();
    vision::Dataset {
        train_images: images.clone(),
        train_labels: labels.clone(),
        test_images: images.clone(),
        test_labels: labels,
        labels: 2,
    }
}

fn in_a_line(pixels: &[f32]) -> Tensor {
    Tensor::from_slice(pixels, (1, pixels.len()), &Device::Cpu).unwrap()
}

#[test]
fn floats_that_somebody_else_scaled_are_rounded() {
    for off in [-5e-4, 0.0, 5e-4] {
        let pixels =
            (0..=255u8).map(|value| ((f64::from(value) + off).clamp(0.0, 255.0) / 255.0) as f32);
        let loaded = one(&in_a_line(&pixels.collect::<Vec<_>>()), 1);
        let (train, _) = from_candle("off", &loaded, [1, 16, 16], Layout::Usual).unwrap();
        assert!(train.pixels(0).unwrap().iter().copied().eq(0..=255), "{off}");
        assert_eq!(train.labels(), [1]);
    }
}

/// Images that are not square show which side is height and which is width.
#[test]
fn transposed_images_are_restored() {
    let lying =
        Tensor::from_slice(&[0f32, 1.0, 2.0, 3.0, 4.0, 5.0], (1, 1, 3, 2), &Device::Cpu).unwrap();
    let loaded = one(&(lying / 255.0).unwrap(), 0);
    let (train, test) = from_candle("lying", &loaded, [1, 2, 3], Layout::Transposed).unwrap();
    assert_eq!(train.pixels(0).unwrap(), [0, 2, 4, 1, 3, 5]);
    assert_eq!(test.shape(), [1, 2, 3]);
    let error = from_candle("lying", &loaded, [1, 2, 3], Layout::Usual).unwrap_err().to_string();
    assert!(error.contains("expected [N, 1, 2, 3] or [N, 6], found [1, 1, 3, 2]"), "{error}");
}

#[test]
fn invalid_data_sets_are_named() {
    for (pixels, label, part) in [
        (&[0.0, 0.5, 0.0, 0.0][..], 0, "value in image 0: expected a whole number"),
        (&[0.0, 2.0, 0.0, 0.0], 0, "found 2"),
        (&[0.0, f32::NAN, 0.0, 0.0], 0, "found NaN"),
        (&[0.0, -1.0 / 255.0, 0.0, 0.0], 0, "found -0.003"),
        (&[0.0; 3], 0, "images: expected [N, 1, 2, 2] or [N, 4], found [1, 3]"),
        (&[0.0; 4], 2, "label of image 0"),
    ] {
        let loaded = one(&in_a_line(pixels), label);
        let error = from_candle("odd", &loaded, [1, 2, 2], Layout::Usual).unwrap_err().to_string();
        assert!(error.contains("odd-train") && error.contains(part), "{error}");
    }
    let part = |shape, n| LabelledImages::new("x", shape, vec![0; 4], vec![0; n], 2, 255).unwrap();
    let error = to_candle(&part([1, 2, 2], 1), &part([1, 1, 2], 2)).err().unwrap().to_string();
    assert!(error.contains("test part"), "{error}");
}
