//! Tests of saved image classifiers: comparison with the network itself, and invalid files.

use candle_core::{DType, Device, Tensor};
use mbls_core::calibration::{Assessment, CalibrationRecord, CalibratorRole, TemperatureScaling};
use mbls_core::metric::Predictions;
use mbls_data::{Dataset, Seed};
use mbls_nn::ParamStore;
use mbls_vision::classifier::{Adaptation, CalibratedClassifier, ClassifierSettings};
use mbls_vision::model::{Architecture, Options};
use mbls_vision::transform::{CenterCrop, HorizontalFlip, ImageTransform, Normalise, Resize, Size};
use mbls_vision::{AugmentedImages, Image, LabelledImages};
use std::path::Path;
use std::sync::Arc;

const CLASSES: [&str; 3] = ["ant", "bee", "cat"];

fn record(n: usize) -> CalibrationRecord {
    let mut test = Assessment::new(5).unwrap();
    test.update(&Predictions::from_logits(&[1.0f32, 0.5, 0.0].repeat(n), 3, &vec![0; n]).unwrap())
        .unwrap();
    let classes = CLASSES.map(str::to_owned).to_vec();
    CalibrationRecord::of_temperature(classes, TemperatureScaling::new(0.7).unwrap(), test).unwrap()
}

fn settings(shape: [usize; 3], transforms: Vec<ImageTransform>) -> ClassifierSettings {
    ClassifierSettings {
        model: "small-cnn".to_owned(),
        shape,
        transforms,
        normalisation: Normalise::new(vec![0.4; shape[0]], vec![0.3; shape[0]]).unwrap(),
        full_scale: 255,
        batch: 4,
        record: record(9),
        provenance: [("suite".to_owned(), "imagefolder".to_owned())].into(),
    }
}

/// Returns a network initialised with the seed.
fn store(shape: [usize; 3], seed: u64) -> ParamStore {
    let store = ParamStore::new(seed, DType::F32, &Device::Cpu);
    let architecture: Architecture = "small-cnn".parse().unwrap();
    architecture.build(3, shape, Options::default(), store.var_builder()).unwrap();
    store
}

fn classifier(shape: [usize; 3], transforms: Vec<ImageTransform>) -> CalibratedClassifier {
    CalibratedClassifier::new(settings(shape, transforms), &store(shape, 3).state(), &Device::Cpu)
        .unwrap()
}

fn image(channels: usize, height: usize, width: usize) -> Image {
    let pixels = (0..channels * height * width).map(|i| (i * 37 % 251) as u8).collect();
    Image { channels, height, width, pixels }
}

fn resize(size: [usize; 2]) -> ImageTransform {
    Resize { size: Size::HeightWidth(size), antialias: true }.into()
}

/// The logits are bit-identical to the network's on images that the training loader prepares.
#[test]
fn images_are_prepared_as_in_training() {
    let shape = [3, 8, 8];
    let transforms = vec![resize([10, 12]), CenterCrop { size: Size::Side(8) }.into()];
    let images: Vec<Image> = (0..6)
        .map(|i| image(3, 9, 11 + i % 2))
        .map(|i| Image { width: 11, pixels: i.pixels[..297].to_vec(), ..i })
        .collect();
    let pixels = images.iter().flat_map(|image| image.pixels.clone()).collect();
    let source = LabelledImages::new("made", [3, 9, 11], pixels, vec![0; 6], 3, 255).unwrap();
    let data = AugmentedImages::new(Arc::new(source), (0..6).collect()).unwrap();
    let data = data.with_transforms(transforms.clone()).unwrap();
    let data =
        data.with_normalisation(Normalise::new(vec![0.4; 3], vec![0.3; 3]).unwrap()).unwrap();
    let samples: Vec<f32> = (0..4).flat_map(|i| data.get(i, Seed(1)).unwrap().pixels).collect();
    let batch = Tensor::from_vec(samples, (4, 3, 8, 8), &Device::Cpu).unwrap();
    let architecture: Architecture = "small-cnn".parse().unwrap();
    let store = store(shape, 3);
    let model = architecture.build(3, shape, Options::default(), store.var_builder()).unwrap();
    let expected: Vec<f32> =
        model.forward_t(&batch, false).unwrap().flatten_all().unwrap().to_vec1().unwrap();

    let folder = tempfile::tempdir().unwrap();
    classifier(shape, transforms).save(folder.path()).unwrap();
    let read = CalibratedClassifier::load(folder.path(), &Device::Cpu).unwrap();
    let prepared: Vec<_> = images.iter().map(|image| read.prepare(image, 255).unwrap()).collect();
    assert_eq!(read.logits(&prepared[..4]).unwrap(), expected);
    assert!(prepared.iter().all(|image| image.adaptation == Adaptation::default()));
    let answers = read.classify_all(&prepared, CalibratorRole::Temperature).unwrap();
    let of_logits =
        read.settings().record.classify(&expected, CalibratorRole::Temperature).unwrap();
    assert_eq!(answers[..4], of_logits);
    assert!(answers.iter().all(|answer| answer.name == CLASSES[answer.class]));
    let alone = read.classify(&images[5]).unwrap();
    assert!((alone.confidence - answers[5].confidence).abs() < 1e-5);
    // Saving a loaded classifier gives the same files.
    let again = folder.path().join("again");
    read.save(&again).unwrap();
    for name in ["classifier.json", "classifier.safetensors"] {
        assert_eq!(
            std::fs::read(folder.path().join(name)).unwrap(),
            std::fs::read(again.join(name)).unwrap()
        );
    }
}

