//! Saved segmenters: comparison with the network itself, and invalid files.

use candle_core::{DType, Device};
use mbls_core::calibration::{CalibrationRecord, CalibratorRole};
use mbls_data::Collate;
use mbls_nn::ParamStore;
use mbls_seg::dataset::{Mask, SegmentationCollate, SegmentationSample, decode_mask};
use mbls_seg::model::{Architecture, Options};
use mbls_seg::segmenter::{CalibratedSegmenter, ImageScores, SegmenterSettings};
use mbls_seg::transform::{HorizontalFlip, JointTransform, LongestSide, PadTo, apply_all};
use mbls_vision::Image;
use mbls_vision::transform::Normalise;

const CLASSES: [&str; 3] = ["road", "sky", "tree"];

fn image(height: usize, width: usize, seed: usize) -> Image {
    let pixels = (0..3 * height * width).map(|i| ((i + seed) * 37 % 251) as u8).collect();
    Image { channels: 3, height, width, pixels }
}

fn settings(transforms: Vec<JointTransform>) -> SegmenterSettings {
    let logits: Vec<f32> = (0..60).map(|i| ((i * 7) % 11) as f32 / 3.0).collect();
    let labels: Vec<u32> = (0..20).map(|i| i % 3).collect();
    let mut record =
        CalibrationRecord::fit(CLASSES.map(str::to_owned).to_vec(), &logits, &labels, 5).unwrap();
    record.assess(&logits, &labels).unwrap();
    let mut scores = ImageScores::new(3);
    scores.push(&logits).unwrap();
    SegmenterSettings {
        model: "unet-r18".to_owned(),
        values: vec![0, 7, 255],
        transforms,
        normalisation: Normalise::imagenet(),
        batch: 2,
        record: record.with_ood(scores.thresholds().unwrap()),
        provenance: Default::default(),
    }
}

fn store(seed: u64) -> ParamStore {
    let store = ParamStore::new(seed, DType::F32, &Device::Cpu);
    let architecture: Architecture = "unet-r18".parse().unwrap();
    architecture.network(3, 3).unwrap().build(Options::default(), store.var_builder()).unwrap();
    store
}

fn segmenter(transforms: Vec<JointTransform>) -> CalibratedSegmenter {
    CalibratedSegmenter::new(settings(transforms), &store(3).state(), &Device::Cpu).unwrap()
}

fn usual() -> Vec<JointTransform> {
    vec![LongestSide { size: 40 }.into(), PadTo { size: 64, value: 0 }.into()]
}

/// The logits are bit-identical to those of images that are prepared by the training loader.
#[test]
fn images_are_prepared_as_in_training() {
    let images = [image(50, 30, 1), image(30, 50, 2)];
    let samples = images.iter().map(|image| {
        let mask = Mask {
            height: image.height,
            width: image.width,
            classes: vec![1; image.height * image.width],
        };
        apply_all(&usual(), SegmentationSample { image: image.clone(), mask }, mbls_data::Seed(9))
            .unwrap()
    });
    let batch = SegmentationCollate::new(&Normalise::imagenet())
        .unwrap()
        .collate(samples.collect())
        .unwrap();
    let store = store(3);
    let architecture: Architecture = "unet-r18".parse().unwrap();
    let model =
        architecture.network(3, 3).unwrap().build(Options::default(), store.var_builder()).unwrap();
    let expected = model.forward_t(&batch.images(&Device::Cpu).unwrap(), false).unwrap();

    let folder = tempfile::tempdir().unwrap();
    segmenter(usual()).save(folder.path()).unwrap();
    let read = CalibratedSegmenter::load(folder.path(), &Device::Cpu).unwrap();
    let prepared: Vec<_> = images.iter().map(|image| read.prepare(image).unwrap()).collect();
    let logits = read.logits(&prepared).unwrap();
    assert_eq!(logits, expected.flatten_all().unwrap().to_vec1::<f32>().unwrap());

    let found = read.segment_all(&prepared, CalibratorRole::Temperature).unwrap();
    for (image, found) in images.iter().zip(&found) {
        assert_eq!((found.height, found.width), (image.height, image.width));
        assert_eq!((found.classes.len(), found.confidences.len()), (1500, 1500));
        assert_eq!(found.counts(3).iter().sum::<u64>(), 1500);
        assert_eq!(found.ood.len(), 3);
    }
    // 50 x 30 is resized to 40 x 24 and padded to 64 x 64: the first pixel is in row 12, column 20.
    let at = 12 * 64 + 20;
    let row: Vec<f32> = (0..3).map(|class| logits[class * 4096 + at]).collect();
    let rows = read.settings().record.rows(&row, CalibratorRole::Temperature).unwrap();
    assert_eq!(u32::from(found[0].classes[0]), rows.predicted(0));
    assert_eq!(found[0].confidences[0], rows.confidence(0) as f32);
}

