//! Tests on the real data sets, if `MBLS_DATA_DIR` contains them.

use mbls_data::Dataset;
use mbls_testkit::{data, golden};
use mbls_vision::dataset::{Split, cifar10, cub, mnist, published_split_per_class, tiny_imagenet};
use mbls_vision::{FilesConfig, ImageSource};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tiny_imagenet::ClassOrder;

fn counts(images: &dyn ImageSource) -> Vec<usize> {
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
    let values: f64 =
        (0..60_000).flat_map(|i| train.pixels(i).unwrap()).map(|&x| f64::from(x)).sum();
    assert!((values / (60_000.0 * 784.0 * 255.0) - 0.1307).abs() < 1e-4);
}

/// Returns the sums that PIL computes for some images, by their paths in the data folder.
fn pil() -> Value {
    golden::fixture("pictures/real.json")
}

/// Compares the images of a set, a folder of the data folder, with PIL's sums; returns the number
/// of images compared.
fn assert_pil(images: &dyn ImageSource, paths: &[PathBuf], set: &str) -> usize {
    let mut compared = 0;
    for (i, path) in paths.iter().enumerate() {
        let name = Path::new(set).join(path);
        let Some(expected) = pil().get(name.to_str().unwrap()).cloned() else { continue };
        let image = images.image(i).unwrap();
        let size = image.height * image.width;
        assert_eq!(
            [image.height as u64, image.width as u64].map(Value::from),
            [&expected["height"], &expected["width"]].map(Value::clone)
        );
        for (channel, sum) in image.pixels.chunks(size).zip(expected["sums"].as_array().unwrap()) {
            let found: i64 = channel.iter().map(|&value| i64::from(value)).sum();
            let difference = (found - sum.as_i64().unwrap()) as f64 / size as f64;
            // Decoders round subsampled colours differently; averaged over an image the difference
            // is small.
            assert!(
                difference.abs() < 0.6,
                "{}: mean of a channel differs by {difference}",
                name.display()
            );
        }
        compared += 1;
    }
    compared
}

#[test]
fn tiny_imagenet_subset_is_whole() {
    let Some(dir) = data("tiny-imagenet-200") else { return };
    let mut grey = 0;
    for (split, per_class, compared) in [(Split::Train, 25, 4), (Split::Test, 10, 1)] {
        let images =
            tiny_imagenet::load(&dir, split, ClassOrder::Sorted, FilesConfig::default()).unwrap();
        assert_eq!(counts(&images), [per_class; 200]);
        assert_eq!(images.class_names()[0], "goldfish, Carassius auratus");
        assert_eq!(images.preload().unwrap(), 200 * per_class);
        assert_eq!(assert_pil(&images, images.paths(), "tiny-imagenet-200"), compared);
        for i in 0..images.labels().len() {
            let image = images.image(i).unwrap();
            assert_eq!(image.shape(), [3, 64, 64]);
            let (red, rest) = image.pixels.split_at(64 * 64);
            grey += usize::from(red == &rest[..64 * 64] && red == &rest[64 * 64..]);
        }
    }
    // 114 files have one channel; of the others, 13 have three equal ones, also according to PIL.
    assert_eq!(grey, 114 + 13);
    let listed =
        tiny_imagenet::load(&dir, Split::Train, ClassOrder::Listed, FilesConfig::default())
            .unwrap();
    assert_eq!(listed.class_names()[0], "Egyptian cat");
    assert_eq!(
        (&listed.paths()[0], listed.labels()[0]),
        (&"train/n01443537/images/n01443537_0.JPEG".into(), GOLDFISH)
    );
    let parts = published_split_per_class(listed.labels(), 2, 1).unwrap();
    assert_eq!((parts.train.len(), parts.validation.len()), (4600, 400));
}

/// The index of n01443537 in `wnids.txt`.
const GOLDFISH: u32 = 22;

#[test]
fn cub_subset_is_whole() {
    let Some(dir) = data("cub-200-2010-subset") else { return };
    let set = cub::load(&dir, FilesConfig::default()).unwrap();
    assert_eq!((counts(&set.images), set.train.len(), set.test.len()), (vec![9; 10], 60, 30));
    assert_eq!(set.images.class_names()[9], "010.Red_winged_Blackbird");
    assert_eq!(set.images.preload().unwrap(), 90);
    let paths: Vec<PathBuf> =
        set.images.paths().iter().map(|path| Path::new("images").join(path)).collect();
    assert_eq!(assert_pil(&set.images, &paths, "cub-200-2010-subset"), 2);
}

#[test]
fn genuine_cub_lists_have_the_official_parts() {
    let Some(dir) = data("cub-200-2011-lists") else { return };
    let lists = cub::Lists::read(&dir).unwrap();
    assert_eq!((lists.files.len(), lists.class_names.len()), (11_788, 200));
    assert_eq!(lists.is_train.iter().filter(|&&train| train).count(), 5_994);
    let mut counts = vec![[0; 2]; 200];
    lists
        .labels
        .iter()
        .zip(&lists.is_train)
        .for_each(|(&label, &train)| counts[label as usize][usize::from(train)] += 1);
    assert!(
        counts.iter().all(|&[test, train]| (29..=30).contains(&train) && (11..=30).contains(&test))
    );
    assert_eq!(
        lists.files[0],
        Path::new("001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg")
    );
    assert_eq!((&lists.is_train[..3], lists.labels[11_787]), (&[false, true, false][..], 199));
    // The images are not available.
    let message = cub::load(&dir, FilesConfig::default()).unwrap_err().to_string();
    assert!(message.contains("images"), "{message}");
}

#[test]
fn cifar_excerpt_has_the_known_beginning() {
    let Some(path) = data("cifar10/lossless-4000/data_batch_1.first4000.bin") else { return };
    let images = cifar10::load_file(path, Some(4000)).unwrap();
    assert_eq!(images.labels()[..10], [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
    assert_eq!(images.class_names()[6], "frog");
    assert_eq!(counts(&images), [396, 366, 420, 384, 422, 393, 414, 385, 407, 413]);
    let first = images.image(0).unwrap();
    assert_eq!((first.channels, first.height, first.width), (3, 32, 32));
    // Red, green and blue of the first pixel.
    assert_eq!([0, 1024, 2048].map(|i| first.pixels[i]), [59, 62, 63]);
}
