//! Images with classes.

use super::data;
use super::distribution::{Distribution, fetch};
use super::pack::{Entry, below, tar_gz, zip};
use super::training::{Trained, Training};
use mbls_vision::model::{Architecture, Options};
use std::collections::HashSet;

/// Checks that every parameter of the classifier has changed.
pub(crate) fn assert_trained(trained: &Trained, model: &str, classes: usize, shape: [usize; 3]) {
    let architecture: Architecture = model.parse().expect("a network");
    trained.assert_changed(|store| {
        architecture.build(classes, shape, Options::default(), store.var_builder())
    });
}

#[test]
fn mnist_is_fetched_and_trained_on() {
    let Some(folder) = data("mnist") else { return };
    // The data set is complete: its checksums and sizes are those of the list.
    let names = [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ];
    let downloads = names
        .map(|name| std::fs::read(folder.join(format!("{name}.gz"))).expect("a file"))
        .to_vec();
    let fetched = fetch(vec![Distribution { name: "mnist", downloads, counts: vec![] }]);
    let model = "small-cnn";
    let trained =
        Training { suite: "mnist", model, sizes: [64, 64, 64] }.run(fetched.path(), |_| {});
    assert_trained(&trained, model, 10, [1, 28, 28]);
}

/// Keeps images 0 to 2 of each Tiny-ImageNet class for training, and the first listed one for
/// validation.
fn few_of_each_class(mut entries: Vec<Entry>) -> Vec<Entry> {
    let list = "tiny-imagenet-200/val/val_annotations.txt";
    let (_, annotations) = entries.iter_mut().find(|(path, _)| path == list).expect("a list");
    let text = std::str::from_utf8(annotations).expect("UTF-8").to_owned();
    let mut classes = HashSet::new();
    let kept: Vec<&str> =
        text.lines().filter(|line| classes.insert(line.split('\t').nth(1))).collect();
    *annotations = (kept.join("\n") + "\n").into_bytes();
    let kept: HashSet<&str> = kept.iter().filter_map(|line| line.split('\t').next()).collect();
    let number = |name: &str| name.rsplit_once('_')?.1.strip_suffix(".JPEG")?.parse::<usize>().ok();
    entries.retain(|(path, _)| match path.rsplit_once('/') {
        Some((folder, name)) if folder.ends_with("val/images") => kept.contains(name),
        Some((_, name)) => number(name).is_none_or(|number| number < 3),
        None => true,
    });
    entries
}

#[test]
fn tiny_imagenet_is_fetched_and_trained_on() {
    let Some(folder) = data("tiny-imagenet-200") else { return };
    let archive = zip(few_of_each_class(below(&folder, "tiny-imagenet-200")));
    let counts = vec![("train/*/images/*.JPEG", 600), ("val/images/*.JPEG", 200)];
    let fetched =
        fetch(vec![Distribution { name: "tiny-imagenet", downloads: vec![archive], counts }]);
    let model = "small-cnn";
    // A stratified part has an image of each class.
    let trained = Training { suite: "tiny-imagenet", model, sizes: [200, 200, 20] }
        .run(fetched.path(), |_| {});
    assert_trained(&trained, model, 200, [3, 64, 64]);
}

#[test]
fn cub_is_fetched_and_trained_on() {
    let Some(folder) = data("cub-200-2010-subset") else { return };
    let mut entries = below(&folder, "CUB_200_2011");
    // The distributor's archive has a file outside the folder, and macOS adds files to many
    // archives: both are skipped.
    entries.insert(
        0,
        ("attributes.txt".to_owned(), b"1 has_bill_shape::curved_(up_or_down)\n".to_vec()),
    );
    let (first, _) =
        entries.iter().find(|(path, _)| path.ends_with(".jpg")).expect("an image").clone();
    let (class, file) = first.rsplit_once('/').expect("a folder");
    entries.push((format!("{class}/._{file}"), b"\0\x05\x16\x07".to_vec()));
    let counts = vec![("images/*/*.jpg", 90)];
    let fetched =
        fetch(vec![Distribution { name: "cub", downloads: vec![tar_gz(entries)], counts }]);
    let model = "resnet18";
    let trained = Training { suite: "cub", model, sizes: [20, 10, 10] }.run(fetched.path(), |_| {});
    assert_trained(&trained, model, 10, [3, 64, 64]);
}