#[test]
fn maps_are_png_files_of_the_image() {
    let (image, segmenter) =
        (image(20, 33, 5), segmenter(vec![PadTo { size: 64, value: 0 }.into()]));
    let found = segmenter.segment(&image).unwrap();
    let values = &segmenter.settings().values;
    let read = |png: Vec<u8>| image::load_from_memory(&png).unwrap();
    let mask = mask_of(&found.mask_png(values, |_| false).unwrap());
    let expected: Vec<u8> = found.classes.iter().map(|&class| values[usize::from(class)]).collect();
    assert_eq!((mask.height, mask.width, &mask.classes), (20, 33, &expected));
    let threshold = found.confidences[7];
    let held = mask_of(&found.mask_png(values, |confidence| confidence <= threshold).unwrap());
    for ((held, value), confidence) in held.classes.iter().zip(&expected).zip(&found.confidences) {
        assert_eq!(*held, if *confidence <= threshold { 255 } else { *value });
    }
    let confidence = read(found.confidence_png().unwrap()).into_luma8();
    assert_eq!(confidence.get_pixel(7, 0).0[0], (255.0 * found.confidences[7]).round() as u8);
    let overlay = read(found.overlay_png(&image, values).unwrap()).into_rgb8();
    let colour = mbls_seg::metric::class_colour(values[usize::from(found.classes[0])]);
    for (channel, above) in colour.iter().enumerate() {
        let below = image.pixels[channel * 660];
        let expected = (f32::from(below) + f32::from(*above)) / 2.0;
        assert!((f32::from(overlay.get_pixel(0, 0).0[channel]) - expected).abs() <= 0.5);
    }
    let error = found.mask_png(&[0], |_| false).unwrap_err().to_string();
    assert!(error.contains("values of the classes: expected one for class"), "{error}");
    assert!(found.overlay_png(&Image { height: 33, width: 20, ..image }, values).is_err());
}

/// Returns the values of a mask in a file.
fn mask_of(png: &[u8]) -> Mask {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), png).unwrap();
    decode_mask(file.path(), 1 << 20, 1 << 20).unwrap()
}

#[test]
fn what_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    segmenter(usual()).save(folder.path()).unwrap();
    let path = folder.path().join("classifier.json");
    let good = std::fs::read_to_string(&path).unwrap();
    for (from, to, expected) in [
        (
            "image-segmenter",
            "image-classifier",
            "kind: expected \"image-segmenter\", found \"image-classifier\"",
        ),
        ("unet-r18", "unet-r19", "settings.model: expected a network of 3 classes, found"),
        (
            "\"values\":[0,7,255]",
            "\"values\":[0,7]",
            "settings.values: expected 3 distinct values, found [0, 7]",
        ),
        (
            "\"values\":[0,7,255]",
            "\"values\":[0,7,7]",
            "settings.values: expected 3 distinct values",
        ),
        ("\"batch\":2", "\"batch\":5000", "settings.batch: expected 1 to 4096, found 5000"),
        ("\"size\":64", "\"size\":0", "settings.transforms[1]: expected settings in their range"),
        ("unet-r18", "unet-r34", "classifier.safetensors: tensor"),
    ] {
        assert!(good.contains(from), "{from}: {good}");
        std::fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let error =
            CalibratedSegmenter::load(folder.path(), &Device::Cpu).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}\nexpected: {expected}");
    }
    let random = settings(vec![HorizontalFlip { probability: 0.5 }.into()]);
    let error =
        CalibratedSegmenter::new(random, &store(1).state(), &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("transforms without randomness, found horizontal-flip"), "{error}");
    let two = Image { channels: 2, height: 1, width: 1, pixels: vec![0; 2] };
    assert_eq!(
        segmenter(usual()).segment(&two).unwrap_err().to_string(),
        "channels of the image: expected 1 or 3, found 2"
    );
    let tiny = segmenter(usual())
        .segment(&Image { channels: 1, height: 1, width: 1, pixels: vec![9] })
        .unwrap();
    assert_eq!((tiny.height, tiny.width, tiny.classes.len()), (1, 1, 1));
}
