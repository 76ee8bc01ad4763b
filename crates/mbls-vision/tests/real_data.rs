//! The real data sets, where `MBLS_DATA_DIR` has them.

use mbls_data::Dataset;
use mbls_vision::dataset::{Split, cifar10, mnist};
use mbls_vision::{ImageSource, LabelledImages};
use std::path::PathBuf;

/// `MBLS_DATA_DIR/path`, or a visible word about the test that is skipped without it.
fn data(path: &str) -> Option<PathBuf> {
    let found = std::env::var_os("MBLS_DATA_DIR").map(|dir| PathBuf::from(dir).join(path)).filter(|path| path.exists());
    if found.is_none() {
        // Past the test harness, which swallows what a passing test prints.
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED: {path} is not in MBLS_DATA_DIR");
    }
    found
}

fn counts(images: &LabelledImages) -> Vec<usize> {
    let mut counts = vec![0; images.classes()];
    images.labels().iter().for_each(|&label| counts[label as usize] += 1);
    counts
}

#[test]
fn mnist_is_whole() {
    let Some(dir) = data("mnist") else { return };
    let train = mnist::load(&dir, Split::Train).unwrap();
    assert_eq!((train.len(), train.shape()), (60_000, [1, 28, 28]));
    assert_eq!(counts(&train), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    assert_eq!(train.labels()[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    let test = mnist::load(&dir, Split::Test).unwrap();
    assert_eq!(test.len(), 10_000);
    assert_eq!(counts(&test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    // The constants of `Normalise::mnist`.
    let values: f64 = (0..60_000).flat_map(|i| train.pixels(i).unwrap()).map(|&x| f64::from(x)).sum();
    assert!((values / (60_000.0 * 784.0 * 255.0) - 0.1307).abs() < 1e-4);
}

#[test]
fn cifar_excerpt_has_the_known_beginning() {
    let Some(path) = data("cifar10/lossless-4000/data_batch_1.first4000.bin") else { return };
    let images = cifar10::load_file(path, Some(4000)).unwrap();
    assert_eq!(images.labels()[..10], [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
    let first = images.image(0).unwrap();
    assert_eq!((first.channels, first.height, first.width), (3, 32, 32));
    // Red, green and blue of the first pixel.
    assert_eq!([0, 1024, 2048].map(|i| first.pixels[i]), [59, 62, 63]);
}
