//! Joint transforms against albumentations on OpenCV (`fixtures/joint-transforms`), slow reference
//! implementations and expected distributions; settings.

use candle_core::{Device, Tensor};
use mbls_data::Seed;
use mbls_seg::dataset::{Mask, SegmentationSample, VOID};
use mbls_seg::transform::{
    BrightnessContrast, HorizontalFlip, HueSaturationValue, JointTransform, LongestSide, PadTo,
    RandomCrop, ScaleJitter, adjust_brightness_contrast, apply_all, common_size, shift_hsv,
};
use mbls_vision::Image;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::HashMap;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/joint-transforms");

fn fixture() -> (Value, HashMap<String, Tensor>) {
    let text = std::fs::read_to_string(format!("{FOLDER}/values.json")).unwrap();
    let tensors =
        candle_core::safetensors::load(format!("{FOLDER}/values.safetensors"), &Device::Cpu)
            .unwrap();
    (serde_json::from_str(&text).unwrap(), tensors)
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Returns the numbers of each case as floats and as integers.
fn cases(values: &Value, name: &str) -> Vec<(Vec<f64>, Vec<usize>)> {
    let numbers = |case: &Value| {
        case.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>()
    };
    let cases = values[name].as_array().unwrap().iter().map(numbers);
    cases.map(|case| (case.clone(), case.iter().map(|&x| x as usize).collect())).collect()
}

/// Returns a sample whose values encode positions: red is the row, green the column, and the class
/// their sum. None of them equals the padding.
fn sample(height: usize, width: usize) -> SegmentationSample {
    let at = |f: &dyn Fn(usize, usize) -> usize| -> Vec<u8> {
        (0..height)
            .flat_map(|y| (0..width).map(move |x| (y, x)))
            .map(|(y, x)| f(y, x) as u8 + 1)
            .collect()
    };
    let pixels = [at(&|y, _| y), at(&|_, x| x), at(&|y, x| y ^ x)].concat();
    let mask = Mask { height, width, classes: at(&|y, x| y + x) };
    SegmentationSample { image: Image { channels: 3, height, width, pixels }, mask }
}

/// Returns a sample of one colour and one class.
fn plain(height: usize, width: usize) -> SegmentationSample {
    let image = Image { channels: 3, height, width, pixels: vec![90; 3 * height * width] };
    SegmentationSample { image, mask: Mask { height, width, classes: vec![2; height * width] } }
}

#[test]
fn sizes_and_places_are_albumentations() {
    let (values, _) = fixture();
    for (_, case) in cases(&values, "longest_side") {
        let [height, width, size, rows, columns] = case[..] else { panic!("{case:?}") };
        assert_eq!(LongestSide { size }.output_size([height, width]), [rows, columns], "{case:?}");
    }
    for (_, case) in cases(&values, "pad") {
        let [height, width, size, rows, columns, top, left] = case[..] else { panic!("{case:?}") };
        let pad = PadTo { size, value: 0 };
        assert_eq!(
            (pad.output_size([height, width]), pad.offsets([height, width])),
            ([rows, columns], [top, left])
        );
    }
    for (case, sizes) in cases(&values, "scale") {
        let jitter = JointTransform::from(ScaleJitter { scale: [case[2]; 2], probability: 1.0 });
        let scaled = jitter.apply(plain(sizes[0], sizes[1]), Seed(3)).unwrap();
        assert_eq!(scaled.size(), [sizes[3], sizes[4]], "{case:?}");
    }
}

#[test]
fn masks_are_opencvs_nearest() {
    let (values, _) = fixture();
    let all = cases(&values, "nearest");
    assert!(all.len() >= 600);
    for (_, case) in all {
        let [from, to, expected] = case[..] else { panic!("{case:?}") };
        // Encodes the position in the class, one digit at a time.
        let places = |digit: fn(usize) -> usize| -> Vec<usize> {
            let mut sample = plain(1, from);
            sample.mask.classes = (0..from).map(|x| digit(x) as u8).collect();
            let scale =
                ScaleJitter { scale: [(to as f64 + 0.5) / from as f64; 2], probability: 1.0 };
            let scaled = JointTransform::from(scale).apply(sample, Seed(0)).unwrap();
            assert_eq!(scaled.mask.width, to, "{case:?}");
            // The result may have several rows.
            scaled.mask.classes[..to].iter().map(|&digit| digit.into()).collect()
        };
        if !(0.01..=100.0).contains(&((to as f64 + 0.5) / from as f64)) {
            continue;
        }
        let (low, high) = (places(|x| x % 250), places(|x| x / 250));
        let found: usize =
            low.iter().zip(high).zip(1..).map(|((low, high), i)| i * (low + 250 * high)).sum();
        assert_eq!(found, expected, "{from} to {to}");
    }
}

#[test]
fn brightness_and_contrast_are_albumentations() {
    let (values, tensors) = fixture();
    for (i, (case, _)) in cases(&values, "brightness_contrast").iter().enumerate() {
        let mut ramp = Image { channels: 1, height: 1, width: 256, pixels: (0..=255).collect() };
        adjust_brightness_contrast(&mut ramp, case[0], case[1]);
        assert_eq!(ramp.pixels, bytes(&tensors[&format!("brightness_contrast/{i}")]), "{case:?}");
    }
}

#[test]
fn hue_saturation_and_value_are_albumentations() {
    let (values, tensors) = fixture();
    let (channels, height, width) = tensors["hsv/image"].dims3().unwrap();
    for (i, (case, _)) in cases(&values, "hsv").iter().enumerate() {
        let mut image = Image { channels, height, width, pixels: bytes(&tensors["hsv/image"]) };
        shift_hsv(&mut image, [case[0], case[1], case[2]]);
        let expected = bytes(&tensors[&format!("hsv/{i}")]);
        let differ = image.pixels.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!((differ, image.pixels.len()), (0, expected.len()), "{case:?}");
    }
}

proptest! {
    #[test]
    fn crops_of_image_and_mask_have_the_same_position(
        height in 1usize..40, width in 1usize..40, size in 1usize..40, flip in any::<bool>(), seed in any::<u64>(),
    ) {
        prop_assume!(size <= height.min(width));
        let whole = sample(height, width);
        let flip = HorizontalFlip { probability: f64::from(u8::from(flip)) };
        let transforms = [RandomCrop { size }.into(), flip.into()];
        let crop = apply_all(&transforms, whole.clone(), Seed(seed)).unwrap();
        prop_assert_eq!(crop.size(), [size, size]);
        for i in 0..size * size {
            let (row, column) = (crop.image.pixels[i] as usize - 1, crop.image.pixels[size * size + i] as usize - 1);
            prop_assert_eq!(crop.mask.classes[i], whole.mask.classes[row * width + column]);
            let shift = crop.image.pixels[size * size] as usize - 1;
            let expected = if flip.probability == 1.0 { shift - i % size } else { shift + i % size };
            prop_assert_eq!((row, column), (crop.image.pixels[0] as usize - 1 + i / size, expected));
        }
        prop_assert_eq!(crop, apply_all(&transforms, whole, Seed(seed)).unwrap());
    }

    #[test]
    fn common_sizes_come_true(
        height in 1usize..60, width in 1usize..60, longest in 1usize..60, pad in 1usize..60, crop in 1usize..60, scaled in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let jitter = ScaleJitter { scale: [0.5, 1.5], probability: 0.5 };
        let mut transforms: Vec<JointTransform> = vec![LongestSide { size: longest }.into()];
        if scaled {
            transforms.push(jitter.into());
        }
        transforms.push(PadTo { size: pad, value: 3 }.into());
        if crop <= pad {
            transforms.push(RandomCrop { size: crop }.into());
        }
        let result = apply_all(&transforms, sample(height, width), Seed(seed)).unwrap();
        result.validate().unwrap();
        if let Some(size) = common_size(&transforms) {
            prop_assert_eq!(result.size(), size);
        } else {
            let most = if scaled { longest * 3 / 2 } else { longest };
            prop_assert!(crop > pad && most > pad);
        }
    }
}

#[test]
fn every_place_and_both_directions_are_equally_likely() {
    let transforms = [RandomCrop { size: 2 }.into(), HorizontalFlip { probability: 0.5 }.into()];
    let draws = 24_000;
    let mut seen = HashMap::<Vec<u8>, u32>::new();
    for seed in 0..draws {
        *seen
            .entry(apply_all(&transforms, sample(4, 5), Seed(seed)).unwrap().image.pixels)
            .or_default() += 1;
    }
    // 3 x 4 positions, with and without flip. Each count is within 5 standard deviations (31) of
    // its expectation (1,000).
    assert_eq!(seen.len(), 24);
    assert!(seen.values().all(|count| (845..=1155).contains(count)), "{:?}", seen.values());
}

#[test]
fn colours_change_as_often_and_as_far_as_asked() {
    let changed = |transform: JointTransform| -> Vec<SegmentationSample> {
        (0..4_000).map(|seed| transform.apply(plain(1, 1), Seed(seed)).unwrap()).collect()
    };
    let brightness = BrightnessContrast { brightness: 0.1, contrast: 0.2, probability: 0.25 };
    let results = changed(brightness.into());
    let values: Vec<u8> = results.iter().map(|sample| sample.image.pixels[0]).collect();
    // 90 * (1 -+ .2) -+ 25.5.
    assert!(values.iter().all(|value| (46..=133).contains(value)));
    assert!(values.iter().any(|value| *value < 56) && values.iter().any(|value| *value > 123));
    let share = values.iter().filter(|&&value| value != 90).count() as f64 / 4000.0;
    // Some changes are rounded away. The standard deviation of the share is 0.007.
    assert!((0.20..=0.285).contains(&share), "{share}");
    assert!(results.iter().all(|sample| sample.mask == plain(1, 1).mask));

    let value = HueSaturationValue { hue: 0.0, saturation: 0.0, value: 10.0, probability: 1.0 };
    let results = changed(value.into());
    let values: Vec<u8> = results.iter().map(|sample| sample.image.pixels[0]).collect();
    assert_eq!((values.iter().min(), values.iter().max()), (Some(&80), Some(&99)));
    assert!(results.iter().all(|sample| sample.mask == plain(1, 1).mask));
    for still in [
        JointTransform::from(BrightnessContrast {
            brightness: 1.0,
            contrast: 1.0,
            probability: 0.0,
        }),
        HueSaturationValue { hue: 90.0, saturation: 255.0, value: 255.0, probability: 0.0 }.into(),
        ScaleJitter { scale: [2.0, 3.0], probability: 0.0 }.into(),
        BrightnessContrast { brightness: 0.0, contrast: 0.0, probability: 1.0 }.into(),
    ] {
        assert!(
            (0..50).all(|seed| still.apply(sample(3, 4), Seed(seed)).unwrap() == sample(3, 4)),
            "{still:?}"
        );
    }
}

#[test]
fn a_transform_draws_from_its_place_in_the_list() {
    let crop = JointTransform::from(RandomCrop { size: 3 });
    let first = apply_all(&[crop], sample(30, 30), Seed(1)).unwrap();
    assert_eq!(first, crop.apply(sample(30, 30), Seed(1).derive("random-crop").at(0)).unwrap());
    let second =
        apply_all(&[HorizontalFlip { probability: 0.0 }.into(), crop], sample(30, 30), Seed(1))
            .unwrap();
    assert_eq!(second, crop.apply(sample(30, 30), Seed(1).derive("random-crop").at(1)).unwrap());
    assert_ne!(first, second);
}

#[test]
fn the_papers_chains_have_the_papers_sizes() {
    let train = JointTransform::voc_train();
    assert_eq!(common_size(&train), Some([512, 512]));
    assert_eq!(common_size(&JointTransform::voc_validation()), Some([480, 480]));
    assert_eq!(common_size(&train[..2]), None);
    assert_eq!(common_size(&[]), None);
    for (probability, size) in [(0.5, None), (1.0, Some([8, 8]))] {
        let jitter = ScaleJitter { scale: [2.0; 2], probability };
        assert_eq!(common_size(&[RandomCrop { size: 4 }.into(), jitter.into()]), size);
    }
    let result = apply_all(&train, sample(37, 50), Seed(5)).unwrap();
    assert_eq!(result.size(), [512, 512]);
    let validation = JointTransform::voc_validation();
    let results = [1, 2].map(|seed| apply_all(&validation, sample(50, 37), Seed(seed)).unwrap());
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0].mask.valid_pixels(), 480 * 355);
}

