//! CIFAR-10. Its reader accepts only the six complete batches, so they are built from JPEG images
//! in the official order.

use super::data;
use super::distribution::{Distribution, fetch};
use super::pack::{Entry, tar_gz};
use super::pictures::assert_trained;
use super::training::Training;
use flate2::read::GzDecoder;
use mbls_vision::dataset::cifar10::CLASS_NAMES;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tar::Archive;

const BATCH: usize = 10_000;
const PIXELS: usize = 1024;
const RECORD: usize = 1 + 3 * PIXELS;

/// Returns the images of a part, `train` or `test`, as records in the order of the part's labels:
/// each label gets the next image of its class.
fn records(labels: &[u8], part: &str, images: &HashMap<String, Vec<u8>>) -> Vec<u8> {
    let mut records = Vec::with_capacity(labels.len() * RECORD);
    let mut seen = [0; CLASS_NAMES.len()];
    for &label in labels {
        let class = usize::from(label);
        let path = format!("{part}/{}/{:04}.jpg", CLASS_NAMES[class], seen[class]);
        seen[class] += 1;
        let decoded = image::load_from_memory(&images[&path]).expect("an image").to_rgb8();
        assert_eq!(decoded.dimensions(), (32, 32), "{path}");
        records.push(label);
        records
            .extend((0..3).flat_map(|channel| decoded.pixels().map(move |pixel| pixel.0[channel])));
    }
    records
}

/// Returns the six batch files of the distributor's archive, and the names of the classes.
fn batches(folder: &Path) -> Vec<Entry> {
    let read = |name: &str| std::fs::read(folder.join(name)).expect("a file");
    let mut images = HashMap::new();
    let mut archive = Archive::new(GzDecoder::new(
        File::open(folder.join("cifar-10-images-jpg.tar.gz")).expect("a file"),
    ));
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").to_str().expect("UTF-8").to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("an image");
        images.insert(path, content);
    }
    let mut train = records(&read("train_labels_original_order.bin"), "train", &images);
    let test = records(&read("test_labels_original_order.bin"), "test", &images);
    // The first images are available without compression loss, with labels.
    let first = read("lossless-4000/data_batch_1.first4000.bin");
    let differences =
        train.iter().zip(&first).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum::<u64>();
    assert!(differences / (first.len() as u64) < 7, "these are other images");
    assert!(
        train.iter().zip(&first).step_by(RECORD).all(|(a, b)| a == b),
        "these are other labels"
    );
    train[..first.len()].copy_from_slice(&first);
    let mut entries =
        vec![("batches.meta.txt".to_owned(), (CLASS_NAMES.join("\n") + "\n\n").into_bytes())];
    entries.extend(
        train
            .chunks(BATCH * RECORD)
            .zip(1..)
            .map(|(batch, i)| (format!("data_batch_{i}.bin"), batch.to_vec())),
    );
    entries.push(("test_batch.bin".to_owned(), test));
    entries
        .into_iter()
        .map(|(name, content)| (format!("cifar-10-batches-bin/{name}"), content))
        .collect()
}

#[test]
fn cifar10_is_fetched_and_trained_on() {
    let Some(folder) = data("cifar10") else { return };
    let downloads = vec![tar_gz(batches(&folder))];
    let fetched = fetch(vec![Distribution { name: "cifar10", downloads, counts: vec![] }]);
    let model = "resnet20";
    let trained =
        Training { suite: "cifar10", model, sizes: [64, 32, 32] }.run(fetched.path(), |_| {});
    assert_trained(&trained, model, 10, [3, 32, 32]);
}