#[test]
fn images_of_other_sizes_and_channels_are_adapted_and_say_so() {
    let grey = classifier([1, 8, 8], Vec::new());
    let found = grey.prepare(&image(3, 20, 1), 255).unwrap().adaptation;
    assert_eq!(found, Adaptation { channels: Some(3), size: Some([20, 1]) });
    assert_eq!(grey.prepare(&image(1, 8, 8), 16).unwrap().adaptation, Adaptation::default());
    // A grey image gives the same result with three channels.
    let colours =
        Image { channels: 3, pixels: image(1, 8, 8).pixels.repeat(3), height: 8, width: 8 };
    assert_eq!(grey.classify(&colours).unwrap(), grey.classify(&image(1, 8, 8)).unwrap());
    // An image of one pixel.
    let one = grey.classify(&image(1, 1, 1)).unwrap();
    assert!(one.confidence > 0.0);
    let error = grey
        .classify(&Image { channels: 1, height: 8, width: 8, pixels: vec![0; 3] })
        .unwrap_err()
        .to_string();
    assert!(error.contains("[1, 8, 8]") && error.contains("3 values"), "{error}");
    let error =
        classifier([3, 8, 8], Vec::new()).classify(&image(4, 8, 8)).unwrap_err().to_string();
    assert_eq!(error, "channels of the image: expected 1, 3 or 3, found 4");
    let other = classifier([3, 8, 8], Vec::new()).prepare(&image(3, 8, 8), 255).unwrap();
    let error = grey.logits(&[other]).unwrap_err().to_string();
    assert_eq!(error, "prepared image: expected 64 values, found 192");
}

fn assert_error(folder: &Path, expected: &str) {
    let error = CalibratedClassifier::load(folder, &Device::Cpu).expect_err(expected).to_string();
    assert!(error.contains(expected), "{error}\nexpected: {expected}");
}

#[test]
fn settings_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    classifier([3, 8, 8], vec![resize([8, 8])]).save(folder.path()).unwrap();
    let path = folder.path().join("classifier.json");
    let good = std::fs::read_to_string(&path).unwrap();
    for (from, to, expected) in [
        (
            "\"schema\":2",
            "\"schema\":3",
            "classifier.json: content: expected the settings of a model, found schema 3, of another version",
        ),
        (
            "image-classifier",
            "text-classifier",
            "classifier.json: kind: expected \"image-classifier\", found \"text-classifier\"",
        ),
        (
            "small-cnn",
            "small-rnn",
            "settings.model: expected a network for images of shape [3, 8, 8], found",
        ),
        (
            "\"shape\":[3,8,8]",
            "\"shape\":[3,8,0]",
            "settings.shape: expected 1 to 16777216 values, found [3, 8, 0]",
        ),
        (
            "\"shape\":[3,8,8]",
            "\"shape\":[3,8000000,8000000]",
            "settings.shape: expected 1 to 16777216 values",
        ),
        (
            "\"shape\":[3,8,8]",
            "\"shape\":[18446744073709551615,8,8]",
            "settings.shape: expected 1 to 16777216 values",
        ),
        (
            "\"shape\":[3,8,8]",
            "\"shape\":[1,8,8]",
            "settings.normalisation: expected 1 channels, found 3",
        ),
        ("small-cnn", "resnet20", "classifier.safetensors: tensor"),
        ("\"batch\":4", "\"batch\":0", "settings.batch: expected 1 to 4096, found 0"),
        (
            "\"full_scale\":255",
            "\"full_scale\":0",
            "settings.full_scale: expected at least 1, found 0",
        ),
        ("\"std\":[0.3,", "\"std\":[0.0,", "normalisation of channel 0"),
        (
            "\"size\":[8,8]",
            "\"size\":[0,8]",
            "settings.transforms[0]: expected settings in their range, found resize",
        ),
        ("\"ant\",\"bee\",\"cat\"", "\"ant\",\"bee\"", "classifier.safetensors: tensor"),
        ("\"crc32\":\"", "\"crc32\":\"0", "classifier.safetensors: CRC-32: expected 0"),
    ] {
        assert!(good.contains(from), "{from}: {good}");
        std::fs::write(&path, good.replacen(from, to, 1)).unwrap();
        assert_error(folder.path(), expected);
    }
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert_error(folder.path(), "classifier.json: content: expected the settings of a model");
    std::fs::write(&path, &good).unwrap();
    let tensors = std::fs::read(folder.path().join("classifier.safetensors")).unwrap();
    std::fs::write(folder.path().join("classifier.safetensors"), &tensors[..tensors.len() - 1])
        .unwrap();
    assert_error(folder.path(), "bytes, found");
    std::fs::remove_file(&path).unwrap();
    assert_error(folder.path(), "classifier.json");
}

#[test]
fn what_cannot_be_used_is_not_saved() {
    let of = |settings: ClassifierSettings| {
        CalibratedClassifier::new(settings, &store([3, 8, 8], 1).state(), &Device::Cpu)
            .map(drop)
            .map_err(|e| e.to_string())
    };
    assert_eq!(of(settings([3, 8, 8], vec![])), Ok(()));
    let random = settings([3, 8, 8], vec![HorizontalFlip { probability: 0.5 }.into()]);
    let expected =
        "settings.transforms[0]: expected transforms that are not random, found horizontal-flip";
    assert_eq!(of(random), Err(expected.to_owned()));
    let untested = ClassifierSettings { record: record(0), ..settings([3, 8, 8], vec![]) };
    assert_eq!(
        of(untested),
        Err("settings.record.test: expected at least 1 image, found 0".to_owned())
    );
    let other = ClassifierSettings { model: "resnet20".to_owned(), ..settings([3, 8, 8], vec![]) };
    assert!(of(other).unwrap_err().starts_with("tensor "));
}