#[test]
fn a_crop_of_the_border_is_all_void() {
    let transforms = [PadTo { size: 64, value: 0 }.into(), RandomCrop { size: 8 }.into()];
    let crops = (0..50).map(|seed| apply_all(&transforms, plain(4, 4), Seed(seed)).unwrap());
    let void: Vec<SegmentationSample> = crops.filter(SegmentationSample::is_all_void).collect();
    assert!(!void.is_empty());
    assert!(
        void[0].mask.classes.iter().all(|&class| class == VOID) && void[0].mask.valid_pixels() == 0
    );
}

#[test]
fn settings_are_read_and_checked() {
    let transforms: Vec<JointTransform> = JointTransform::voc_train();
    let text = serde_json::to_string(&transforms).unwrap();
    assert_eq!(serde_json::from_str::<Vec<JointTransform>>(&text).unwrap(), transforms);
    // As in docs/datasets.md.
    let guide =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/datasets.md"))
            .unwrap();
    let suite =
        guide.split("```toml\n# VOC as published").nth(1).unwrap().split("```").next().unwrap();
    let suite: HashMap<String, Vec<JointTransform>> = toml::from_str(&format!("#{suite}")).unwrap();
    assert_eq!(suite["train"], transforms);
    assert_eq!(suite["test"], JointTransform::voc_validation());
    let read = |text: &str| serde_json::from_str::<JointTransform>(text);
    assert_eq!(
        read(r#"{"kind": "scale-jitter"}"#).unwrap(),
        ScaleJitter { scale: [0.5, 2.0], probability: 1.0 }.into()
    );
    let default = HueSaturationValue { hue: 20.0, saturation: 30.0, value: 20.0, probability: 0.5 };
    assert_eq!(read(r#"{"kind": "hue-saturation-value"}"#).unwrap(), default.into());
    for wrong in [
        r#"{"kind": "rotate"}"#,
        r#"{"kind": "pad"}"#,
        r#"{"kind": "pad", "size": -1}"#,
        r#"{"kind": "pad", "size": 4, "value": 256}"#,
        r#"{"kind": "random-crop", "size": 4, "padding": 2}"#,
        r#"{"kind": "longest-side", "sise": 4}"#,
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    for (wrong, expected) in [
        (r#"{"kind": "pad", "size": 0}"#, "pad: size: expected at least 1, found 0"),
        (
            r#"{"kind": "longest-side", "size": 0}"#,
            "longest-side: size: expected at least 1, found 0",
        ),
        (
            r#"{"kind": "random-crop", "size": 0}"#,
            "random-crop: size: expected at least 1, found 0",
        ),
        (
            r#"{"kind": "pad", "size": 100000000}"#,
            "pad: size of the result: expected 1..=89478485 pixels, found 100000000 x 1",
        ),
        (
            r#"{"kind": "horizontal-flip", "probability": 1.5}"#,
            "horizontal-flip: probability: expected 0..=1, found 1.5",
        ),
        (
            r#"{"kind": "brightness-contrast", "contrast": -0.1}"#,
            "brightness-contrast: contrast: expected 0..=1, found -0.1",
        ),
        (
            r#"{"kind": "hue-saturation-value", "hue": 91}"#,
            "hue-saturation-value: hue: expected 0..=90, found 91",
        ),
        (
            r#"{"kind": "scale-jitter", "scale": [2, 1]}"#,
            "scale-jitter: scale: expected two numbers in 0.01..=100, the smaller first, found [2.0, 1.0]",
        ),
    ] {
        assert_eq!(read(wrong).unwrap().validate().unwrap_err().to_string(), expected);
        assert!(read(wrong).unwrap().apply(sample(4, 4), Seed(0)).is_err());
    }
    let nan = JointTransform::from(ScaleJitter { scale: [f64::NAN; 2], probability: 1.0 });
    assert!(nan.validate().is_err());
}

#[test]
fn samples_that_do_not_fit_are_refused() {
    let message = |transform: JointTransform, sample: SegmentationSample| {
        transform.apply(sample, Seed(0)).unwrap_err().to_string()
    };
    assert_eq!(
        message(RandomCrop { size: 5 }.into(), sample(4, 9)),
        "random-crop: size: expected at most the image's 4 x 9, found 5 x 5"
    );
    assert_eq!(
        message(PadTo { size: 80_000, value: 0 }.into(), sample(2, 2)),
        "pad: size of the result: expected 1..=89478485 pixels, found 80000 x 80000"
    );
    assert!(
        message(LongestSide { size: 50_000 }.into(), sample(2, 2))
            .starts_with("longest-side: size of the result")
    );
    let flip = JointTransform::from(HorizontalFlip { probability: 1.0 });
    let mut wrong = sample(4, 4);
    wrong.mask.width = 3;
    assert_eq!(
        message(flip, wrong),
        "mask: expected 4 x 4 values, as many as pixels, found 16 values of 4 x 3"
    );
    let mut wrong = sample(4, 4);
    wrong.image.pixels.pop();
    assert!(message(flip, wrong).starts_with("image: expected values of shape [3, 4, 4]"));
    let image = Image { channels: 1, height: 1, width: 1, pixels: vec![0] };
    let wrong = SegmentationSample { image, mask: Mask { height: 1, width: 1, classes: vec![0] } };
    assert_eq!(message(flip, wrong), "channels of an image with a mask: expected 3, found 1");
}
