//! Transformed samples and batches.

use super::{load, voc};
use candle_core::{DType, Device};
use mbls_data::{Collate, DataLoader, Dataset, LoaderConfig, Order, Result, Seed, Subset};
use mbls_seg::dataset::{
    Mask, SegmentationBatch, SegmentationCollate, SegmentationSample, Transformed, VOID,
};
use mbls_seg::transform::{JointTransform, LongestSide, PadTo, RandomCrop};
use mbls_vision::Image;
use mbls_vision::transform::Normalise;
use std::sync::Arc;

fn collate() -> SegmentationCollate {
    SegmentationCollate::new(&Normalise::imagenet()).unwrap()
}

fn sample(height: usize, width: usize, class: u8) -> SegmentationSample {
    let pixels = (0..3 * height * width).map(|i| (i * 11 % 256) as u8).collect();
    let image = Image { channels: 3, height, width, pixels };
    SegmentationSample { image, mask: Mask { height, width, classes: vec![class; height * width] } }
}

#[test]
fn a_batch_is_what_its_samples_are() {
    let mut second = sample(2, 3, 4);
    second.mask.classes[1] = VOID;
    let samples = vec![sample(2, 3, VOID), second.clone(), sample(2, 3, 0)];
    let batch = collate().collate(samples).unwrap();
    let images = batch.images(&Device::Cpu).unwrap();
    assert_eq!((images.dims(), images.dtype()), (&[3, 3, 2, 3][..], DType::F32));
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let found = images.get(1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (i, (&found, &value)) in found.iter().zip(&second.image.pixels).enumerate() {
        let expected = (f64::from(value) / 255.0 - mean[i / 6]) / std[i / 6];
        assert!((f64::from(found) - expected).abs() < 1e-6, "{i}: {found} for {expected}");
    }
    let labels = batch.labels(&Device::Cpu).unwrap();
    assert_eq!((labels.dims(), labels.dtype()), (&[3, 2, 3][..], DType::U32));
    let expected =
        [[[255, 255, 255], [255, 255, 255]], [[4, 255, 4], [4, 4, 4]], [[0, 0, 0], [0, 0, 0]]];
    assert_eq!(labels.to_vec3::<u32>().unwrap(), expected);
    assert_eq!(
        (&batch.valid_pixels[..], batch.all_void_images(), batch.is_all_void()),
        (&[0, 5, 6][..], 1, false)
    );
}

#[test]
fn a_batch_without_any_class_says_so() {
    let batch = collate().collate(vec![sample(2, 2, VOID), sample(2, 2, VOID)]).unwrap();
    assert_eq!((batch.is_all_void(), batch.all_void_images()), (true, 2));
    assert_eq!(batch.labels(&Device::Cpu).unwrap().dims(), [2, 2, 2]);
}

#[test]
fn samples_that_are_no_batch_are_refused() {
    let message = |samples| collate().collate(samples).unwrap_err().to_string();
    assert_eq!(message(vec![]), "batch: expected at least 1 sample, found 0");
    assert_eq!(
        message(vec![sample(2, 3, 0), sample(3, 2, 0)]),
        "size of sample 1 of the batch: expected 2 x 3, as of sample 0, found 3 x 2"
    );
    let mut wrong = sample(2, 3, 0);
    wrong.mask.height = 3;
    assert!(message(vec![wrong]).starts_with("mask: expected 2 x 3 values"));
    let mut wrong = sample(2, 3, 0);
    wrong.image.height = usize::MAX;
    assert!(message(vec![wrong]).starts_with("image: expected values of shape"));
    assert_eq!(
        SegmentationCollate::new(&Normalise::mnist()).unwrap_err().to_string(),
        "normalisation of images with masks: expected 3 channels, found 1"
    );
}

fn batches(workers: usize, epoch: usize) -> Vec<SegmentationBatch> {
    let dir = voc();
    let files = Arc::new(load(dir.path(), "train").unwrap());
    // Each image occurs several times.
    let some = Arc::new(Subset::new(files, (0..14).map(|i| i % 2).collect()).unwrap());
    let transforms = vec![
        LongestSide { size: 24 }.into(),
        PadTo { size: 24, value: 0 }.into(),
        RandomCrop { size: 6 }.into(),
        JointTransform::voc_train()[4],
        JointTransform::voc_train()[5],
    ];
    let dataset = Transformed::new(some, transforms).unwrap();
    assert_eq!((dataset.len(), dataset.common_size()), (14, Some([6, 6])));
    let config = LoaderConfig {
        batch_size: 4,
        order: Order::Shuffled,
        drop_last: false,
        workers,
        seed: Seed(3),
    };
    let loader = DataLoader::new(Arc::new(dataset), Arc::new(collate()), config).unwrap();
    loader.epoch(epoch).collect::<Result<Vec<_>>>().unwrap()
}

#[test]
fn batches_are_the_same_with_any_number_of_threads() {
    let alone = batches(0, 1);
    assert_eq!(alone.iter().map(|batch| batch.shape[0]).collect::<Vec<_>>(), [4, 4, 4, 2]);
    assert_eq!(alone, batches(1, 1));
    assert_eq!(alone, batches(3, 1));
    assert_ne!(alone, batches(0, 2));
    // A strip of 12 or 16 rows is padded to 24, so some crops have only void pixels.
    let void: usize = alone.iter().map(SegmentationBatch::all_void_images).sum();
    assert!((1..14).contains(&void), "{void}");
}

#[test]
fn errors_of_items_reach_the_loader_with_their_file() {
    let dir = voc();
    super::write(dir.path(), "SegmentationClass/a.png", &super::mask(&[&[0, 1, 2]]));
    let dataset = Arc::new(load(dir.path(), "train").unwrap());
    for workers in [0, 2] {
        let config = LoaderConfig {
            batch_size: 1,
            order: Order::Sequential,
            drop_last: false,
            workers,
            seed: Seed(3),
        };
        let loader = DataLoader::new(Arc::clone(&dataset), Arc::new(collate()), config).unwrap();
        let results: Vec<_> = loader.epoch(0).collect();
        assert_eq!(results.len(), 2);
        let message = mbls_io::with_causes(results[1].as_ref().unwrap_err());
        assert!(
            message.starts_with("item 1: ") && message.contains("a.png: height and width"),
            "{message}"
        );
    }
}

#[test]
fn impossible_settings_are_refused_in_advance() {
    let dir = voc();
    let files = Arc::new(load(dir.path(), "train").unwrap());
    assert!(
        Transformed::new(Arc::clone(&files), vec![PadTo { size: 0, value: 0 }.into()]).is_err()
    );
    let dataset = Transformed::new(files, vec![RandomCrop { size: 3 }.into()]).unwrap();
    let message = dataset.get(0, Seed(0)).unwrap_err().to_string();
    assert_eq!(message, "random-crop: size: expected at most the image's 1 x 2, found 3 x 3");
}
